"""The loop of SimCSE: its loss, optimiser and order against the plainest ones, and going on."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.udfs.simcse.conftest import corpus, tiny_model
from udfs.simcse.captions import CaptionsInMemory, in_batches
from udfs.simcse.checkpoints import read_checkpoint, write_checkpoint
from udfs.simcse.contrastive import contrastive_loss
from udfs.simcse.loop import (
    ChangedRowsError,
    DivergedError,
    TrainingOptions,
    TrainingState,
    Watcher,
    train,
)

OPTIONS = TrainingOptions(learning_rate=1e-2, batch_size=16, seed=3, eval_steps=2)


class StoppedError(Exception):
    """What ends a training in the middle."""


def losses(state: TrainingState) -> list[float]:
    return [row.loss for row in state.steps]


def test_the_loss_is_the_plain_sum() -> None:
    draws = np.random.default_rng(0)
    first, second = draws.normal(size=(5, 7)), draws.normal(size=(5, 7))
    expected = 0.0
    for i in range(5):
        cosine = [
            first[i] @ second[j] / np.linalg.norm(first[i]) / np.linalg.norm(second[j]) / 0.05
            for j in range(5)
        ]
        expected += math.log(sum(map(math.exp, cosine))) - cosine[i]
    ours = contrastive_loss(torch.tensor(first), torch.tensor(second), 0.05)
    assert float(ours) == pytest.approx(expected / 5, rel=1e-5)


def test_steps_are_those_of_plain_adam_with_linear_decay(captions: list[str]) -> None:
    """With one call of the encoder for each pass, and torch's own scheduler."""
    model, plain = tiny_model(), tiny_model()
    for module in (*model.bert.modules(), *plain.bert.modules()):
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # one call draws otherwise than two
    ours = train(model, CaptionsInMemory(captions, 3), OPTIONS)
    rows, n_steps = list(in_batches(CaptionsInMemory(captions, 3).blocks(0), 16)), 7
    assert [row.step for row in ours.steps] == [*range(1, n_steps + 1)]
    assert [row.rows for row in ours.steps] == [16, 32, 48, 64, 80, 96, 100]
    assert [row.learning_rate for row in ours.steps] == [1e-2 * (7 - k) / 7 for k in range(7)]
    adam = torch.optim.AdamW(plain.parameters(), lr=1e-2, weight_decay=0)
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, lambda k: (n_steps - k) / n_steps)
    expected = []
    for batch in rows:
        inputs = plain.tokens(batch, 10)
        first, second = (plain.mlp(plain.first_token(inputs)) for _ in range(2))
        loss = contrastive_loss(first, second, 0.05)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        adam.step()
        schedule.step()
        expected.append(float(loss))
    assert losses(ours) == pytest.approx(expected, rel=1e-4)


def test_the_two_passes_have_other_dropout(captions: list[str]) -> None:
    model = tiny_model()
    torch.manual_seed(0)
    first, second = model.two_passes(model.tokens(captions[:4], 10))
    assert not torch.allclose(first, second)
    assert np.array_equal(model.embed(captions[:4]), model.embed(captions[:4]))


def test_captions_are_cut_at_the_length(captions: list[str]) -> None:
    model = tiny_model()
    assert model.tokens(["a dog " * 50], 10)["input_ids"].shape == (1, 10)
    assert model.tokens(["a dog " * 500], None)["input_ids"].shape == (1, 128)


def test_a_length_above_the_models_is_cut_too() -> None:
    model = tiny_model()
    assert model.tokens(["a dog " * 200], 400)["input_ids"].shape[1] == 128


def test_a_loss_that_is_no_number_ends_it(captions: list[str]) -> None:
    options = TrainingOptions(temperature=1e-40)
    with pytest.raises(DivergedError, match="the loss of step 1 is nan: give a smaller"):
        train(tiny_model(), CaptionsInMemory(captions), options)


