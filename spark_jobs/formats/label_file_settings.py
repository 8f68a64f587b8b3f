"""Settings of the label files that a job can write in addition to its table."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from pyspark.sql import DataFrame

from spark_jobs.core.settings import OutputFile, Settings
from spark_jobs.formats.label_files import write_label_tsv


class LabelFileSettings(Settings):
    """Settings of the TSV of filepath, label and caption, and of the class-frequency file."""

    frequencies: OutputFile | None = Field(
        None, description="class-frequency file: a line per class with its rows in output"
    )
    tsv: OutputFile | None = Field(
        None, description="file of filepath, label and caption; label is class_idx"
    )
    tsv_columns: list[Literal["filepath", "label", "caption"]] = Field(
        ["filepath", "label", "caption"], description="its columns, in this order"
    )
    tsv_order: list[str] = Field(
        ["class_idx", "uid"], min_length=1, description="columns by which its lines are sorted"
    )
    filepath: str | None = Field(
        None,
        description="pattern of its filepath, such as images/{wnid}/{uid}.jpg; default: the column "
        "filepath, or the uid",
    )

    def write_tsv(self, labelled: DataFrame, order: Sequence[str] | None = None) -> None:
        """Write the TSV of rows with class_idx if `tsv` is set, sorted by `order` or tsv_order."""
        if self.tsv is not None:
            write_label_tsv(
                labelled,
                self.tsv,
                filepath=self.filepath,
                columns=self.tsv_columns,
                order=order or self.tsv_order,
            )
