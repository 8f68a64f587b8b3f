"""Asked before a job starts: whether it may write where its settings say."""

from collections.abc import Iterable

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import join_address, parse_address
from spark_jobs.core.settings import Settings
from spark_jobs.storage.outputs.files import check_file
from spark_jobs.storage.outputs.folder_swap import check_folder
from spark_jobs.storage.outputs.tables import check_format, check_owner, check_workspace_table

_LOGS = ("runs", "rejected", "decisions")


def check_all_outputs(spark: SparkSession, settings: Settings) -> None:
    """Refuse tables, folders and files of others in the place of an output: OutputTableError.

    The tables of the workspace, to which runs add rows, are asked after as well.
    """
    folders = settings.addresses("folder").values()
    for address in [*settings.addresses("output").values(), *settings.further_outputs()]:
        if address in folders:
            check_folder(address, settings.folder_content())
        else:
            check_owner(spark, parse_address(address))
    for file in settings.addresses("file").values():
        check_file(file)
    _check_logs(spark, settings.workspace_address())


def check_outputs_ahead(spark: SparkSession, steps: Iterable[Settings]) -> None:
    """Refuse what stands in the place of an output of any of several steps, before the first runs.

    Whose a Delta table is, which takes a look at its history, is asked when its step runs.
    """
    for settings in steps:
        folders = settings.addresses("folder").values()
        for address in settings.addresses("output").values():
            if address in folders:
                check_folder(address, settings.folder_content())
            else:
                check_format(spark, parse_address(address))
        for file in settings.addresses("file").values():
            check_file(file)


def _check_logs(spark: SparkSession, workspace: str) -> None:
    """Where `runs` is ours, the others are taken to be."""
    for name in _LOGS:
        if check_workspace_table(spark, parse_address(join_address(workspace, name))):
            return
