"""Places on Databricks that outlive a run: catalogs, volumes and DBFS, not the driver's disk."""

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import OutputTableError
from spark_jobs.core.settings import RoleName, Settings
from spark_jobs.storage.platforms import is_databricks
from udfs.file_systems import DBFS, VOLUMES, plain_path

_LASTING = (VOLUMES, DBFS, "/Workspace/")
_ROLES: tuple[RoleName, ...] = ("output", "file", "workspace")


def refuse_fleeting_outputs(settings: Settings) -> None:
    """Raise OutputTableError for an output whose files would not be where the next run looks.

    On Databricks that is the disk of the driver, which is gone with its cluster, and elsewhere
    DBFS.
    """
    for role in _ROLES:
        for name, address in settings.addresses(role).items():
            location = parse_address(address).location
            path = plain_path(location)
            if location.startswith("dbfs:") and not is_databricks():
                raise OutputTableError(f"{name} {location}: only Databricks has dbfs:")
            if is_databricks() and path.startswith("/") and not path.startswith(_LASTING):
                raise OutputTableError(
                    f"{name} {location}: the disk of Databricks' driver ends with its cluster; "
                    "give /Volumes/CATALOG/SCHEMA/VOLUME/..., or for tables a name in a catalog, "
                    "with back-quotes as in SQL: `my-catalog`.schema.table"
                )