def test_one_seed_gives_the_same_losses_and_another_others(captions: list[str]) -> None:
    first, again = (
        losses(train(tiny_model(), CaptionsInMemory(captions, 3), OPTIONS)) for _ in range(2)
    )
    assert first == again
    other = TrainingOptions(learning_rate=1e-2, seed=4)
    assert losses(train(tiny_model(), CaptionsInMemory(captions, 4), other)) != first


@pytest.mark.parametrize("stop_at", [1, 7, 9, 13])
def test_a_training_that_was_killed_goes_on_with_the_same_losses(
    captions: list[str], stop_at: int, tmp_path: Path
) -> None:
    """Two epochs of 7 steps; a checkpoint each step; the best weights are taken up too."""
    options = TrainingOptions(
        learning_rate=1e-2, epochs=2, seed=3, eval_steps=3, checkpoint_steps=1
    )
    scores = iter([0.5, 0.9, 0.7, 0.2, 0.1])
    whole_model = tiny_model()
    whole = train(
        whole_model, CaptionsInMemory(captions, 3), options, evaluate=lambda _: next(scores)
    )
    file = tmp_path / "checkpoint.pt"

    class Killing(Watcher):
        def on_checkpoint(self, state: TrainingState, weights: dict[str, Any], adam: Any) -> None:
            write_checkpoint(file, state, weights, adam)
            if state.step == stop_at:
                raise StoppedError

    scores = iter([0.5, 0.9, 0.7, 0.2, 0.1])
    rows = CaptionsInMemory(captions, 3)
    with pytest.raises(StoppedError):
        train(tiny_model(), rows, options, evaluate=lambda _: next(scores), watcher=Killing())
    checkpoint = read_checkpoint(file, "cpu")
    assert checkpoint is not None
    state, weights, adam = checkpoint
    assert state.step == stop_at
    model = tiny_model(seed=9)
    model.load_state(weights)
    gone_on = train(
        model, rows, options, evaluate=lambda _: next(scores), state=state, adam_state=adam
    )
    assert losses(gone_on) == losses(whole)
    assert (
        (gone_on.best_step, gone_on.best_score) == (whole.best_step, whole.best_score) == (6, 0.9)
    )
    assert np.array_equal(model.embed(captions), whole_model.embed(captions))


def test_the_best_evaluation_is_kept(captions: list[str]) -> None:
    seen: list[np.ndarray] = []
    scores = iter([0.1, 0.8, 0.3, 0.2])

    def evaluate(model: Any) -> float:
        seen.append(model.embed(captions))
        return next(scores)

    model = tiny_model()
    state = train(model, CaptionsInMemory(captions, 3), OPTIONS, evaluate=evaluate)
    assert [row.dev_score for row in state.steps] == [None, 0.1, None, 0.8, None, 0.3, 0.2]
    assert np.array_equal(model.embed(captions), seen[1])
    assert not np.array_equal(seen[1], seen[3])


def test_every_row_is_read_once_an_epoch_and_in_another_order() -> None:
    rows = [CaptionsInMemory(corpus(101), 5, rank, 3) for rank in range(3)]
    epochs = [[c for part in rows for block in part.blocks(e) for c in block] for e in (0, 1)]
    assert [sorted(epoch) for epoch in epochs] == [sorted(corpus(101))] * 2
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("change", [-1, -20, 20])
def test_rows_that_have_changed_stop_it(captions: list[str], change: int) -> None:
    class Changed(CaptionsInMemory):
        @property
        def n_rows(self) -> int:
            return len(self.captions) - change

        def most_rows(self, epoch: int) -> int:
            return self.n_rows

    with pytest.raises(ChangedRowsError, match="have changed"):
        train(tiny_model(), Changed(captions, 3), OPTIONS)


def test_batches_are_cut_across_blocks() -> None:
    blocks = [["a"], [], ["b", "c", "d", "e"], ["f", "g"]]
    assert list(in_batches(blocks, 3)) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
