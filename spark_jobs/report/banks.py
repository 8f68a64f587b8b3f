"""The quality of a concept bank: its entries by source, and what of captions it misses."""

from collections.abc import Sequence
from dataclasses import dataclass

from spark_jobs.report.blocks import Bar, Bars, Block, Note, Table, visible

_WIDEST = 60  # characters of an entry


@dataclass(frozen=True)
class SourceCount:
    """Entries of a source in the bank, and the sum of their counts there; None without counts."""

    source: str
    entries: int
    count: int | None


@dataclass(frozen=True)
class MissingNgram:
    """An n-gram that is no entry: how often it occurs, and its PMI if it is a bigram."""

    text: str
    count: int
    pmi: float | None


def source_blocks(counts: Sequence[SourceCount]) -> list[Block]:
    """A table of the entries by source, in bank order."""
    total = sum(count.entries for count in counts)
    rows = [
        (
            visible(count.source, _WIDEST),
            f"{count.entries:,}",
            f"{count.entries / total if total else 0:.1%}",
            "" if count.count is None else f"{count.count:,}",
        )
        for count in counts
    ]
    columns = ["source", "entries", "share", "occurrences or views"]
    return [Table("Entries by source", columns, rows, is_wide=True)]


def coverage_blocks(
    *, texts: int, matched: int, unigrams: Sequence[MissingNgram], bigrams: Sequence[MissingNgram]
) -> list[Block]:
    """The share of captions with at least one match, and the frequent n-grams without an entry."""
    share = matched / texts if texts else 0.0
    blocks: list[Block] = [
        Bars(
            "Captions with at least one match",
            [
                Bar("captions", f"{texts:,}", 1.0 if texts else 0.0),
                Bar("with a match", f"{matched:,} ({share:.1%})", share),
            ],
        )
    ]
    if not unigrams and not bigrams:
        return [*blocks, Note("All n-grams as frequent as was asked for are entries.")]
    if unigrams:
        rows = [(visible(word.text, _WIDEST), f"{word.count:,}") for word in unigrams]
        blocks.append(Table("Most frequent words without an entry", ["word", "times"], rows))
    if bigrams:
        of_bigrams = [
            (visible(bigram.text, _WIDEST), f"{bigram.count:,}", f"{bigram.pmi or 0:.1f}")
            for bigram in bigrams
        ]
        columns = ["bigram", "times", "PMI"]
        blocks.append(Table("Most frequent bigrams without an entry", columns, of_bigrams))
    return blocks
