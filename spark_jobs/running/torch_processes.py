"""Run a function of torch in this program, or in several processes that TorchDistributor starts."""

import contextlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pyspark.sql import SparkSession

from spark_jobs.core.errors import CurationError, InputDataError, SettingsError
from spark_jobs.core.spark_connect import is_remote
from spark_jobs.storage.session import reads_local_paths
from spark_jobs.storage.session_settings import setting
from udfs.models.spec import Device
from udfs.training_runs import TrainingError, forget_fault, read_fault

T = TypeVar("T")
_log = logging.getLogger(__name__)


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


def run_training(
    spark: SparkSession,
    function: Callable[[T], None],
    task: T,
    folder: Path,
    *,
    workers: int,
    device: Device,
) -> None:
    """`run_processes` of a training in a folder; CurationError for what ends it, in one line."""
    forget_fault(folder)
    use_gpu = device != "cpu" and _has_gpus(spark)
    try:
        run_processes(spark, function, task, workers=workers, use_gpu=use_gpu)
    except TrainingError as fault:
        raise InputDataError(f"training: {fault}") from None
    except RuntimeError as fault:  # of TorchDistributor, with all that the processes printed
        message = read_fault(folder)
        if message is None:
            _log.warning("%s", fault)
            message = "a process has failed; what it printed is above"
        raise CurationError(f"training: {message}") from None


def _has_gpus(spark: SparkSession) -> bool:
    """Whether Spark gives GPUs to tasks."""
    return float(setting(spark, "spark.task.resource.gpu.amount", "0")) > 0
