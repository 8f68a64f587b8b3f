"""A process that open_clip's trainer runs in: all that it needs lies in a folder, and its results.

The trainer changes logging, seeds and flags of its process, and its working directory is that
folder, so it never runs in a program that does anything else.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from udfs.clip_training.arguments import LOGS, NAME
from udfs.clip_training.hooks import (
    Dropped,
    HookError,
    Hooks,
    UnreadableShardsError,
    read_dropped,
)
from udfs.clip_training.plan import TrainingPlan
from udfs.clip_training.sample_order import SampleOrder
from udfs.clip_training.scalars import DivergedError, ScalarWriter
from udfs.clip_training.start_model import write_trained
from udfs.clip_training.tries import parts_of, set_aside
from udfs.models.device import device_of_process, is_out_of_memory
from udfs.models.spec import Device, ModelError
from udfs.training_progress import has_tensorboard
from udfs.training_runs import TrainingError, noted_fault, read_fault, read_json, write_json
from udfs.watched_processes import end_with

# In the folder: what a process is to do, what it printed, its steps, its model, and that it ended.
TASK, PRINTED, SCALARS, MODEL, RESULT = (
    *("task.json", "printed.log", "scalars.jsonl", "model", "result.json"),
)
CHECKPOINT = f"{LOGS}/{NAME}/checkpoints/epoch_latest.pt"
_PARAMETERS, _LOG = "params.txt", "out.log"
# open_clip's words; auto: amp_bf16 on a GPU that has it, else amp, and fp32 on a CPU.
ClipPrecision: TypeAlias = Literal[
    "auto", "fp32", "amp", "amp_bf16", "bf16", "fp16", "pure_bf16", "pure_fp16"
]


@dataclass(frozen=True)
class ClipTask:
    """A training in a folder that all its processes see.

    arguments: of open_clip's trainer; device and precision are found by each process. start: the
    folder of the model to begin with. rows: samples of all shards. events: a folder for
    TensorBoard's files, if they are wanted. driver: the process with whose end a process of this
    machine ends too.
    """

    folder: str
    arguments: list[str]
    start: str
    plan: TrainingPlan
    rows: int
    seed: int
    device: Device = "auto"
    precision: ClipPrecision = "auto"
    events: str | None = None
    driver: int | None = None


def begin_files(folder: Path) -> None:
    """Set aside what earlier tries have written line by line."""
    for name in (SCALARS, PRINTED, f"{LOGS}/{NAME}/{_LOG}"):
        set_aside(folder / name)


def train_apart(task: ClipTask) -> None:
    """Train in a process of its own; TrainingError for what ends it.

    It ends with this one, also if this one is killed.
    """
    folder = Path(task.folder)
    write_json(folder / TASK, asdict(task))
    # -P: a file json.py in the working directory is none of its modules.
    command = [sys.executable, "-P", "-m", "udfs.clip_training.process", str(folder / TASK)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "WORLD_SIZE": "1",  # else the trainer may take a job of Slurm for several processes
    }
    with (folder / PRINTED).open("ab") as printed:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the program that started it
        )
        try:
            code = process.wait()
        finally:
            _end(process)
    if code:
        raise TrainingError(read_fault(folder) or _how_it_ended(folder, code))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill it and its loader workers, if it has not ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _how_it_ended(folder: Path, code: int) -> str:
    lines = (folder / PRINTED).read_text(errors="replace").strip().splitlines()
    last = lines[-1][:300] if lines else "nothing"
    if code == -signal.SIGKILL:
        return f"its process was killed, as where memory ends; it printed last: {last}"
    return f"its process ended with {code}; what it printed is in {folder / PRINTED}: {last}"


def train_in_folder(task: ClipTask) -> None:
    """Train in this process, alone or with those that torchrun has started.

    It goes on at the checkpoint, if there is one. Raises TrainingError for what ends it, which
    the folder has too.
    """
    if task.driver is not None:
        end_with(task.driver)
    try:
        _train(task)
    except (ModelError, HookError, DivergedError, UnreadableShardsError) as fault:
        raise noted_fault(task.folder, str(fault)) from None
    except TrainingError as fault:
        raise noted_fault(task.folder, str(fault)) from None
    except (Exception, SystemExit) as fault:
        logging.getLogger(__name__).exception("open_clip's trainer")
        raise noted_fault(task.folder, _trainers_fault(task, fault)) from fault


def _trainers_fault(task: ClipTask, fault: BaseException) -> str:
    if isinstance(fault, RuntimeError) and is_out_of_memory(fault):
        return f"no memory for a batch of {task.plan.batch_size}: give a smaller --batch-size"
    *_, last = ["", *str(fault).strip().splitlines()]
    log = Path(task.folder) / LOGS / NAME / _LOG
    return f"open_clip's trainer ended by {type(fault).__name__}: {last[:300]} (its log: {log})"


def _train(task: ClipTask) -> None:
    folder, rank = Path(task.folder), int(os.environ.get("RANK", "0"))
    os.chdir(folder)
    device = device_of_process(task.device)
    sys.modules["wandb"] = None  # type: ignore[assignment] # never used; its import takes seconds
    import open_clip_train.data as loader
    import open_clip_train.main as trainer

    order = SampleOrder(
        rows=task.rows,
        samples_per_epoch=task.plan.samples_per_epoch,
        in_passes=task.plan.in_passes,
        seed=task.seed,
        rank=rank,
        standard_draws=loader.random,
    )
    Hooks(folder, order, task.seed, rank, lambda: _scalars(folder, task.events)).install(
        trainer, loader
    )
    if device == "cpu" and task.plan.processes > 1:
        _let_cpus_train_together()
    precision = _precision(task.precision, device)
    arguments = [*task.arguments, "--device", device, "--precision", precision]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = trainer.main(arguments)
    if code:
        raise TrainingError(f"open_clip's trainer gave up; it says why in {folder / PRINTED}")
    if rank == 0:
        _write_result(task, folder, trainer.parse_args(arguments))
    _leave_group()


def _scalars(folder: Path, events: str | None) -> ScalarWriter:
    also = None
    if events is not None and has_tensorboard():
        from torch.utils.tensorboard import SummaryWriter

        also = SummaryWriter(events)
    return ScalarWriter(folder / SCALARS, also)


def _write_result(task: ClipTask, folder: Path, options: Any) -> None:
    """The finished model with the trainer's own logs, and the mark that all is there."""
    # As the trainer makes models that learn by SigLIP's loss.
    siglip = {"init_logit_scale": 2.302585092994046, "init_logit_bias": -10}
    extra = siglip if options.siglip else {}
    write_trained(folder / task.start, folder / CHECKPOINT, folder / MODEL, extra)
    for name in (_PARAMETERS, _LOG):
        parts = parts_of(folder / LOGS / NAME / name)
        (folder / MODEL / name).write_bytes(b"".join(part.read_bytes() for part in parts))
    write_json(folder / RESULT, asdict(read_dropped(folder)))


