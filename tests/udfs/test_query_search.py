"""Boolean queries over a task's captions, by both rules for phrases."""

import numpy as np
import pyarrow as pa
import pytest

from udfs.text.boolean_match import AND, WITHOUT, Programs
from udfs.text.phrase_search import FindPhrases, lower_case_text, substring_finder, token_finder
from udfs.text.query_search import find_queries, sum_weights_by_query

PHRASES = [["red"], ["rose"], ["thorn"]]
CAPTIONS = ["Red roses", "a red rose", "a rose, red, a thorn", None, "rose"]


def programs() -> Programs:
    """Query 0: red AND rose; query 1: rose NOT thorn; both are anchored at rose."""
    return Programs(
        np.array([0, 1, AND, 1, 2, WITHOUT], np.int32),
        np.array([0, 3, 6], np.int64),
        np.array([0, 0, 2, 2], np.int64),
        np.array([0, 1], np.int32),
    )


@pytest.mark.parametrize(
    ("find", "expected"),
    [
        (token_finder(PHRASES), [("b", "x"), ("b", "y"), ("c", "x"), ("e", "y")]),
        (
            substring_finder(PHRASES),
            [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("c", "x"), ("e", "y")],
        ),
    ],
)
def test_a_row_for_each_caption_and_query(
    find: FindPhrases, expected: list[tuple[str, str]]
) -> None:
    batch = pa.RecordBatch.from_pydict({"uid": list("abcde"), "caption": pa.array(CAPTIONS)})
    labels = [pa.array(["x", "y"])]
    search = find_queries(
        find, programs(), labels, caption="caption", names=["query"], compiles="test_search"
    )
    [rows] = search([batch])
    assert rows.schema.names == ["query", "uid", "caption"]
    assert list(zip(rows["uid"].to_pylist(), rows["query"].to_pylist(), strict=True)) == expected


def test_weights_are_summed_by_query_over_batches() -> None:
    batch = pa.RecordBatch.from_pydict({"caption": pa.array(CAPTIONS), "weight": [1, 2, 4, 8, 16]})
    summing = sum_weights_by_query(
        token_finder(PHRASES), programs(), names=["query", "sum"], compiles="test_search"
    )
    [sums] = summing([batch, batch])
    assert sums.to_pydict() == {"query": [0, 1], "sum": [2 * (2 + 4), 2 * (2 + 16)]}
    [sums] = summing([])
    assert sums.num_rows == 0


def test_a_phrase_of_text_is_one_token_in_lower_case() -> None:
    assert lower_case_text(" St. BERNARD ") == ["st. bernard"]
    assert lower_case_text("  ") == []
