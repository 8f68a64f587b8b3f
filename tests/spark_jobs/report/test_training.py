"""The section of a training: its curves, and the step whose model was kept."""

from spark_jobs.report.blocks import Figure, Note, Table
from spark_jobs.report.training import CLIP_LOSS, TrainingCurve, training_blocks

CURVE = TrainingCurve(
    losses=[(2, 2.7), (4, 1.5), (6, 0.25)],
    steps_a_point=2,
    dev_scores=[(3, 0.5), (6, 0.4)],
    best_step=3,
    rows=96,
    rows_per_s=1234.5,
)


def test_loss_and_scores_are_drawn_and_the_kept_model_is_named() -> None:
    loss, score, table = training_blocks(CURVE)
    assert isinstance(loss, Figure)
    assert isinstance(score, Figure)
    assert 'aria-label="loss: 2.700 at step 2, 0.250 at step 6"' in loss.svg
    assert "mean of 2 steps" in loss.description
    assert "0.500 at step 3, 0.400 at step 6" in score.svg
    assert isinstance(table, Table)
    assert dict(table.rows)["score of the model that was kept"] == "0.5000"
    assert dict(table.rows)["after step"] == "3"
    assert dict(table.rows)["captions a second"] == "1,234"


def test_items_and_loss_are_those_of_the_job() -> None:
    curve = TrainingCurve([(1, 2.0)], 1, [], None, 64, 8.0, items="samples", loss_is=CLIP_LOSS)
    loss, table = training_blocks(curve)
    assert isinstance(loss, Figure)
    assert loss.description == CLIP_LOSS
    assert isinstance(table, Table)
    assert ("samples a second", "8") in table.rows


def test_without_scores_there_is_no_picture_of_them() -> None:
    curve = TrainingCurve([(1, 0.5)], 1, [], None, 16, 10.0)
    assert [block.kind for block in training_blocks(curve)] == ["figure", "table"]
    assert isinstance(training_blocks(TrainingCurve([], 1, [], None, 0, 0.0))[0], Note)
