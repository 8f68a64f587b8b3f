"""An input as it was read: parts, each of files with the same columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from spark_jobs.core.columns import named
from spark_jobs.core.row_counts import count_rows

LINE, FAULT, FILE = "line", "fault", "file"  # beside the input's columns c0, c1, ...


def positional_name(number: int) -> str:
    """Name in a part's frame of the input column with this number: c0, c1, ..."""
    return f"c{number}"


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of files with the same columns, which are named by position so that any name may occur.

    `frame`: columns c0, c1, ..., one for each of `names`, the input's column names; `line`: the
    record as it was read, binary or string, or null; `fault`: the reason to reject it, or null.
    `files`: paths of the files. `as_stored`: the frame of a Spark reader of these files, from which
    row sizes can be estimated; None if another reader read them.
    """

    frame: DataFrame
    names: tuple[str, ...]
    files: tuple[str, ...] = ()
    as_stored: DataFrame | None = None

    @property
    def where(self) -> str:
        """Name of the part in messages: its first file, and how many more there are."""
        if not self.files:
            return "the input"
        more = f" (and {len(self.files) - 1} more)" if len(self.files) > 1 else ""
        return min(self.files).removeprefix("file:") + more

    def column(self, name: str) -> Column:
        """The input column of this name."""
        return named(positional_name(self.names.index(name)))

    def type_of(self, name: str) -> DataType:
        """Type of the input column of this name."""
        return self.frame.schema[positional_name(self.names.index(name))].dataType

    def without_file(self) -> "Part":
        """The part without the column FILE."""
        return Part(self.frame.drop(FILE), self.names, self.files, self.as_stored)

    def with_columns(self, added: dict[str, Column]) -> "Part":
        """The part with input columns added, or replaced where the name exists."""
        frame, names = self.frame, [*self.names]
        for name, column in added.items():
            index = names.index(name) if name in names else len(names)
            names[index : index + 1] = [name]
            frame = frame.withColumn(positional_name(index), column)
        return Part(frame, tuple(names), self.files, self.as_stored)


@dataclass(frozen=True)
class Source:
    """All parts of an input.

    `n_rows`: number of rows in all files, if known without reading rows. `notes`: lines to log as
    warnings. `rows_at_once`: rows that a batch for Python may have, if known from the files.
    """

    parts: Sequence[Part]
    n_rows: int | None = None
    notes: Sequence[str] = field(default=())
    rows_at_once: int | None = None

    def count(self) -> int:
        """Number of records in all files, including those to be rejected."""
        if self.n_rows is not None:
            return self.n_rows
        return sum(count_rows(part.frame) for part in self.parts)

    @property
    def as_stored(self) -> list[DataFrame]:
        """The frames of Spark's readers, of the parts that have one."""
        return [part.as_stored for part in self.parts if part.as_stored is not None]


def part_from_frame(
    rows: DataFrame,
    names: Sequence[str],
    files: Sequence[str] = (),
    *,
    file: Column | None = None,
) -> Part:
    """Make a part from a frame of Spark's readers; `names`: the input's names of its columns.

    file: value of the column FILE, which identifies each row's file.
    """
    # Not withColumn, which would replace an input column called FILE.
    with_file = rows if file is None else rows.select("*", file.alias(FILE))
    positional_names = [positional_name(k) for k in range(len(names))]
    renamed = with_file.toDF(*positional_names, *([] if file is None else [FILE]))
    null_text = F.lit(None).cast("string")
    frame = renamed.withColumns({LINE: null_text, FAULT: null_text})
    return Part(frame, tuple(names), tuple(files), rows)
