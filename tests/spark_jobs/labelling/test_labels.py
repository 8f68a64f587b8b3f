"""Labelled rows, without Spark: a row per synset, none, or one, for captions of several."""

import pyarrow as pa
import pytest

from spark_jobs.core.errors import InputDataError
from spark_jobs.labelling.labels import synset_arrays
from spark_jobs.labelling.lemma_table import Synset, lemma_table, synsets_from_tsv
from udfs.text.labelling import Several, add_labels
from udfs.text.lemma_match import laionet_matcher

SYNSETS = [
    Synset("n1", 0, ("cat", "house cat")),
    Synset("n2", 1, ("crane", "wading bird")),
    Synset("n3", 2, ("crane", "hoist")),
]
LABEL_NAMES = ["wnid", "class_idx", "lemmas"]
CAPTIONS = ["a house cat", "hoist and cat", "no", None, "crane hoist"]


def spans(several: Several) -> list[tuple]:
    table = lemma_table(SYNSETS)
    batch = pa.RecordBatch.from_arrays([pa.array(["cat crane cat", "hoist", "no"])], ["caption"])
    label = add_labels(
        laionet_matcher(table.lemmas),
        synset_arrays(table),
        several,
        caption="caption",
        names=LABEL_NAMES,
        spans="spans",
    )
    rows = pa.Table.from_batches(label([batch])).to_pylist()
    return [(r["wnid"], [tuple(span.values()) for span in r["spans"]]) for r in rows]


def test_spans_are_those_of_the_row() -> None:
    cats = [("cat", 0, 3), ("cat", 10, 13)]
    crane = ("crane", 4, 9)
    hoist = ("n3", [("hoist", 0, 5)])
    assert spans("rows") == [("n1", cats), ("n2", [crane]), ("n3", [crane]), hoist]
    assert spans("drop") == [hoist]
    assert spans("keep") == [(None, [cats[0], crane, crane, cats[1]]), hoist]


def labelled(several: Several, captions: list[str | None] = CAPTIONS) -> list[tuple]:
    table = lemma_table(SYNSETS)
    uids = [f"u{i}" for i in range(len(captions))]
    columns = [pa.array(uids, pa.string()), pa.array(captions, pa.string())]
    batch = pa.RecordBatch.from_arrays(columns, ["uid", "caption"])
    matcher = laionet_matcher(table.lemmas)
    label = add_labels(matcher, synset_arrays(table), several, caption="caption", names=LABEL_NAMES)
    rows = pa.Table.from_batches(label([batch])).to_pylist()
    return [(r["uid"], r["wnid"], r["class_idx"], r["lemmas"]) for r in rows]


def test_a_row_for_each_synset() -> None:
    assert labelled("rows") == [
        ("u0", "n1", 0, ["cat", "house cat"]),
        ("u1", "n1", 0, ["cat"]),
        ("u1", "n3", 2, ["hoist"]),
        ("u4", "n2", 1, ["crane"]),
        ("u4", "n3", 2, ["crane", "hoist"]),
    ]


def test_captions_of_several_synsets_can_be_dropped_or_kept_without_one() -> None:
    assert labelled("drop") == [("u0", "n1", 0, ["cat", "house cat"])]
    assert labelled("keep") == [
        ("u0", "n1", 0, ["cat", "house cat"]),
        ("u1", None, None, ["cat", "hoist"]),
        ("u4", None, None, ["crane", "crane", "hoist"]),
    ]


@pytest.mark.parametrize("several", ["rows", "drop", "keep"])
@pytest.mark.parametrize("captions", [[], ["none"], [None]])
def test_nothing_to_label_is_no_row(several: Several, captions: list[str | None]) -> None:
    assert labelled(several, captions) == []


def test_lemmas_of_one_synset_alone() -> None:
    table = lemma_table(SYNSETS, unique_by=lambda lemma: lemma)
    assert table.lemmas == ["cat", "house cat", "wading bird", "hoist"]
    assert table.owner == [0, 0, 1, 2]
    folded = lemma_table([*SYNSETS, Synset("n4", 3, ("CAT",))], unique_by=str.lower)
    assert "cat" not in folded.lemmas


class TestTsv:
    def test_lemmas_stand_between_commas_or_tabs(self) -> None:
        commas = synsets_from_tsv("n2\tkit fox, Vulpes macrotis\nn1\ttench\n", "s.tsv")
        assert commas == [
            Synset("n1", 0, ("tench",)),
            Synset("n2", 1, ("kit fox", "Vulpes macrotis")),
        ]
        assert synsets_from_tsv("n2\tkit fox\tVulpes macrotis\r\nn1\ttench", "s.tsv") == commas

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("n1\tcat\nn2", "s.tsv: line 2: expected a wnid, a tab, and lemmas"),
            ("n1\tcat, \n", "line 1"),
            ("n1\tcat\n\nn2\tdog", "line 2"),
            ("n1\tcat\nn1\tdog", "s.tsv: the synset n1 is there twice"),
            ("", "line 1"),
        ],
    )
    def test_what_is_none_is_named(self, text: str, message: str) -> None:
        with pytest.raises(InputDataError, match=message):
            synsets_from_tsv(text, "s.tsv")
