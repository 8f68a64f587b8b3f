"""Captions per class, against words held by hand."""

from pyspark.sql import SparkSession

from spark_jobs.retrieval.class_queries import ClassQuery
from spark_jobs.retrieval.count import count_classes
from spark_jobs.retrieval.query import And, Phrase
from udfs.text.word_match import Lemmatiser

LEMMATISER = Lemmatiser(frozenset({"cat", "dog"}), {})
CLASSES = [
    ClassQuery("D", "cat", Phrase(("cat",))),
    ClassQuery("D", "both", And((Phrase(("cat",)), Phrase(("dog",))))),
    ClassQuery("E", "rose", Phrase(("rose",))),
]


def test_a_caption_counts_once_or_by_its_weight_in_a_column_of_any_name(
    spark: SparkSession,
) -> None:
    rows = [("a cat", 5, 1), ("cats and dogs", 7, None), ("a dog", 11, 1)]
    for name in ("a.b", "x`y"):
        frame = spark.createDataFrame(rows, ["caption", name, "other.one"])
        counts = {}
        for weight in (None, name, "other.one"):
            counted = count_classes(frame, CLASSES, LEMMATISER, weight=weight)
            counts[weight] = {row.class_name: row.caption_count for row in counted.collect()}
        assert counts[None] == {"cat": 2, "both": 1, "rose": 0}
        assert counts[name] == {"cat": 12, "both": 7, "rose": 0}
        assert counts["other.one"] == {"cat": 1, "both": 0, "rose": 0}
