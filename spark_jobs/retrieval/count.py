"""Count the captions of each class (Parashar et al. 2024)."""

from collections import Counter
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
    """Captions of each class, 0 for classes without any: schemas.CLASS_COUNTS.

    `weight`: an integer column, how often each caption counts; null counts as 0. class_idx:
    position among the queries of the same data set.
    """
    caption_weight = F.lit(1) if weight is None else F.coalesce(named(weight), F.lit(0))
    rows = captions.select(CAPTION, caption_weight.cast("long").alias(_WEIGHT))
    task_sums = map_in_arrow(rows, sum_weights_by_class(queries, lemmatiser), COUNTED_IDS)
    sums = task_sums.groupBy(ENTRY_ID).agg(F.sum(COUNTED_IDS.names[1]).alias(CAPTION_COUNT))
    next_class_idx: Counter[str] = Counter()
    class_rows = []
    for position, query in enumerate(queries):
        class_rows.append((position, query.dataset, next_class_idx[query.dataset], query.name))
        next_class_idx[query.dataset] += 1
    names = [ENTRY_ID, *CLASS_COUNTS.names[:3]]
    types = ["int", "string", "int", "string"]
    schema = ", ".join(f"{name} {type_}" for name, type_ in zip(names, types, strict=True))
    classes = captions.sparkSession.createDataFrame(class_rows, schema)
    joined = classes.join(F.broadcast(sums), on=ENTRY_ID, how="left")
    count = F.coalesce(CAPTION_COUNT, F.lit(0)).alias(CAPTION_COUNT)
    return joined.select(*CLASS_COUNTS.names[:3], count)


def sum_weights_by_class(queries: Sequence[ClassQuery], lemmatiser: Lemmatiser) -> BatchFunction:
    """For mapInArrow: caption, weight -> position of a query, sum of its captions' weights.

    The phrases of the queries are single words.
    """
    query_trees = [query.query for query in queries]
    phrase_ids = numbered_phrases(query_trees)
    matcher = word_matcher([phrase.tokens[0] for phrase in phrase_ids], lemmatiser)
    query_programs = programs(query_trees, phrase_ids)

    def sum_in_task(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles("match_words"):
            match_queries(matcher.match(pa.array([], pa.string())), query_programs)
        sums = np.zeros(len(query_trees), np.int64)
        for batch in batches:
            query_ids = match_queries(matcher.match(batch.column(0)), query_programs)
            weights = batch.column(1).to_numpy()[rows_of(query_ids)]
            np.add.at(sums, query_ids.values.to_numpy(), weights)
        counted_ids = np.flatnonzero(sums).astype(np.int32)
        columns = [pa.array(counted_ids), pa.array(sums[counted_ids])]
        yield pa.RecordBatch.from_arrays(columns, COUNTED_IDS.names)

    return sum_in_task
