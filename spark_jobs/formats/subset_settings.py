"""Settings and outputs of the jobs that draw subsets by class."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql.types import IntegralType, StringType

from spark_jobs.core import schemas
from spark_jobs.core.columns import named, require_column_type, require_columns
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CLASS_IDX, CLASS_NAME, ROWS, WNID
from spark_jobs.core.settings import OutputAddress, OutputFile, did_you_mean
from spark_jobs.formats.datacomp_uids import uid_map, write_uids
from spark_jobs.formats.label_file_settings import LabelFileSettings
from spark_jobs.formats.label_files import write_class_frequencies
from spark_jobs.storage.run import Run
from spark_jobs.subsets.class_list import Class, ClassList, classes_of_column
from spark_jobs.subsets.imagenet_classes import (
    are_imagenet_wnids,
    imagenet1k,
    merge_old_wnids,
    with_current_wnids,
)
from spark_jobs.subsets.relabel import label_column

_log = logging.getLogger(__name__)


class SubsetSettings(LabelFileSettings):
    """Settings of class names, seed, and the outputs in addition to the subset."""

    class_column: str = Field(WNID, description="column of classes: of texts or whole numbers")
    class_names: Literal["imagenet1k", "column"] | None = Field(
        None,
        description="imagenet1k: the column holds wnids or indices of ImageNet's 1,000 classes, "
        "which then count without rows too, by their names and indices (labels 0 to 999); column: "
        "the classes are those that the column holds (labels from 0 in their order); default: "
        "imagenet1k if it holds wnids of ImageNet alone",
    )
    seed: int = Field(
        0, description="of the draws; rows drawn before and copied without their mark need another"
    )
    decisions: bool = Field(
        False, description="add a row per input row to decisions in the workspace"
    )
    counts: OutputAddress | None = Field(
        None,
        description="table of a row per class: class (its value), class_idx and class_name; target "
        "(rows wanted), available and taken (rows by source), rows (taken in all), short (missing)",
    )
    uids: OutputFile | None = Field(
        None, description="file of the sorted uids in DataComp's form (npy, u8,u8)"
    )

    def further_outputs(self) -> list[str]:
        """Address of the table that maps uids to their MD5, written with the file of uids."""
        return [] if self.uids is None else [_uid_map_address(self.uids)]

    def check_columns(self, rows: DataFrame, address: str, columns: Iterable[str]) -> None:
        """Raise MissingColumnError or InputDataError if a column is absent or of a wrong type."""
        table = f"table {address}"
        require_columns(rows, table, columns)
        class_types = (StringType, IntegralType)
        expected = "texts or whole numbers for classes"
        require_column_type(rows, table, self.class_column, class_types, expected)
        label = label_column(rows, self.class_column)
        if label in rows.columns:
            require_column_type(rows, table, label, (IntegralType,), "whole numbers for labels")

    def with_class_names(self, column_classes: Iterable[Class]) -> Self:
        """The settings with class_names by the default's rule, unless it is set.

        `column_classes`: those that occur in the rows.
        """
        if self.class_names is not None:
            return self
        if not are_imagenet_wnids(column_classes):
            return self.model_copy(update={"class_names": "column"})
        column = self.class_column
        _log.info("the classes are ImageNet's 1,000: column %r holds wnids of them alone", column)
        return self.model_copy(update={"class_names": "imagenet1k"})

    def current_counts(self, counts: Mapping[Class, int]) -> dict[Class, int]:
        """Rows by class of `with_current_classes`, from those of the rows as they were."""
        return merge_old_wnids(counts) if self.class_names == "imagenet1k" else dict(counts)

    def with_current_classes(self, rows: DataFrame) -> DataFrame:
        """Replace LAIONet's older wnid by that in the list `class_names`, if it is set."""
        class_type = rows.schema[self.class_column].dataType
        if self.class_names != "imagenet1k" or isinstance(class_type, IntegralType):
            return rows
        return with_current_wnids(rows, self.class_column)

    def class_list(
        self, rows: DataFrame, column_classes: Iterable[Class], address: str
    ) -> ClassList:
        """ImageNet's classes if `class_names` says so, else `column_classes`.

        `column_classes`: those that occur in the rows. Raises InputDataError if one of them is not
        in the list.
        """
        if self.class_names != "imagenet1k":
            return classes_of_column(column_classes)
        class_type = rows.schema[self.class_column].dataType
        classes = imagenet1k(by_index=isinstance(class_type, IntegralType))
        unknown = sorted(set(column_classes) - set(classes))
        if unknown:
            class_names = [str(value) for value in classes]
            hint = did_you_mean(str(unknown[0]), class_names)
            raise InputDataError(
                f"table {address}: column {self.class_column!r} holds {unknown[0]!r}, which is "
                f"no class of {self.class_names}{hint}; give --class-names column to take the "
                "classes as they are"
            )
        return classes

    def write_files(
        self, run: Run, stored: DataFrame, frequencies: Sequence[dict[str, Any]]
    ) -> None:
        """Write the table of counts and the files that the settings ask for.

        `stored`: the subset's rows. `frequencies`: rows of schemas.CLASS_FREQUENCIES.
        """
        if self.counts is not None:
            columns = schemas.CLASS_FREQUENCIES
            count_rows = [tuple(row[name] for name in columns.names) for row in frequencies]
            run.write(run.spark.createDataFrame(count_rows, columns).coalesce(1), self.counts)
        if self.frequencies is not None:
            rows_of_class = [(row[CLASS_NAME], row[ROWS]) for row in frequencies]
            write_class_frequencies(rows_of_class, self.frequencies)
        label = label_column(stored, self.class_column)
        self.write_tsv(stored.withColumn(CLASS_IDX, named(label)))
        if self.uids is not None:
            write_uids(stored, self.uids)
            hashed_uids = uid_map(stored)
            if hashed_uids is not None:
                run.write(hashed_uids, _uid_map_address(self.uids))


def _uid_map_address(uids: str) -> str:
    return f"parquet:{uids.removesuffix('.npy')}_map.parquet"
