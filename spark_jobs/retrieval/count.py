"""Captions per class."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import CAPTION, CAPTION_COUNT, CLASS_COUNTS, COUNTED_IDS, ENTRY_ID
from spark_jobs.retrieval.class_queries import ClassQuery
from spark_jobs.retrieval.programs import numbered_phrases, programs
from udfs.arrow import Batches, BatchFunction
from udfs.compiled import one_compiles
from udfs.text.boolean_match import match_queries
from udfs.text.lists import rows_of
from udfs.text.word_match import Lemmatiser, word_matcher

_WEIGHT = "_weight"


def count_classes(
    captions: DataFrame,
    queries: Sequence[ClassQuery],
    lemmatiser: Lemmatiser,
    *,
    weight: str | None = None,
) -> DataFrame:
    """schemas.CLASS_COUNTS: the captions of each class, in the way of Parashar et al. 2024.

    `weight`: a column of whole numbers, how often each caption counts; null is 0.
    """
    weighed = F.lit(1) if weight is None else F.coalesce(named(weight), F.lit(0))
    read = captions.select(CAPTION, weighed.cast("long").alias(_WEIGHT))
    counted = map_in_arrow(read, counting(queries, lemmatiser), COUNTED_IDS)
    sums = counted.groupBy(ENTRY_ID).agg(F.sum(COUNTED_IDS.names[1]).alias(CAPTION_COUNT))
    class_idx: dict[str, int] = {}
    known = []
    for position, query in enumerate(queries):
        class_idx[query.dataset] = class_idx.get(query.dataset, -1) + 1
        known.append((position, query.dataset, class_idx[query.dataset], query.name))
    names = [ENTRY_ID, *CLASS_COUNTS.names[:3]]
    types = ["int", "string", "int", "string"]
    schema = ", ".join(f"{name} {type_}" for name, type_ in zip(names, types, strict=True))
    classes = captions.sparkSession.createDataFrame(known, schema)
    joined = classes.join(F.broadcast(sums), on=ENTRY_ID, how="left")
    count = F.coalesce(CAPTION_COUNT, F.lit(0)).alias(CAPTION_COUNT)
    return joined.select(*CLASS_COUNTS.names[:3], count)


def counting(queries: Sequence[ClassQuery], lemmatiser: Lemmatiser) -> BatchFunction:
    """The function of mapInArrow behind `count_classes`: caption, weight in; class, sum out."""
    trees = [query.query for query in queries]
    number = numbered_phrases(trees)
    matcher = word_matcher([phrase.tokens[0] for phrase in number], lemmatiser)
    codes = programs(trees, number)

    def count(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles("match_words"):
            match_queries(matcher.match(pa.array([], pa.string())), codes)
        sums = np.zeros(len(trees), np.int64)
        for batch in batches:
            found = match_queries(matcher.match(batch.column(0)), codes)
            rows = rows_of(found)
            np.add.at(sums, found.values.to_numpy(), batch.column(1).to_numpy()[rows])
        classes = np.flatnonzero(sums).astype(np.int32)
        columns = [pa.array(classes), pa.array(sums[classes])]
        yield pa.RecordBatch.from_arrays(columns, COUNTED_IDS.names)

    return count
