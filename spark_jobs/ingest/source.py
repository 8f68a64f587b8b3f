"""What was read from an input: parts, each of files with the same columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from spark_jobs.core.columns import named

LINE, FAULT, FILE = "line", "fault", "file"  # beside the input's columns c0, c1, ...


def position(number: int) -> str:
    """What the input's column of this place is called in a part's frame."""
    return f"c{number}"


@dataclass(frozen=True, eq=False)
class Part:
    """Rows whose input columns stand by their place, so that they may be called anything.

    `frame`: columns c0, c1, ..., one for each of `names`, the input's own. `line`: the record as it
    was read, binary or text, null where there is none; `fault`: why it cannot be taken, or null.
    `files`: those that it was read from. `as_stored`: a frame of these files as Spark reads them,
    if it does, for whoever asks how long their rows are.
    """

    frame: DataFrame
    names: tuple[str, ...]
    files: tuple[str, ...] = ()
    as_stored: DataFrame | None = None

    @property
    def where(self) -> str:
        """How messages call it."""
        if not self.files:
            return "the input"
        more = f" (and {len(self.files) - 1} more)" if len(self.files) > 1 else ""
        return min(self.files).removeprefix("file:") + more

    def column(self, name: str) -> Column:
        """One of the input's columns by its name."""
        return named(position(self.names.index(name)))

    def kind(self, name: str) -> DataType:
        """Its type."""
        return self.frame.schema[position(self.names.index(name))].dataType

    def without_file(self) -> "Part":
        """The part without FILE, for which nobody asks any more."""
        return Part(self.frame.drop(FILE), self.names, self.files, self.as_stored)

    def with_columns(self, added: dict[str, Column]) -> "Part":
        """The part with further input columns, or others in place of those so called."""
        frame, names = self.frame, [*self.names]
        for name, column in added.items():
            place = names.index(name) if name in names else len(names)
            names[place : place + 1] = [name]
            frame = frame.withColumn(position(place), column)
        return Part(frame, tuple(names), self.files, self.as_stored)


@dataclass(frozen=True)
class Source:
    """The parts, the rows of all files as these themselves tell, and what is to be said.

    `n_rows`: where no row need be read to know. `rows_at_once`: how many may be handed to Python
    together, where the look at the files has told.
    """

    parts: Sequence[Part]
    n_rows: int | None = None
    notes: Sequence[str] = field(default=())
    rows_at_once: int | None = None

    def count(self) -> int:
        """Records of all files, with those that cannot be taken."""
        if self.n_rows is not None:
            return self.n_rows
        return sum(part.frame.count() for part in self.parts)

    @property
    def as_stored(self) -> list[DataFrame]:
        """The frames of files as Spark reads them."""
        return [part.as_stored for part in self.parts if part.as_stored is not None]


def part_of(
    rows: DataFrame,
    names: Sequence[str],
    files: Sequence[str] = (),
    *,
    file: Column | None = None,
) -> Part:
    """A part of rows as Spark reads them, with the columns `names`, by place.

    file: what tells each row's file.
    """
    first = rows if file is None else rows.select("*", file.alias(FILE))  # it may have a FILE too
    places = [position(k) for k in range(len(names))]
    by_place = first.toDF(*places, *([] if file is None else [FILE]))
    nothing = F.lit(None).cast("string")
    frame = by_place.withColumns({LINE: nothing, FAULT: nothing})
    return Part(frame, tuple(names), tuple(files), rows)
