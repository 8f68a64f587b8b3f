"""Captions with the language that a model tells of them."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION, LANG
from udfs.arrow import Batches
from udfs.language import languages, load_language_model


def with_language(captions: DataFrame, model: str) -> DataFrame:
    """The captions with the column lang, of a fastText model in place of one they may have.

    `model`: a path that every worker can read. Raises InputDataError where it is no model.
    """
    try:
        load_language_model(model)
    except ModuleNotFoundError:
        raise InputDataError(
            "lang_model needs the package fasttext-predict: pip install 'captionlake[language]'"
        ) from None
    except ValueError as fault:
        raise InputDataError(f"lang_model {model}: is no fastText model ({fault})") from None
    kept = captions.drop(LANG)
    columns = StructType([*kept.schema, StructField(LANG, StringType())])

    def detect(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            found = languages(batch.column(CAPTION), model)
            yield pa.RecordBatch.from_arrays([*batch.columns, found], [*batch.schema.names, LANG])

    return map_in_arrow(kept, detect, columns)
