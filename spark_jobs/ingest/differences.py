"""Notes on columns in which the files of one input differ, for warnings."""

from collections.abc import Iterator, Sequence

from spark_jobs.core.count_words import few_of
from spark_jobs.ingest.common_types import common_type, delta_name
from spark_jobs.ingest.source import Part

_MAX_SHOWN = 5


def differences(parts: Sequence[Part]) -> list[str]:
    """One line per column of several types, per part that lacks columns, and on renamed columns."""
    names = list(dict.fromkeys(name for part in parts for name in part.names))
    type_notes = [line for name in names for line in _type_differences(name, parts)]
    n_more = len(type_notes) - _MAX_SHOWN
    more = [f"and {n_more} more such columns"] if n_more > 0 else []
    shown = [*type_notes[:_MAX_SHOWN], *more]
    return [*shown, *_missing_columns(names, parts), *_renamed_columns(names)]


def _type_differences(name: str, parts: Sequence[Part]) -> Iterator[str]:
    """At most one line: the first part in which the column has another type than in the first."""
    first, *others = [part for part in parts if name in part.names]
    first_type = first.type_of(name)
    for part in others:
        common = common_type(first_type, part.type_of(name))
        if part.type_of(name) != first_type and common is not None:
            yield (
                f"column {name!r} is {first_type.simpleString()} in {first.where}, "
                f"{part.type_of(name).simpleString()} in {part.where}: taken as "
                f"{common.simpleString()}"
            )
            return


def _missing_columns(names: Sequence[str], parts: Sequence[Part]) -> Iterator[str]:
    for part in parts[:_MAX_SHOWN]:
        own_names = {name.lower() for name in part.names}
        missing = [repr(name) for name in names if own_names and name.lower() not in own_names]
        if missing:
            yield f"{part.where} lacks {few_of(missing, _MAX_SHOWN)}: null there"


def _renamed_columns(names: Sequence[str]) -> list[str]:
    """One line on the columns whose names Delta refuses, with their names if carried along."""
    renamed = [f"{name!r} as {delta_name(name)!r}" for name in names if delta_name(name) != name]
    return [f"carried along, {few_of(renamed, _MAX_SHOWN)}"] if renamed else []
