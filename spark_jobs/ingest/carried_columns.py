"""Input columns that are carried along: one name and one common type over all parts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION, UID
from spark_jobs.ingest.common_types import (
    common_type,
    conform,
    delta_name,
    delta_type,
    with_delta_names,
)
from spark_jobs.ingest.source import Part


@dataclass(frozen=True)
class CarriedColumn:
    """An input column that is carried along: its name in each part, and the common type."""

    names: Mapping[Part, str]
    common_type: DataType

    def column(self, part: Part) -> Column:
        """The part's values in the common type, with struct fields named as Delta allows."""
        stored_type = delta_type(self.common_type)
        if part not in self.names:
            return with_delta_names(F.lit(None).cast(stored_type), stored_type)[0]
        name = self.names[part]
        values = conform(part.column(name), part.type_of(name), stored_type)
        return with_delta_names(values, stored_type)[0]


def carried_columns(
    parts: Sequence[Part], mappings: Sequence[Mapping[str, str]], mapped_names: Sequence[str]
) -> dict[str, CarriedColumn]:
    """Name in the table -> input column that is not mapped to ours, in the order of the parts."""
    our_names = {name.lower(): name for name in (*mapped_names, UID, CAPTION)}
    carried: dict[str, CarriedColumn] = {}
    table_names: dict[str, str] = {}  # lower case -> the spelling that occurred first
    for part, mapping in zip(parts, mappings, strict=True):
        for input_name in part.names:
            if input_name in mapping.values():
                continue
            name = delta_name(input_name)
            name = table_names.setdefault(name.lower(), name)
            carried_so_far = carried.get(name)
            owner = our_names.get(name.lower()) or (
                carried_so_far and carried_so_far.names.get(part)
            )
            if owner:
                raise InputDataError(
                    f"{part.where}: input column {input_name!r} would be called {name!r}, as "
                    f"{_describe_owner(owner, mapping, our_names.values())} is; map it with "
                    "--columns, or leave such columns out with --no-carry"
                )
            carried[name] = _add_part(carried_so_far, part, input_name)
    return carried


def _describe_owner(owner: str, mapping: Mapping[str, str], our_names: Iterable[str]) -> str:
    """Text for the column that already has a name: another input column, or one of ours."""
    if owner not in our_names:
        return f"input column {owner!r}"
    read_from = f", read from {mapping[owner]!r}," if owner in mapping else ""
    return f"our column {owner!r}{read_from}"


def _add_part(carried: CarriedColumn | None, part: Part, name: str) -> CarriedColumn:
    """Add one more part to a carried column, and widen its type as needed."""
    part_type = part.type_of(name)
    try:
        with_delta_names(F.lit(None), part_type)
    except ValueError as fault:
        raise InputDataError(
            f"{part.where}: column {name!r} has two fields that Delta would call {str(fault)!r}; "
            "leave such columns out with --no-carry"
        ) from None
    if carried is None:
        return CarriedColumn({part: name}, part_type)
    common = common_type(carried.common_type, part_type)
    if common is None:
        first_part = next(iter(carried.names))
        raise InputDataError(
            f"column {name!r} is {part_type.simpleString()} in {part.where}, but "
            f"{carried.common_type.simpleString()} in {first_part.where}, which have no type in "
            "common; write them in one, or leave such columns out with --no-carry"
        )
    return CarriedColumn({**carried.names, part: name}, common)
