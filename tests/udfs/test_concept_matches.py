"""Entries found in a task's captions, and their counts."""

import numpy as np
import pyarrow as pa

from udfs.balancing import ENTRIES, KEYS, ROWS
from udfs.id_counts import COUNT, ID, KIND, Kind, sum_packed
from udfs.text.concept_matches import add_entry_ids, count_entries_and_keys, count_matched_entries
from udfs.text.matchers import MetaclipMatcher
from udfs.text.token_trie import build_token_trie

CAPTIONS = ["a cat and a dog", "no animal", None, "dog dog"]


def matcher() -> MetaclipMatcher:
    return MetaclipMatcher(build_token_trie(pa.array(["cat", "dog", "whale"])))


def captions() -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {
            "uid": list("abcd"),
            "caption": pa.array(CAPTIONS),
            "key": pa.array([5, 6, 7, 5], pa.int64()),
        }
    )


def test_entry_ids_come_beside_the_kept_columns() -> None:
    [batch] = add_entry_ids(matcher(), ["uid"])([captions()])
    assert batch.to_pydict() == {"uid": list("abcd"), "entry_ids": [[0, 1], [], [], [1]]}


def test_spans_come_last() -> None:
    [batch] = add_entry_ids(matcher(), [], spans="spans")([captions()])
    assert batch.schema.names == ["entry_ids", "spans"]
    assert [[tuple(span.values()) for span in row] for row in batch["spans"].to_pylist()] == [
        [(0, 2, 5), (1, 12, 15)],
        [],
        [],
        [(1, 0, 3), (1, 4, 7)],
    ]


def summed(packed: list[pa.RecordBatch], kinds: list[Kind]) -> set[tuple]:
    by_part = pa.Table.from_batches(packed).sort_by("part").to_batches()
    rows = pa.Table.from_batches(sum_packed(by_part, kinds=kinds)).to_pylist()
    return {(row[KIND], row[ID], row[COUNT]) for row in rows}


def test_counts_are_captions_of_each_entry() -> None:
    packed = list(count_matched_entries(matcher())([captions(), captions()]))
    assert summed(packed, [Kind()]) == {(0, 0, 2), (0, 1, 4)}


def test_entries_keys_and_rows_are_counted_in_one_pass() -> None:
    packed = list(count_entries_and_keys(matcher(), key="key")([captions()]))
    kinds = {ENTRIES: Kind(), KEYS: Kind(at_least=2), ROWS: Kind(at_least=0)}
    assert summed(packed, [kinds[k] for k in sorted(kinds)]) == {
        *((ENTRIES, 0, 1), (ENTRIES, 1, 2)),
        (KEYS, 5, 2),
        *((ROWS, 0, 4), (ROWS, 1, 2)),
    }


def test_an_empty_task_counts_no_rows() -> None:
    packed = list(count_entries_and_keys(matcher(), key="key")([]))
    assert summed(packed, [Kind(at_least=0)] * 3) == {(ROWS, 0, 0), (ROWS, 1, 0)}
    assert np.unique([ENTRIES, KEYS, ROWS]).size == 3
