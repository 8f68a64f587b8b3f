"""Detect the language of captions with a fastText model."""

from pyspark.sql import DataFrame
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION, LANG
from udfs.language import add_language, load_language_model

PAPERS = (
    "MetaCLIP 2, published code: each caption is matched with the entries of its own language",
)


def with_language(captions: DataFrame, model: str) -> DataFrame:
    """Add the column lang, the language that a fastText model detects; replaces a column lang.

    `model`: a path that every worker can read. Raises InputDataError if it is no fastText model.
    """
    try:
        load_language_model(model)
    except ModuleNotFoundError:
        raise InputDataError(
            "lang_model needs the package fasttext-predict: pip install 'captionlake[language]'"
        ) from None
    except ValueError as fault:
        raise InputDataError(f"lang_model {model}: is no fastText model ({fault})") from None
    without_lang = captions.drop(LANG)
    columns = StructType([*without_lang.schema, StructField(LANG, StringType())])
    return map_in_arrow(without_lang, add_language(model, text=CAPTION, language=LANG), columns)
