"""Checks before a job starts: whether it may write to the outputs in its settings."""

import logging
from collections.abc import Iterable

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import join_address, parse_address
from spark_jobs.core.errors import UnwritableOutputError
from spark_jobs.core.settings import Settings
from spark_jobs.storage.outputs.databricks import refuse_fleeting_outputs
from spark_jobs.storage.outputs.files import check_file
from spark_jobs.storage.outputs.folder_swap import check_folder
from spark_jobs.storage.outputs.tables import check_format, check_owner, check_workspace_table

_WORKSPACE_TABLES = ("runs", "rejected", "decisions")
_log = logging.getLogger(__name__)


def check_all_outputs(spark: SparkSession, settings: Settings) -> None:
    """Raise OutputTableError if an output has a table, folder or file that no run of ours wrote.

    Also checks the workspace's tables, to which runs append rows.
    """
    tables = [*_check_folders_and_files(settings), *settings.further_outputs()]
    for address in tables:
        check_owner(spark, parse_address(address))
    _check_workspace(spark, settings.workspace_address())


def check_outputs_ahead(spark: SparkSession, steps: Iterable[Settings]) -> None:
    """Check the outputs of several steps before the first one runs.

    Raises OutputTableError as `check_all_outputs` does, except for Delta tables of other programs:
    that takes reading their history, so it is checked when the step runs. A report that could not
    be written is only logged as a warning.
    """
    for settings in steps:
        try:
            tables = _check_folders_and_files(settings)
        except UnwritableOutputError as fault:
            if not settings.is_extra:
                raise
            _log.warning("%s; all else runs", fault)
            continue
        for address in tables:
            check_format(spark, parse_address(address))


def _check_folders_and_files(settings: Settings) -> list[str]:
    """Check the outputs that are no tables, and give the addresses of those that are."""
    refuse_fleeting_outputs(settings)
    folders = settings.addresses("folder").values()
    for folder in folders:
        check_folder(folder, settings.folder_content())
    for file in settings.addresses("file").values():
        check_file(file)
    return [address for address in settings.addresses("output").values() if address not in folders]


def _check_workspace(spark: SparkSession, workspace: str) -> None:
    """Check the workspace's tables up to the first that exists: the others belong to it."""
    for name in _WORKSPACE_TABLES:
        if check_workspace_table(spark, parse_address(join_address(workspace, name))):
            return
