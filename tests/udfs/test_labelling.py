"""Labels of a task's captions."""

import numpy as np
import pyarrow as pa
import pytest

from udfs.text.labelling import Several, SynsetArrays, add_labels
from udfs.text.lemma_match import laionet_matcher

LEMMAS = ["cat", "crane", "bird", "crane"]  # of n1, n2, n2, n3
SYNSETS = SynsetArrays(
    lemmas=pa.array(LEMMAS),
    owner=np.array([0, 1, 1, 2], np.int64),
    wnids=pa.array(["n1", "n2", "n3"]),
    class_idx=pa.array([0, 1, 2], pa.int32()),
)


@pytest.mark.parametrize(
    ("several", "expected"),
    [
        ("rows", [("n1", 0, ["cat"]), ("n2", 1, ["crane", "bird"]), ("n3", 2, ["crane"])]),
        ("drop", [("n1", 0, ["cat"])]),
        ("keep", [("n1", 0, ["cat"]), (None, None, ["crane", "bird", "crane"])]),
    ],
)
def test_captions_of_several_synsets(several: Several, expected: list[tuple]) -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["a cat", "crane, a bird", "none"]})
    names = ["wnid", "class_idx", "lemmas"]
    label = add_labels(laionet_matcher(LEMMAS), SYNSETS, several, caption="text", names=names)
    [labelled] = label([batch])
    assert labelled.schema.names == ["text", *names]
    assert [tuple(row[name] for name in names) for row in labelled.to_pylist()] == expected
