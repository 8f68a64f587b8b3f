"""Rows that are in benchmark sets: how many of each, and the nearest pairs side by side."""

from collections.abc import Mapping, Sequence

from spark_jobs.report.blocks import Block, Note, Pair, Pairs, Table, visible


def contamination_blocks(
    rows_in: int, rows_by_benchmark: Mapping[str, int], pairs: Sequence[Pair]
) -> list[Block]:
    """A table of the rows of each benchmark, and the pairs."""
    table = Table(
        "Rows that are in a benchmark",
        ["benchmark", "rows", "share of all rows"],
        [
            (visible(name, 60), f"{n:,}", f"{n / rows_in if rows_in else 0:.3%}")
            for name, n in rows_by_benchmark.items()
        ],
        is_wide=True,
    )
    if not any(rows_by_benchmark.values()):
        return [table, Note("No row is in a benchmark.")]
    return (
        [table]
        if not pairs
        else [
            table,
            Pairs("Nearest pairs: the row that was dropped, and the benchmark's item", pairs),
        ]
    )
