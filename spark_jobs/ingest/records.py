"""Rows of published forms with what their columns stand for."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.columns import require
from spark_jobs.ingest.presets import Preset
from spark_jobs.record_texts import Text, joined_texts
from spark_jobs.schemas import CAPTION, IC_INDEX

_FILENAME = "filename"


def as_told(rows: DataFrame, preset: Preset) -> DataFrame:
    """The rows with a preset's numbers as such, and its texts joined as caption.

    Raises MissingColumnError where one is absent.
    """
    if preset.texts:
        rows = _with_caption(rows, preset.texts)
    numbers = {name: F.col(name).cast("int") for name in preset.numbers if name in rows.columns}
    return rows.withColumns(numbers) if numbers else rows


def _with_caption(rows: DataFrame, texts: Sequence[Text]) -> DataFrame:
    """ImageNet-Captions' records; their file name stays as ic_index."""
    require(rows, "input", (_FILENAME, *texts))
    return rows.withColumns({CAPTION: joined_texts(texts), IC_INDEX: F.col(_FILENAME)})
