"""Titles of Wikipedia and their views, from lines of Wikimedia's hourly page views."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.schemas import COUNT, ENTRY, FAULT, LANG
from spark_jobs.ingest.text_rules import INVALID_UTF8, is_valid_utf8

PAPERS = (
    "MetaCLIP, table 1: titles of Wikipedia by page views",
    "MetaCLIP 2, section 3.1: titles of each language",
)

LINE = "line"
WRONG_NUMBER_OF_FIELDS, NO_NUMBER = "wrong_number_of_fields", "views_not_a_number"
_FIELDS = ("project", "title", "views", "bytes")


def parsed_lines(lines: DataFrame) -> DataFrame:
    """The fields of lines `en Main_Page 42 0`, columns line, project, title, views, fault.

    A line with another number of fields, or without a number of views, has a fault.
    """
    fields = F.split(LINE, " ", -1)
    views = F.get(fields, F.lit(2))
    fault = (
        F.when(F.col(LINE).isNull() | (F.size(fields) != len(_FIELDS)), WRONG_NUMBER_OF_FIELDS)
        .when(~is_valid_utf8(F.col(LINE)), INVALID_UTF8)
        .when(~views.rlike(r"\A[0-9]{1,18}\z"), NO_NUMBER)
    )
    return lines.select(
        LINE,
        F.get(fields, F.lit(0)).alias("project"),
        F.get(fields, F.lit(1)).alias("title"),
        F.when(fault.isNull(), views).cast("long").alias("views"),
        fault.alias(FAULT),
    )


def title_views(lines: DataFrame, *, min_hour_views: int, project: str | None) -> DataFrame:
    """Sum the views of each title: lang, entry, count.

    `lines`: of `parsed_lines`, without faults. An hour counts if it has `min_hour_views`. Titles
    with a colon, of a namespace, are left out, and underscores become spaces. `project`: only this
    one, such as `en`; None: all, by language as in MetaCLIP 2, whose code takes `en.m` and `en.b`
    for English too.
    """
    of_project = F.lit(True) if project is None else F.col("project") == project
    counted = lines.where(
        of_project
        & (F.col("project") != '""')
        & (F.col("views") >= max(1, min_hour_views))
        & ~F.contains("title", F.lit(":"))
    )
    lang = _language(F.col("project")) if project is None else F.lit(project)
    titles = counted.select(
        lang.alias(LANG), F.translate("title", "_", " ").alias(ENTRY), F.col("views").alias(COUNT)
    )
    return titles.groupBy(LANG, ENTRY).agg(F.sum(COUNT).alias(COUNT))


def _language(project: Column) -> Column:
    """The language of a project by MetaCLIP 2's code, which takes `.m` out wherever it stands."""
    without_mobile = F.replace(project, F.lit(".m"), F.lit(""))
    return F.translate(F.substring_index(without_mobile, ".", 1), "-", "_")
