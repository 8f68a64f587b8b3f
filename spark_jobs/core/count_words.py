"""Counts and lists of names as people read them."""

from collections.abc import Mapping, Sequence


def counts_text(counts: Mapping[str, int]) -> str:
    """`{"rows_in": 3000, "kept": 2}` as `rows in 3,000, kept 2`."""
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())


def few_of(names: Sequence[str], most: int) -> str:
    """The first names, at most `most` of them, and how many more there are."""
    n_more = len(names) - most
    return ", ".join(names[:most]) + (f" and {n_more} more" if n_more > 0 else "")
