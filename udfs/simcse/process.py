"""One process of a training: all that it needs lies in a folder, and so does what it leaves."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from udfs.models.device import device_of_process, is_out_of_memory
from udfs.models.spec import Device, ModelError
from udfs.simcse.captions import CaptionRows
from udfs.simcse.checkpoints import read_checkpoint
from udfs.simcse.loop import ChangedRowsError, DivergedError, StepRow, TrainingOptions, train
from udfs.simcse.model import SimcseModel, with_new_mlp
from udfs.simcse.model_files import load_bert, write_model
from udfs.simcse.processes import process_group
from udfs.simcse.snapshot_rows import Reader, SnapshotRows
from udfs.simcse.watching import TrainingWatcher
from udfs.sts.evaluation import dev_score
from udfs.sts.pair_files import PairSet
from udfs.task_errors import TaskInputError
from udfs.training_runs import noted_fault, read_json, write_json

# In the folder: the model to begin with, the captions' snapshot, scored pairs, and what comes out.
START, CAPTIONS, DEV = "start", "captions", "dev.json"
CHECKPOINT, MODEL, RESULT = "checkpoint.pt", "model", "result.json"


@dataclass(frozen=True)
class TrainingTask:
    """A training in a folder that all its processes see.

    `events`: a folder for TensorBoard's files, if they are wanted.
    """

    folder: str
    options: TrainingOptions
    reader: Reader = "arrow"
    device: Device = "auto"
    events: str | None = None


@dataclass(frozen=True)
class TrainingResult:
    """What a training gave: its steps, and the score and step of the best evaluation, if any."""

    steps: list[StepRow]
    rows: int
    best_score: float | None
    best_step: int | None


def train_in_folder(task: TrainingTask) -> None:
    """Train, from a checkpoint if there is one, and write the model and the result.

    Processes that torchrun has started train one model together. Raises TrainingError for faults
    of the model, the captions or the device; the folder has the message too, since torchrun tells
    none.
    """
    try:
        _join_and_train(task)
    except (ModelError, ChangedRowsError, DivergedError, TaskInputError) as fault:
        raise noted_fault(task.folder, str(fault)) from None
    except RuntimeError as fault:
        if not is_out_of_memory(fault):
            raise
        message = f"no memory for a batch of {task.options.batch_size}: give a smaller --batch-size"
        raise noted_fault(task.folder, message) from None


def _join_and_train(task: TrainingTask) -> None:
    folder = Path(task.folder)
    with process_group(device_of_process(task.device)) as processes:
        rows = SnapshotRows(
            str(folder / CAPTIONS),
            task.reader,
            seed=task.options.seed,
            rank=processes.rank,
            world_size=processes.world_size,
        )
        _train(task, rows, processes)


def _train(task: TrainingTask, rows: CaptionRows, processes: Any) -> None:
    folder = Path(task.folder)
    bert, tokenizer = load_bert(folder / START, str(folder / START))
    model = with_new_mlp(bert, tokenizer, processes.device, task.options.seed)
    checkpoint = read_checkpoint(folder / CHECKPOINT, processes.device)
    state = adam = None
    if checkpoint is not None:
        state, weights, adam = checkpoint
        model.load_state(weights)
    pairs = read_dev(folder)

    def evaluate(model: SimcseModel) -> float:
        assert pairs is not None
        return dev_score(pairs, model.embed)

    events = None if task.events is None or processes.rank else Path(task.events)
    watcher = TrainingWatcher(folder / CHECKPOINT, events, 0 if state is None else state.step)
    try:
        state = train(
            model,
            rows,
            task.options,
            processes=processes,
            evaluate=None if pairs is None else evaluate,
            watcher=watcher,
            state=state,
            adam_state=adam,
        )
    finally:
        watcher.close()
    if processes.rank == 0:
        write_model(model.bert, tokenizer, folder / MODEL)
        result = TrainingResult(state.steps, state.rows, state.best_score, state.best_step)
        write_json(folder / RESULT, asdict(result))
    processes.wait()


def write_dev(folder: Path, pairs: PairSet) -> None:
    """Put the pairs to evaluate with into the folder."""
    write_json(folder / DEV, asdict(pairs))


def read_dev(folder: Path) -> PairSet | None:
    """The pairs to evaluate with; None if there are none."""
    fields = read_json(folder / DEV)
    if fields is None:
        return None
    return PairSet(
        fields["task"],
        fields["name"],
        tuple(fields["scores"]),
        tuple(fields["firsts"]),
        tuple(fields["seconds"]),
    )


def read_result(folder: Path) -> TrainingResult | None:
    """What the training gave; None if it has not come to its end."""
    fields = read_json(folder / RESULT)
    if fields is None:
        return None
    return TrainingResult(**fields | {"steps": [StepRow(**row) for row in fields["steps"]]})
