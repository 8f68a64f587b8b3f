"""The setting by which a user names a list of synsets."""

from pydantic import Field, field_validator

from spark_jobs.core.addresses import absolute_address
from spark_jobs.core.settings import RoleName, Settings
from spark_jobs.formats.synsets import NAMED_LISTS


class SynsetSettings(Settings):
    """A list of synsets: a named one, or the address of one, which then is an input too."""

    synsets: str = Field("imagenet1k", description=", ".join(NAMED_LISTS))

    @field_validator("synsets")
    @classmethod
    def _is_absolute(cls, value: str) -> str:
        return value if value in NAMED_LISTS else absolute_address(value)

    def addresses(self, role: RoleName) -> dict[str, str]:
        """As for all settings; a file or table of synsets is an input too."""
        named = super().addresses(role)
        if role == "input" and self.synsets not in NAMED_LISTS:
            named["synsets"] = self.synsets
        return named
