"""Decisions: whether each row of a step was kept, and by which rule, value and threshold."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.schemas import CAPTION_ID, KEPT, RULE, THRESHOLD, UID, VALUE


def decisions(
    rows: DataFrame,
    *,
    kept: Column,
    rule: Column,
    value: Column | None = None,
    threshold: Column | None = None,
) -> DataFrame:
    """The row-level columns of schemas.DECISIONS; the run adds run_id and step."""
    none = F.lit(None)
    caption_id = F.col(CAPTION_ID) if CAPTION_ID in rows.columns else none
    return rows.select(
        UID,
        caption_id.cast("int").alias(CAPTION_ID),
        kept.alias(KEPT),
        rule.alias(RULE),
        (none if value is None else value).cast("double").alias(VALUE),
        (none if threshold is None else threshold).cast("double").alias(THRESHOLD),
    )
