"""Records of several texts (ImageNet-Captions) as rows with one caption."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.errors import MissingColumnError
from spark_jobs.record_texts import Text, joined_texts
from spark_jobs.schemas import CAPTION, IC_INDEX
from spark_jobs.settings import nearest

_FILENAME = "filename"


def with_caption(rows: DataFrame, texts: Sequence[Text]) -> DataFrame:
    """The rows with their texts joined as caption, and their file name kept as ic_index.

    Raises MissingColumnError where a text or the file name is absent.
    """
    for name in (_FILENAME, *texts):
        if name not in rows.columns:
            raise MissingColumnError(
                f"input has no column {name!r}{nearest(name, rows.columns)}; it has "
                f"{', '.join(rows.columns)}"
            )
    return rows.withColumns({CAPTION: joined_texts(texts), IC_INDEX: F.col(_FILENAME)})
