"""Read what a report shows of searches for classes, and of captions beside definitions."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from spark_jobs.core import schemas
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import (
    CAPTION,
    DATASET,
    QUERIES,
    QUERY,
    QUERY_ID,
    RANK,
    SIMILARITY,
    UID,
)
from spark_jobs.formats.report_examples import EXAMPLE_DRAW
from spark_jobs.formats.report_tables import read_run_input, read_run_output
from spark_jobs.report.retrieved import ClassCaptions, Hit, Hits
from spark_jobs.subsets.draw import rows_of_classes

_MOST_PROMPTS = 12
_TOP = 5  # captions of a prompt or class
_SEARCHES = {"by_text": "texts", "by_image": "images"}  # settings of gather-neighbours


def captions_of_classes(spark: SparkSession, run: RunRecord) -> list[ClassCaptions]:
    """Number of captions that a search wrote for each class, those without left out."""
    rows = read_run_output(spark, run, "output", QUERIES)
    counts = rows.groupBy(*QUERIES.names).count().collect()
    return [ClassCaptions(row[DATASET], row[QUERY], row["count"]) for row in counts]


def nearest_captions(spark: SparkSession, run: RunRecord) -> list[Hits]:
    """The nearest captions of some prompts of a run of gather-neighbours, from each search."""
    prompts = _some_of_each_dataset(read_run_input(spark, run, "queries"), [QUERY_ID])
    ids = [row[QUERY_ID] for row in prompts]
    searches = {name: among for name, among in _SEARCHES.items() if run.settings.get(name)}
    neighbours = {name: _nearest(read_run_input(spark, run, name), ids) for name in searches}
    uids = {row[UID] for rows in neighbours.values() for row in rows}
    captions = read_run_input(spark, run, "captions").select(UID, CAPTION)
    caption_rows = rows_of_classes(captions, UID, sorted(uids)).collect() if uids else []
    caption_of = {row[UID]: row[CAPTION] for row in caption_rows}
    return [
        Hits(
            prompt[DATASET],
            prompt[QUERY],
            prompt[CAPTION],
            [
                Hit(caption_of.get(row[UID]) or "", row[UID], row[SIMILARITY])
                for row in neighbours[name]
                if row[QUERY_ID] == prompt[QUERY_ID]
            ],
            among if len(searches) > 1 else "",
        )
        for prompt in prompts
        for name, among in searches.items()
    ]


def matching_captions(spark: SparkSession, run: RunRecord) -> list[Hits]:
    """Some captions of some classes of a run of search-substrings."""
    rows = read_run_output(spark, run, "output", schemas.QUERIES)
    classes = _some_of_each_dataset(rows.select(*QUERIES.names).distinct(), QUERIES.names)
    if not classes:
        return []
    of_classes = reduce(
        or_, ((F.col(DATASET) == row[DATASET]) & (F.col(QUERY) == row[QUERY]) for row in classes)
    )
    nth = F.row_number().over(
        Window.partitionBy(DATASET, QUERY).orderBy(EXAMPLE_DRAW.of(UID), CAPTION)
    )
    some = rows.where(of_classes).withColumn("nth", nth).where(F.col("nth") <= _TOP)
    examples = some.orderBy("nth").select(DATASET, QUERY, UID, CAPTION).collect()
    return [
        Hits(
            class_row[DATASET],
            class_row[QUERY],
            None,
            [
                Hit(row[CAPTION] or "", row[UID], None)
                for row in examples
                if (row[DATASET], row[QUERY]) == (class_row[DATASET], class_row[QUERY])
            ],
        )
        for class_row in classes
    ]


def _some_of_each_dataset(rows: DataFrame, keys: Sequence[str]) -> list[Row]:
    """At most _MOST_PROMPTS rows, of each data set as many, fixed by a draw over their keys."""
    nth = F.row_number().over(Window.partitionBy(DATASET).orderBy(EXAMPLE_DRAW.of(*keys), *keys))
    numbered = rows.withColumn("nth", nth).where(F.col("nth") <= _MOST_PROMPTS)
    some = numbered.orderBy("nth", DATASET).limit(_MOST_PROMPTS).collect()
    return sorted(some, key=lambda row: (row[DATASET] or "", row["nth"]))


def _nearest(neighbours: DataFrame, query_ids: Sequence[Any]) -> list[Row]:
    nearest = rows_of_classes(neighbours.where(F.col(RANK) < _TOP), QUERY_ID, query_ids)
    return nearest.select(QUERY_ID, UID, RANK, SIMILARITY).orderBy(RANK, UID).collect()
