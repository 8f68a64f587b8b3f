"""Counts and lists of names as people read them."""

from collections.abc import Mapping, Sequence


def counts_text(counts: Mapping[str, int]) -> str:
    """`{"rows_in": 3000, "kept": 2}` as `rows in 3,000, kept 2`."""
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())


def few_of(names: Sequence[str], most: int) -> str:
    """The first names, at most `most` of them, and how many more there are."""
    n_more = len(names) - most
    return ", ".join(names[:most]) + (f" and {n_more} more" if n_more > 0 else "")


def bytes_text(size: int) -> str:
    """`5 B`, `1.5 KiB`, `20.0 MiB`: bytes in the largest unit that leaves at least one."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1_024:
            break
        amount, unit = amount / 1_024, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"
