"""Query texts against the published ones."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spark_jobs.concepts.synsets import imagenet_synsets
from spark_jobs.scoring.definitions import QUERY_TYPES, Definition, query_text, similarity_column


def test_every_published_query(cases: Path) -> None:
    rows = pq.read_table(cases / "laionet_queries/expected.parquet").to_pylist()
    of = {s.wnid: Definition(s.wnid, s.lemmas, s.gloss) for s in imagenet_synsets("imagenet1k")}
    old_husky = "n02112837"
    of[old_husky] = of["n02110185"]
    assert len(rows) == 122
    for row in rows:
        lemma = row["key"] if row["key_type"] == "lemma" else None
        found = {kind: query_text(kind, of[row["wnid"]], lemma) for kind in QUERY_TYPES}
        assert found == {kind: row[kind] for kind in QUERY_TYPES}


@pytest.mark.parametrize("lemma", [None, "Komodo lizard"])
def test_forms(lemma: str | None) -> None:
    dragon = Definition("n0", ["Komodo dragon", "Komodo lizard"], "a large lizard")
    name = lemma or "komodo dragon"
    assert query_text("name", dragon, lemma) == name
    assert query_text("a_clear_photo_of_name_def", dragon, lemma) == (
        f"a clear photo of {name} which is a large lizard"
    )
    assert query_text("a_photo_of_lemmas", dragon, lemma) == (
        "a photo of Komodo dragon or Komodo lizard"
    )
    assert similarity_column("name_def", "wnid") == "text_to_name_def_wnid_similarity"
