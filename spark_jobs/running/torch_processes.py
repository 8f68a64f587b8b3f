"""Run a function of torch in this program, or in several processes that TorchDistributor starts."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pyspark.sql import SparkSession

from spark_jobs.core.errors import CurationError, InputDataError, SettingsError
from spark_jobs.core.spark_connect import is_remote
from spark_jobs.storage.session import reads_local_paths
from spark_jobs.storage.session_settings import setting
from spark_jobs.storage.shared_disk import refuse_separate_disks
from udfs.models.spec import Device
from udfs.stores import place_of
from udfs.training_runs import TrainingError, forget_fault, read_fault
from udfs.watched_processes import call_while_running

T = TypeVar("T")
_log = logging.getLogger(__name__)


def refuse_impossible_workers(
    spark: SparkSession, workers: int, device: Device, folders: Mapping[str, str]
) -> None:
    """Raise SettingsError where several processes cannot train, at the start of a run.

    `folders`: setting -> address, of what all of them read, and of the output.
    """
    if workers == 1:
        return
    called, remedy = f"workers = {workers}", "give --workers 1"
    if is_remote(spark):
        raise SettingsError(
            f"{called}: through Spark Connect one process trains, in this program, "
            f"since its processes could not see the folder that it trains in: {remedy}, or "
            "run the job on the cluster itself"
        )
    if reads_local_paths():
        return
    amount = _gpus_of_task(spark) if device != "cpu" else 0
    if amount and amount != int(amount):
        raise SettingsError(
            f"{called}: each needs a GPU of its own, but spark.task.resource.gpu.amount is "
            f"{amount:g}: start Spark with 1, or {remedy}"
        )
    in_store = next((name for name, a in folders.items() if place_of(a) is not None), None)
    if in_store is not None:
        raise SettingsError(
            f"{called}: {in_store} = {folders[in_store]} is in a store, but the processes train "
            f"in a folder beside the output that all of them see: give one of a disk that driver "
            f"and workers have, or {remedy}"
        )
    refuse_separate_disks(spark, folders)


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
        if is_local:  # torchrun and its processes would outlive this one
            distributor.run(call_while_running, os.getpid(), function, argument)
        else:
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
    return _gpus_of_task(spark) > 0


def _gpus_of_task(spark: SparkSession) -> float:
    return float(setting(spark, "spark.task.resource.gpu.amount", "0"))
