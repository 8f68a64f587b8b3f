"""Count the captions of each class (Parashar et al. 2024)."""

from collections import Counter
from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import CAPTION, CAPTION_COUNT, CLASS_COUNTS, COUNTED_IDS, ENTRY_ID
from spark_jobs.retrieval.class_queries import ClassQuery
from spark_jobs.retrieval.programs import numbered_phrases, programs
from udfs.text.query_search import sum_weights_by_query
from udfs.text.word_match import Lemmatiser, word_matcher

PAPERS = ("Neglected tails, concept frequencies: captions of each class by its names",)

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
    query_trees = [query.query for query in queries]
    phrase_ids = numbered_phrases(query_trees)
    sum_in_task = sum_weights_by_query(
        word_matcher([phrase.tokens[0] for phrase in phrase_ids], lemmatiser).match,
        programs(query_trees, phrase_ids),
        names=COUNTED_IDS.names,
        compiles="match_words",
    )
    task_sums = map_in_arrow(rows, sum_in_task, COUNTED_IDS)
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
