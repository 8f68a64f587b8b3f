"""The training loop of SimCSE: steps, their learning rate, evaluation, and where it goes on."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from udfs.models.device import precision_on
from udfs.models.spec import Precision
from udfs.simcse.captions import CaptionRows, in_batches
from udfs.simcse.contrastive import contrastive_loss
from udfs.simcse.model import SimcseModel
from udfs.simcse.processes import Processes

_MAX_GRADIENT_NORM = 1.0  # as the Trainer of transformers clips
_STEPS_BETWEEN_LOOKS = 20  # at losses, each of which waits for the device


class DivergedError(Exception):
    """The loss of a step is no number any more; one line."""


class ChangedRowsError(Exception):
    """The captions read in an epoch are not as many as at the start; one line."""


@dataclass(frozen=True)
class TrainingOptions:
    """How it is trained; defaults of Gao et al. 2021, and the length of their command line's.

    batch_size: captions a step of each process. max_length: tokens of a caption, with [CLS] and
    [SEP]. eval_steps: steps between evaluations.
    """

    epochs: int = 1
    batch_size: int = 16
    learning_rate: float = 3e-5
    max_length: int = 10
    temperature: float = 0.05
    seed: int = 0
    eval_steps: int = 125
    checkpoint_steps: int = 500
    precision: Precision = "auto"


@dataclass(frozen=True)
class StepRow:
    """What is recorded of a step, counted from 1.

    rows: captions of all processes so far. dev_score: after this step, where it was evaluated.
    """

    step: int
    rows: int
    loss: float
    learning_rate: float
    rows_per_s: float
    dev_score: float | None = None


@dataclass
class TrainingState:
    """Where a training stands, beside the weights: what a checkpoint has.

    best: the encoder's weights of the best evaluation, on the host.
    """

    step: int = 0
    rows: int = 0
    steps: list[StepRow] = field(default_factory=list)
    best: dict[str, Any] | None = None
    best_score: float | None = None
    best_step: int | None = None


class Watcher:
    """What is done beside the steps; this one does nothing. Only the first process calls it."""

    def on_rows(self, rows: list[StepRow], n_steps: int) -> None:
        """After some steps, with their rows."""

    def on_checkpoint(self, state: TrainingState, weights: dict[str, Any], adam: Any) -> None:
        """Where the training could go on from."""


def train(
    model: SimcseModel,
    captions: CaptionRows,
    options: TrainingOptions,
    *,
    processes: Processes | None = None,
    evaluate: Callable[[SimcseModel], float] | None = None,
    watcher: Watcher | None = None,
    state: TrainingState | None = None,
    adam_state: Any = None,
) -> TrainingState:
    """Train by AdamW with a learning rate that falls to 0, as the Trainer does by default.

    At the end the model has the weights of the best evaluation, or of the last step without any.
    `evaluate` gives the score of the model on the first process; it is called each eval_steps and
    after the last step. `state`, `adam_state`: of a checkpoint, whose weights the model has. Raises
    ChangedRowsError where an epoch gives another number of rows, DivergedError for a loss that
    is no number.
    """
    import torch

    processes, watcher = processes or Processes(), watcher or Watcher()
    state = state or TrainingState()
    parameters = model.parameters()
    adam = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=0.0)
    if adam_state is not None:
        adam.load_state_dict(adam_state)
    n_by_epoch = [
        -(-captions.most_rows(epoch) // options.batch_size) for epoch in range(options.epochs)
    ]
    ends, n_steps = np.cumsum(n_by_epoch).tolist(), sum(n_by_epoch)
    losses: list[Any] = []
    seen: list[StepRow] = []
    started_s, rows_before = time.monotonic(), state.rows

    def look() -> None:
        """Fetch the losses of the last steps from the device."""
        nonlocal started_s, rows_before
        values = torch.stack(losses).tolist() if losses else []
        for row, loss in zip(seen, values, strict=True):
            if not math.isfinite(loss):
                raise DivergedError(
                    f"the loss of step {row.step} is {loss}: give a smaller learning rate or a "
                    "larger temperature"
                )
        rate = (state.rows - rows_before) / max(time.monotonic() - started_s, 1e-9)
        for row, loss in zip(seen, values, strict=True):
            state.steps.append(
                StepRow(row.step, row.rows, loss, row.learning_rate, rate, row.dev_score)
            )
        if values and processes.rank == 0:
            watcher.on_rows(state.steps[-len(values) :], n_steps)
        losses.clear()
        seen.clear()
        started_s, rows_before = time.monotonic(), state.rows

    for batch in _batches(captions, options.batch_size, n_by_epoch, state.step):
        rate = options.learning_rate * (n_steps - state.step) / n_steps
        counts = processes.numbers(len(batch))
        torch.manual_seed(_seed_of_step(options.seed, state.step, processes.rank))
        losses.append(_step(model, batch, counts, adam, rate, options, processes))
        state.step += 1
        state.rows += sum(counts)
        if state.step in ends:
            _refuse_changed_rows(state.rows, captions.n_rows, ends.index(state.step) + 1)
        score, is_last = None, state.step == n_steps
        if evaluate is not None and (is_last or state.step % options.eval_steps == 0):
            seconds = time.monotonic()
            score = _evaluate(model, evaluate, processes, state)
            started_s += time.monotonic() - seconds  # not the training's
        seen.append(StepRow(state.step, state.rows, 0.0, rate, 0.0, score))
        if score is not None or is_last or state.step % _STEPS_BETWEEN_LOOKS == 0:
            look()
        if state.step % options.checkpoint_steps == 0 and not is_last:
            look()
            if processes.rank == 0:
                watcher.on_checkpoint(state, model.state(), adam.state_dict())
            started_s = time.monotonic()
    if state.best is not None:
        model.bert.load_state_dict(state.best)
    return state


def _batches(
    captions: CaptionRows, batch_size: int, n_by_epoch: Sequence[int], n_done: int
) -> Iterator[list[str]]:
    """The batches of all steps after the first `n_done`; empty ones where others have more rows."""
    n_before = 0
    for epoch, n_epoch in enumerate(n_by_epoch):
        n_skipped = min(max(n_done - n_before, 0), n_epoch)
        n_before += n_epoch
        if n_skipped == n_epoch:
            continue
        n_batches = 0
        for batch in in_batches(captions.blocks(epoch), batch_size):
            n_batches += 1
            if n_batches > n_epoch:
                raise ChangedRowsError(
                    f"epoch {epoch + 1} has more captions than the {captions.n_rows:,} at the "
                    "start: they have changed"
                )
            if n_batches > n_skipped:
                yield batch
        yield from ([] for _ in range(max(n_batches, n_skipped), n_epoch))


def _refuse_changed_rows(n_read: int, n_rows: int, epochs: int) -> None:
    if n_read != n_rows * epochs:
        raise ChangedRowsError(
            f"{n_read:,} captions were read in {epochs} epochs, expected {n_rows * epochs:,}: they "
            "have changed since the start"
        )


def _step(
    model: SimcseModel,
    batch: list[str],
    counts: list[int],
    adam: Any,
    learning_rate: float,
    options: TrainingOptions,
    processes: Processes,
) -> Any:
    """One step of all processes; the loss, on the device."""
    import torch

    # bf16 also on GPUs that compute it by float32: fp16 would need a scaler of gradients.
    is_half = precision_on(model.device, options.precision) != "fp32"
    device_kind = model.device.partition(":")[0]
    with torch.autocast(device_kind, dtype=torch.bfloat16, enabled=is_half):
        if batch:
            first, second = model.two_passes(model.tokens(batch, options.max_length))
        else:
            first = second = torch.zeros((0, model.bert.config.hidden_size), device=model.device)
    first, second = (processes.rows(v.float(), counts) for v in (first, second))
    loss = contrastive_loss(first, second, options.temperature)
    if batch:
        loss.backward()
    parameters = model.parameters()
    processes.average_gradients(parameters)
    torch.nn.utils.clip_grad_norm_(parameters, _MAX_GRADIENT_NORM)
    for group in adam.param_groups:
        group["lr"] = learning_rate
    adam.step()
    adam.zero_grad()
    return loss.detach()


def _evaluate(
    model: SimcseModel,
    evaluate: Callable[[SimcseModel], float],
    processes: Processes,
    state: TrainingState,
) -> float | None:
    """The score after a step, whose weights are kept if it is the best; None on other processes."""
    score = None
    if processes.rank == 0:
        score = evaluate(model)
        if state.best_score is None or score > state.best_score:
            state.best_score, state.best_step = score, state.step
            weights = model.bert.state_dict()
            state.best = {name: value.detach().cpu().clone() for name, value in weights.items()}
    processes.wait()
    return score


def _seed_of_step(seed: int, step: int, rank: int) -> int:
    """The seed of a step's dropout, so that a training that goes on draws as one without a stop."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint32)[0])
