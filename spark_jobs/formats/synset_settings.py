"""The setting `synsets`, which names a list of synsets."""

from pydantic import Field, field_validator

from spark_jobs.core.addresses import absolute_address, is_unknown_word
from spark_jobs.core.settings import RoleName, Settings, did_you_mean
from spark_jobs.formats.synsets import NAMED_LISTS


class SynsetSettings(Settings):
    """Setting of a list of synsets: the name of a packaged list, or an address."""

    synsets: str = Field("imagenet1k", description=", ".join(NAMED_LISTS))

    @field_validator("synsets")
    @classmethod
    def _is_absolute(cls, value: str) -> str:
        if value in NAMED_LISTS:
            return value
        if is_unknown_word(value):
            raise ValueError(
                f"no such list{did_you_mean(value, NAMED_LISTS)}; there are "
                f"{', '.join(NAMED_LISTS)}, or give a file or table"
            )
        return absolute_address(value)

    def addresses(self, role: RoleName) -> dict[str, str]:
        """Addresses by setting, with that of a file or table of synsets among the inputs."""
        addresses = super().addresses(role)
        if role == "input" and self.synsets not in NAMED_LISTS:
            addresses["synsets"] = self.synsets
        return addresses
