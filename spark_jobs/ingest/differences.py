"""What had to be settled where files of one input do not agree on their columns."""

from collections.abc import Iterator, Sequence

from spark_jobs.ingest.common_types import common_type, delta_name
from spark_jobs.ingest.source import Part

_SHOWN = 5


def differences(parts: Sequence[Part]) -> list[str]:
    """A line for each column of several types, and for the columns that some files lack."""
    names = list(dict.fromkeys(name for part in parts for name in part.names))
    told = [line for name in names for line in _types(name, parts)]
    more = [f"and {len(told) - _SHOWN} more such columns"] if len(told) > _SHOWN else []
    return [*told[:_SHOWN], *more, *_absent(names, parts), *_renamed(names)]


def _types(name: str, parts: Sequence[Part]) -> Iterator[str]:
    first, *others = [part for part in parts if name in part.names]
    kind = first.kind(name)
    for part in others:
        common = common_type(kind, part.kind(name))
        if part.kind(name) != first.kind(name) and common is not None:
            yield (
                f"column {name!r} is {first.kind(name).simpleString()} in {first.where}, "
                f"{part.kind(name).simpleString()} in {part.where}: taken as "
                f"{common.simpleString()}"
            )
            return


def _absent(names: Sequence[str], parts: Sequence[Part]) -> Iterator[str]:
    for part in parts[:_SHOWN]:
        there = {name.lower() for name in part.names}
        lacking = [repr(name) for name in names if there and name.lower() not in there]
        if lacking:
            more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
            yield f"{part.where} lacks {', '.join(lacking[:_SHOWN])}{more}: null there"


def _renamed(names: Sequence[str]) -> list[str]:
    """The columns that a table, where they are carried along, calls otherwise."""
    others = [f"{name!r} as {delta_name(name)!r}" for name in names if delta_name(name) != name]
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    return [f"carried along, {', '.join(others[:_SHOWN])}{more}"] if others else []
