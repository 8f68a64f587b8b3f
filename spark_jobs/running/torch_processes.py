"""Run a function of torch in this program, or in several processes that TorchDistributor starts."""

import contextlib
import sys
from collections.abc import Callable
from typing import TypeVar

from pyspark.sql import SparkSession

from spark_jobs.core.errors import SettingsError
from spark_jobs.storage.connect import is_remote
from spark_jobs.storage.session import reads_local_paths

T = TypeVar("T")


def refuse_impossible_workers(spark: SparkSession, workers: int) -> None:
    """Raise SettingsError where several processes cannot be started, at the start of a run."""
    if workers > 1 and is_remote(spark):
        raise SettingsError(
            f"workers = {workers}: through Spark Connect one process trains, in this program, "
            "since its processes could not see the folder that it trains in: give --workers 1, or "
            "run the job on the cluster itself"
        )


def run_processes(
    spark: SparkSession, function: Callable[[T], None], argument: T, *, workers: int, use_gpu: bool
) -> None:
    """Call the function in `workers` processes; of one, in this program.

    In local mode they run on this machine, else as tasks of a stage that runs all of them at once,
    each on a GPU of its own if there are any. The function must be importable where they run. What
    they print goes to stderr. A process that fails raises RuntimeError.
    """
    if workers == 1:
        function(argument)
        return
    from pyspark.ml.torch.distributor import TorchDistributor

    is_local = reads_local_paths()
    with contextlib.redirect_stdout(sys.stderr):
        distributor = TorchDistributor(
            num_processes=workers, local_mode=is_local, use_gpu=use_gpu and not is_local
        )
        distributor.run(function, argument)
