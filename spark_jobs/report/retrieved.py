"""What a search found for the classes of downstream data sets (Geng et al. 2024)."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from spark_jobs.report.blocks import Block, Example, Examples, Figure, Note, Table, visible
from spark_jobs.report.charts import chart
from spark_jobs.report.frequency_curves import Curve, draw_curves
from spark_jobs.report.palette import SERIES

_MOST_DATASETS = 6  # curves of the picture
_MOST_CLASSES = 10  # rows of the table
_WHICH_HITS = "Some of the prompts or classes, drawn at random, with the first captions of each."


@dataclass(frozen=True)
class ClassCaptions:
    """A class of a data set, and the captions that were found for it, one at least."""

    dataset: str
    name: str
    n_captions: int


@dataclass(frozen=True)
class Hit:
    """A caption that was found; similarity: cosine with the prompt, None of a text search."""

    caption: str
    uid: str
    similarity: float | None


@dataclass(frozen=True)
class Hits:
    """The first captions found for a prompt, the nearest first, or for a class by a text search.

    among: what was searched, "texts" or "images"; empty where there is but one search.
    """

    dataset: str
    class_name: str
    prompt: str | None
    hits: Sequence[Hit]
    among: str = ""


def retrieved_blocks(
    classes: Sequence[ClassCaptions], n_classes: int, hits: Sequence[Hits]
) -> list[Block]:
    """Captions of each class as curves and a table, and the captions of some prompts.

    classes: those with captions. n_classes: number of all.
    """
    if not classes:
        return [Note(f"None of the {n_classes:,} classes has a caption: there is nothing to draw.")]
    ranked = sorted(classes, key=lambda row: (-row.n_captions, row.dataset, row.name))
    description = (
        f"{len(classes):,} of {n_classes:,} classes have captions; the most has "
        f"{visible(ranked[0].name, 40)}, {ranked[0].n_captions:,}."
    )
    datasets = list(dict.fromkeys(row.dataset for row in ranked))
    curves = [
        Curve(
            visible(dataset, 24),
            [row.n_captions for row in ranked if row.dataset == dataset],
            SERIES[number % len(SERIES)],
        )
        for number, dataset in enumerate(datasets[:_MOST_DATASETS])
    ]

    def draw(axes: Axes) -> None:
        draw_curves(axes, curves, "captions per class")

    picture = chart(draw, f"Captions of each class by rank, for each data set. {description}")
    rows = [
        (visible(row.name, 60), visible(row.dataset, 40), f"{row.n_captions:,}")
        for row in ranked[:_MOST_CLASSES]
    ]
    return [
        Figure("Captions of each class", picture, description),
        Table("Classes with most captions", ["class", "data set", "captions"], rows, 2),
        *([Note(_WHICH_HITS)] if hits else []),
        *(_hits_examples(found) for found in hits if found.hits),
    ]


def _hits_examples(found: Hits) -> Examples:
    title = f"{visible(found.class_name, 60)} ({visible(found.dataset, 40)})"
    if found.prompt is not None:
        among = f", among {found.among}" if found.among else ""
        title = f"“{visible(found.prompt)}”: {title}{among}"
    examples = [
        Example(
            visible(hit.caption),
            None,
            "" if hit.similarity is None else f"similarity {hit.similarity:.4f}",
            uid=visible(hit.uid),
        )
        for hit in found.hits
    ]
    return Examples(title, examples)
