"""How a training went: its loss, and its score on pairs of sentences, over the steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes

from spark_jobs.report.axes import count_axis
from spark_jobs.report.blocks import Block, Figure, Note, Table
from spark_jobs.report.charts import chart
from spark_jobs.report.palette import SERIES

SENTENCE_LOSS = (
    "Cross-entropy of each caption against all others of its step; a model that tells none apart "
    "has the logarithm of their number."
)
CLIP_LOSS = (
    "Mean of two cross-entropies, of each image against all texts of its step and of each text "
    "against all images; a model that tells none apart has the logarithm of their number."
)


@dataclass(frozen=True)
class TrainingCurve:
    """(step, value) in ascending order.

    losses: means over `steps_a_point` steps up to each. dev_scores: Spearman's correlation after
    the step. best_step: the step whose weights were kept; None: the last one's. rows: those of all
    epochs, which are `items`. loss_is: what the loss means, a sentence.
    """

    losses: Sequence[tuple[int, float]]
    steps_a_point: int
    dev_scores: Sequence[tuple[int, float]]
    best_step: int | None
    rows: int
    rows_per_s: float
    items: str = "captions"
    loss_is: str = SENTENCE_LOSS


def training_blocks(curve: TrainingCurve) -> list[Block]:
    """A picture of the loss, one of the scores if there are any, and a table of the ends."""
    if not curve.losses:
        return [Note("No step was recorded.")]
    of_steps = (
        ""
        if curve.steps_a_point == 1
        else f" Each point is the mean of {curve.steps_a_point:,} steps."
    )
    blocks: list[Block] = [
        Figure(
            "Loss",
            _picture(curve.losses, "loss", None),
            f"{curve.loss_is}{of_steps}",
        )
    ]
    if curve.dev_scores:
        blocks.append(
            Figure(
                "Score on pairs of sentences",
                _picture(curve.dev_scores, "Spearman's correlation", curve.best_step),
                "Of the model's cosines with people's scores; the dot is the model that was kept.",
            )
        )
    return [*blocks, _table(curve)]


def _picture(points: Sequence[tuple[int, float]], label: str, marked_step: int | None) -> Markup:
    def draw(axes: Axes) -> None:
        steps, values = zip(*points, strict=True)
        axes.plot(
            steps, values, color=SERIES[0], linewidth=1.6, marker="." if len(points) < 2 else ""
        )
        marked = [(step, value) for step, value in points if step == marked_step]
        if marked:
            axes.plot(*marked[0], "o", color=SERIES[1])
        axes.set_ylabel(label)
        count_axis(axes, "x", "step")

    first, last = points[0], points[-1]
    return chart(
        draw, f"{label}: {first[1]:.3f} at step {first[0]:,}, {last[1]:.3f} at step {last[0]:,}"
    )


def _table(curve: TrainingCurve) -> Table:
    rows = [
        ("steps", f"{curve.losses[-1][0]:,}"),
        (f"{curve.items} trained on, in all epochs", f"{curve.rows:,}"),
        (f"{curve.items} a second", f"{curve.rows_per_s:,.0f}"),
        ("loss at first", f"{curve.losses[0][1]:.4f}"),
        ("loss at last", f"{curve.losses[-1][1]:.4f}"),
    ]
    if curve.dev_scores:
        best = dict(curve.dev_scores).get(curve.best_step or 0, curve.dev_scores[-1][1])
        rows.append(("score of the model that was kept", f"{best:.4f}"))
        rows.append(("after step", f"{curve.best_step or curve.losses[-1][0]:,}"))
    return Table("Training", ["", "value"], rows)
