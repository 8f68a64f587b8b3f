"""Noise against diversity of captions by source (Nguyen et al. 2023): scores, unique n-grams."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes

from spark_jobs.core.histogram_bins import BIN_WIDTH
from spark_jobs.report.axes import legend_above, log_axis, percent_axis
from spark_jobs.report.blocks import Block, Figure, Note, Table, visible
from spark_jobs.report.charts import chart
from spark_jobs.report.palette import SERIES

_MOST_DRAWN = len(SERIES)
_STYLES = ("-", "--", ":", "-.", (0, (5, 1)))
_COLUMNS = (
    ("mean_words", "words", ".1f"),
    ("vocabulary", "vocabulary", ",.0f"),
    ("unique_trigrams", "unique trigrams", ",.0f"),
    ("unique_nouns", "unique nouns", ",.0f"),
    ("clip_s", "CLIP-S", ".3f"),
    ("ref_clip_s", "RefCLIP-S", ".3f"),
    ("bleu_4", "BLEU-4", ".3f"),
    ("cider", "CIDEr", ".3f"),
)


@dataclass(frozen=True)
class Measured:
    """A measure of a source, with its interval if it has one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class SourceMeasures:
    """What was measured of a source's captions.

    measures: name -> value. bars: lower end of a bin -> captions with such a cosine to their image.
    trigrams: (captions of a sample, unique trigrams in it), ascending.
    """

    captions: int
    measures: Mapping[str, Measured]
    bars: Mapping[float, int]
    trigrams: Sequence[tuple[int, float]]


def measure_blocks(sources: Mapping[str, SourceMeasures]) -> list[Block]:
    """Pictures of the first sources, and a table of all."""
    drawn = dict(list(sources.items())[:_MOST_DRAWN])
    blocks: list[Block] = []
    if any(source.bars for source in drawn.values()):
        blocks.append(
            Figure(
                "Noise: CLIP scores",
                _scores(drawn),
                "Captions far left say little of their image; a source whose curve lies further "
                "right is less noisy.",
            )
        )
    if any(len(source.trigrams) > 1 for source in drawn.values()):
        blocks.append(
            Figure(
                "Diversity: unique trigrams",
                _trigrams(drawn),
                "Of samples of equal size, a source whose curve lies higher is more diverse.",
            )
        )
    if len(sources) > _MOST_DRAWN:
        blocks.append(Note(f"Drawn: the first {_MOST_DRAWN} of {len(sources)} sources."))
    return [*blocks, _table(sources)]


def _scores(sources: Mapping[str, SourceMeasures]) -> Markup:
    def draw(axes: Axes) -> None:
        for name, source, colour, style in _series(sources):
            total = sum(source.bars.values())
            if total:
                places = sorted(source.bars)
                edges = _edges(places)
                shares = [source.bars.get(edge, 0) / total for edge in edges]
                ends = [*edges, edges[-1] + BIN_WIDTH]
                axes.stairs(shares, ends, label=name, color=colour, ls=style, linewidth=1.6)
        axes.set_xlabel("cosine of caption and image")
        percent_axis(axes, f"captions, per {BIN_WIDTH:g}")
        legend_above(axes)

    means = ", ".join(
        f"{name} {source.measures['cosine_image'].value:.3f}"
        for name, source in sources.items()
        if "cosine_image" in source.measures
    )
    return chart(draw, f"Histograms of CLIP scores by source. Means: {means}.")


def _edges(places: Sequence[float]) -> list[float]:
    """The lower ends of all bins from the first to the last, empty ones too."""
    first, last = round(places[0] / BIN_WIDTH), round(places[-1] / BIN_WIDTH)
    return [round(k * BIN_WIDTH, 2) for k in range(first, last + 1)]


def _trigrams(sources: Mapping[str, SourceMeasures]) -> Markup:
    def draw(axes: Axes) -> None:
        for name, source, colour, style in _series(sources):
            if len(source.trigrams) > 1:
                sizes, numbers = zip(*source.trigrams, strict=True)
                axes.plot(sizes, numbers, label=name, color=colour, ls=style)
        log_axis(axes, "x", "captions in the sample")
        log_axis(axes, "y", "unique trigrams")
        legend_above(axes)

    ends = ", ".join(
        f"{name} {source.trigrams[-1][1]:,.0f} in {source.trigrams[-1][0]:,}"
        for name, source in sources.items()
        if source.trigrams
    )
    return chart(draw, f"Unique trigrams by sample size and source: {ends}.")


def _series(
    sources: Mapping[str, SourceMeasures],
) -> list[tuple[str, SourceMeasures, str, object]]:
    """Name, measures, colour and line style of each source."""
    return [
        (visible(name, 32), source, colour, style)
        for (name, source), colour, style in zip(sources.items(), SERIES, _STYLES, strict=False)
    ]


def _table(sources: Mapping[str, SourceMeasures]) -> Table:
    columns = [c for c in _COLUMNS if any(c[0] in s.measures for s in sources.values())]
    rows = [
        (
            visible(name, 60),
            f"{source.captions:,}",
            *(_cell(source.measures.get(measure), form) for measure, _, form in columns),
        )
        for name, source in sources.items()
    ]
    heads = ["source", "captions", *(head for _, head, _ in columns)]
    return Table("Measures, with 95 % intervals", heads, rows, is_wide=True)


def _cell(measured: Measured | None, form: str) -> str:
    if measured is None:
        return ""
    text = f"{measured.value:{form}}"
    if measured.low is None or measured.high is None:
        return text
    return f"{text} ({measured.low:{form}} – {measured.high:{form}})"