def read_result(folder: Path) -> Dropped | None:
    """What the loader passed over; None if the training has not come to its end."""
    fields = read_json(folder / RESULT)
    return None if fields is None else Dropped(**fields)


def _precision(wanted: ClipPrecision, device: str) -> str:
    if wanted != "auto":
        return wanted
    if device == "cpu":
        return "fp32"
    import torch

    return "amp_bf16" if torch.cuda.is_bf16_supported() else "amp"


def _let_cpus_train_together() -> None:
    """DistributedDataParallel wants no device ids on CPUs, but the trainer gives them."""
    from torch.nn import parallel

    class OnCpus(parallel.DistributedDataParallel):
        def __init__(self, module: Any, device_ids: Any = None, **named: Any) -> None:
            super().__init__(module, **named)

    parallel.DistributedDataParallel = OnCpus  # type: ignore[misc,assignment]


def _leave_group() -> None:
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def task_from_file(file: Path) -> ClipTask:
    """The task that `train_apart` wrote."""
    fields = json.loads(file.read_bytes())
    return ClipTask(**fields | {"plan": TrainingPlan(**fields["plan"])})


if __name__ == "__main__":
    try:
        train_in_folder(task_from_file(Path(sys.argv[1])))
    except TrainingError as end:
        sys.exit(str(end))
