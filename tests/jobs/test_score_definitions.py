"""score-definitions: LAIONet's similarities, and the senses that real weights tell apart."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.concepts.synsets import imagenet_synsets
from spark_jobs.scoring.definitions import QUERY_TYPES, Definition, query_text
from tests.delta_tables import read_delta
from udfs.models.encoder import encode
from udfs.models.loading import encoder_of_task
from udfs.models.spec import ModelSpec

TENCH, GOLDFISH, CRANE_BIRD, CRANE = "n01440764", "n01443537", "n02012849", "n03126707"


def read(spark: SparkSession, path: Path) -> DataFrame:
    return read_delta(spark, path)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    rows = [
        ("u0", "a tench", TENCH, ["tench"]),
        ("u1", "a tench and a goldfish", TENCH, ["tench"]),
        ("u1", "a tench and a goldfish", GOLDFISH, ["goldfish"]),
        ("u2", None, GOLDFISH, ["goldfish"]),
        ("u3", "Carassius auratus goldfish", GOLDFISH, ["goldfish", "Carassius auratus"]),
        ("u4", "kept as several", None, ["tench", "goldfish"]),
        ("u5", "of no known class", "n99999999", ["thing"]),
        ("u6", "a tench", TENCH, ["Tinca tinca"]),
    ]
    uid, caption, wnid, lemmas = zip(*rows, strict=True)
    columns = {
        "uid": uid, "caption": pa.array(caption, pa.string()),
        "wnid": pa.array(wnid, pa.string()), "lemmas": lemmas, "width": range(8),
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "labels.parquet")
    return tmp_path / "labels.parquet"


def cosines(pairs: list[tuple[str, str]], model: Path) -> list[float]:
    encoder = encoder_of_task(ModelSpec(f"open_clip:{model}"), "text")
    sides = [encode(encoder, encoder.prepare([p[k] for p in pairs]))[0] for k in (0, 1)]
    return np.einsum("ij,ij->i", *sides).tolist()


def definition(wnid: str) -> Definition:
    s = next(s for s in imagenet_synsets("imagenet1k") if s.wnid == wnid)
    return Definition(s.wnid, s.lemmas, s.gloss)


def test_captions_of_one_synset_get_the_similarity_of_every_query_type(
    captionlake, spark: SparkSession, labels: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    outcome = captionlake(
        *("score-definitions", "--labels", labels, "--output", tmp_path / "scores"),
        *("--model", f"open_clip:{tiny_clip}", "--set", f"query_types=[{', '.join(QUERY_TYPES)}]"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    counts = {"rows_in": 7, "scored": 4, "left_out": 3, "rows": 28}
    assert outcome.summary["counts"] == counts
    rows = read(spark, tmp_path / "scores").collect()
    texts = {"u0": "a tench", "u2": "None", "u3": "Carassius auratus goldfish", "u6": "a tench"}
    wnids = {"u0": TENCH, "u2": GOLDFISH, "u3": GOLDFISH, "u6": TENCH}
    pairs = [(texts[r.uid], query_text(r.query_type, definition(r.wnid))) for r in rows]
    assert {r.uid: r.wnid for r in rows} == wnids
    assert np.allclose([r.score for r in rows], cosines(pairs, tiny_clip), atol=1e-5)
    assert {(r.model, r.query_key) for r in rows} == {(f"open_clip:{tiny_clip}", "wnid")}


def test_by_lemma_with_the_captions_columns(
    captionlake, spark: SparkSession, labels: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    outcome = captionlake(
        *("score-definitions", "--labels", labels, "--output", tmp_path / "scores", "--carry"),
        *("--model", f"open_clip:{tiny_clip}", "--query-key", "lemma"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    rows = {r.uid: r for r in read(spark, tmp_path / "scores").collect()}
    assert set(rows) == {"u0", "u2", "u6"}  # two lemmas of one class are left out, as published
    assert rows["u6"].width == 7
    column = "text_to_name_def_lemma_similarity"
    pairs = [
        ("a tench", query_text("name_def", definition(TENCH), "tench")),
        ("a tench", query_text("name_def", definition(TENCH), "Tinca tinca")),
    ]
    found = [rows["u0"][column], rows["u6"][column]]
    assert np.allclose(found, cosines(pairs, tiny_clip), atol=1e-5)


def test_glosses_of_ones_own(
    captionlake, spark: SparkSession, tiny_clip: Path, tmp_path: Path
) -> None:
    rows = {"uid": ["u0"], "caption": ["my cat"], "wnid": ["n1"], "lemmas": [["cat"]]}
    pq.write_table(pa.table(rows), tmp_path / "labels.parquet")
    synsets = {"wnid": ["n1", "n2"], "lemma": ["Cat", "dog"], "gloss": ["feline", None]}
    pq.write_table(pa.table(synsets), tmp_path / "synsets.parquet")
    files = ["--labels", tmp_path / "labels.parquet", "--output", tmp_path / "out"]
    command = ["score-definitions", *files, "--model", f"open_clip:{tiny_clip}"]
    outcome = captionlake(*command, "--synsets", tmp_path / "synsets.parquet")
    assert outcome.exit_code == 0, outcome.stderr
    [row] = read(spark, tmp_path / "out").collect()
    expected = cosines([("my cat", "cat which is feline")], tiny_clip)
    assert np.allclose([row.score], expected, atol=1e-5)
    (tmp_path / "list.tsv").write_text("n1\tcat\n")
    outcome = captionlake(*command, "--synsets", tmp_path / "list.tsv")
    assert outcome.exit_code == 3
    assert "lists no definitions" in outcome.error


@pytest.mark.slow
def test_the_recipe_leaves_pairs_ready_for_download(
    captionlake, spark: SparkSession, cases: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    model = [f"scored_captions.model=open_clip:{tiny_clip}", "scored_captions.weights=null"]
    rows = pq.read_table(cases / "laion_real/input.parquet")
    nsfw = pa.array(["UNLIKELY", "UNLIKELY", "UNSURE", None] * (rows.num_rows // 4))
    pq.write_table(rows.append_column("NSFW", nsfw), tmp_path / "in.parquet")
    given = [f"input={tmp_path / 'in.parquet'}", f"output={tmp_path}", "threshold=0.1"]
    command = ["run", "laionet", *(part for s in given + model for part in ("--set", s))]
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    labels, pairs = read(spark, tmp_path / "labels"), read(spark, tmp_path / "pairs")
    single = labels.groupBy("uid").count().where("count = 1").select("uid")
    assert 0 < pairs.count() < single.count()
    assert pairs.join(single, on="uid", how="left_anti").isEmpty()
    column = "text_to_name_def_wnid_similarity"
    kept = pairs.selectExpr(f"min({column}) AS low", "collect_set(nsfw) AS nsfw").first()
    assert kept.low > 0.1
    assert kept.nsfw == ["UNLIKELY"]
    assert {"uid", "caption", "url", "wnid", "class_idx", column} <= set(pairs.columns)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Just above the threshold, 0.1" in page
    assert "Just below the threshold, 0.1" in page
    assert "compared with: " in page
    again = captionlake(*command)
    assert {step["status"] for step in again.summary["steps"]} == {"up_to_date"}


@pytest.mark.slow
def test_the_right_sense_of_a_shared_lemma_wins_on_real_weights() -> None:
    """Captions made from glosses, compared by MiniLM with every synset that has the lemma."""
    of_lemma: dict[str, list[Definition]] = {}
    for s in imagenet_synsets("imagenet1k"):
        for lemma in s.lemmas:
            of_lemma.setdefault(lemma, []).append(Definition(s.wnid, s.lemmas, s.gloss))
    # Its other sense is none of the classes.
    leg = Definition("", ["drumstick"], "the lower joint of the leg of a fowl")
    of_lemma["drumstick"].append(leg)
    shared = {lemma: of for lemma, of in of_lemma.items() if len(of) > 1}
    assert {"crane", "drumstick", "maillot"} <= set(shared)
    assert len(shared) == 19
    encoder = encoder_of_task(ModelSpec("minilm"), "text")
    wrong = []
    for lemma, senses in shared.items():
        captions = [f"photo of a {lemma}, {sense.gloss.split(';')[0]}" for sense in senses]
        # By lemma: the name of a class would favour the class that is called by the lemma.
        queries = [query_text("name_def", sense, lemma) for sense in senses]
        a, b = (encode(encoder, encoder.prepare(texts))[0] for texts in (captions, queries))
        if (a @ b.T).argmax(axis=1).tolist() != list(range(len(senses))):
            wrong.append(lemma)
    assert wrong == []
