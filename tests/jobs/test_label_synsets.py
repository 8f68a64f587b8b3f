"""label-synsets: the published labels, counts and files of LAIONet and YFCC15M-Cls."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.formats.synsets import named_synsets
from tests.delta_tables import read_delta


def read(spark: SparkSession, path: Path) -> list[dict]:
    return [row.asDict() for row in read_delta(spark, path).collect()]


def published(cases: Path, name: str) -> list[dict]:
    return pq.read_table(cases / f"{name}.parquet").to_pylist()


@pytest.fixture
def laionet_input(cases: Path, tmp_path: Path) -> str:
    """Both parts, the uid being the published row_id."""
    parts = [pq.read_table(cases / f"laionet_labels/input_part{k}.parquet") for k in (0, 1)]
    rows = [(k * 100_000_000 + r["row"], r["TEXT"]) for k in (0, 1) for r in parts[k].to_pylist()]
    uids, texts = (list(column) for column in zip(*rows, strict=True))
    table = pa.table({"uid": pa.array(map(str, uids)), "caption": pa.array(texts, pa.string())})
    pq.write_table(table, tmp_path / "captions.parquet")
    return f"parquet:{tmp_path / 'captions.parquet'}"


def test_laionet_gives_the_published_labels(
    captionlake, spark: SparkSession, cases: Path, laionet_input: str, tmp_path: Path
) -> None:
    arguments = ["label-synsets", "--captions", laionet_input, "--synsets", "laionet"]
    outcome = captionlake(
        *(*arguments, "--output", tmp_path / "labels", "--counts", tmp_path / "counts"),
        *("--frequencies", tmp_path / "frequencies.txt"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {
        **{"rows_in": 500, "captions": 265, "synsets": 999, "lemmas": 1825},
        **{"rows": 373, "synsets_found": outcome.summary["counts"]["synsets_found"]},
    }
    labels = read(spark, tmp_path / "labels")
    wnids = {
        (r["wnid"], r["row_id"]) for r in published(cases, "laionet_labels/expected_wnid_rows")
    }
    assert {(r["wnid"], int(r["uid"])) for r in labels} == wnids
    lemmas = published(cases, "laionet_labels/expected_lemma_rows")
    found = sorted((lemma, int(row["uid"])) for row in labels for lemma in row["lemmas"])
    assert found == sorted((row["lemma"], row["row_id"]) for row in lemmas)

    counts = read(spark, tmp_path / "counts")
    of_lemma = {(r["lemma"]): r["caption_count"] for r in counts if r["lemma"] is not None}
    assert {k: n for k, n in of_lemma.items() if n} == Counter(row["lemma"] for row in lemmas)
    assert len(of_lemma) == 1825
    of_wnid = {r["wnid"]: r["caption_count"] for r in counts if r["lemma"] is None}
    assert len(of_wnid) == 999
    assert {k: n for k, n in of_wnid.items() if n} == Counter(wnid for wnid, _ in wnids)
    lines = (tmp_path / "frequencies.txt").read_text().splitlines()
    assert len(lines) == 999
    assert lines[0] == f"tench\t{of_wnid['n01440764']}"
    assert f"Siberian Husky\t{of_wnid['n02112837']}" in lines

    single = captionlake(*arguments, "--several", "drop", "--output", tmp_path / "single")
    assert single.exit_code == 0, single.stderr
    rows = {(int(row["uid"]), row["wnid"]) for row in read(spark, tmp_path / "single")}
    expected = published(cases, "laionet_labels/expected_single_label")
    assert rows == {(row["row_id"], row["wnid"]) for row in expected}


def test_the_named_list_is_the_published_table(cases: Path) -> None:
    text = (cases / "laionet_labels/ilsvrc_synsets_used.tsv").read_text(encoding="utf-8")
    lines = (line.split("\t") for line in text.splitlines())
    table = {wnid: tuple(lemmas.split(", ")) for wnid, lemmas in lines}
    assert {s.wnid: s.lemmas for s in named_synsets("laionet")} == table
    mended = {s.wnid: s for s in named_synsets("imagenet1k")}
    assert mended["n03126707"].lemmas == ("crane",)
    assert mended["n02110185"].class_idx == 250
    assert [s.class_idx for s in mended.values()] == list(range(1000))


def test_yfcc_gives_the_published_file(
    captionlake, cases: Path, tmp_path: Path, spark: SparkSession
) -> None:
    lines = (cases / "yfcc_cls/input.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    columns = {name: [row[name] for row in rows] for name in ("filepath", "caption")}
    table = pa.table({"uid": columns["filepath"], **columns})
    pq.write_table(table, tmp_path / "captions.parquet")
    file = tmp_path / "yfcc15m_cls.tsv"
    outcome = captionlake(
        *("label-synsets", "--captions", f"parquet:{tmp_path / 'captions.parquet'}"),
        *("--synsets", cases / "yfcc_cls/lemmas_by_class.tsv", "--rule", "yfcc"),
        *("--tsv", file, "--tsv-columns", "[filepath, caption, label]"),
        *("--frequencies", tmp_path / "frequencies.txt", "--output", tmp_path / "labels"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    written = file.read_text(encoding="utf-8").splitlines()
    expected = (cases / "yfcc_cls/expected_file.tsv").read_text(encoding="utf-8").splitlines()
    assert written[0] == expected[0]
    assert sorted(written) == sorted(expected)  # inside a class the published order is a set's
    labels = [int(line.rpartition("\t")[2]) for line in written[1:]]
    assert labels == sorted(labels)
    counts = published(cases, "yfcc_cls/expected_class_counts")
    frequencies = (tmp_path / "frequencies.txt").read_text().splitlines()
    assert [int(line.split("\t")[1]) for line in frequencies] == [row["count"] for row in counts]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--synsets", "imagenet2k"], 2, "no such list, did you mean 'imagenet22k'?"),
        (["--synsets", "./none.tsv"], 3, "none.tsv: does not exist"),
        (["--rule", "yfc"], 2, "setting 'rule' = 'yfc'"),
        (["--several", "first"], 2, "setting 'several' = 'first'"),
        (["--synsets", "BROKEN"], 3, "broken.tsv: line 1: expected a wnid, a tab, and lemmas"),
        (["--synsets", "PATTERN", "--rule", "yfcc"], 3, "lemma 'C++' is a pattern, not a word"),
        (["--tsv", "./x.tsv", "--filepath", "{wnidd}.jpg"], 3, "no column 'wnidd', did you mean"),
    ],
)
def test_bad_input_is_one_line(captionlake, tmp_path, arguments, code, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = pa.table({"uid": ["u"], "caption": ["a tench"]})
    pq.write_table(table, tmp_path / "captions.parquet")
    (tmp_path / "broken.tsv").write_text("cat\n")
    (tmp_path / "pattern.tsv").write_text("n1\tC++\n")
    files = {"BROKEN": tmp_path / "broken.tsv", "PATTERN": tmp_path / "pattern.tsv"}
    outcome = captionlake(
        *("label-synsets", "--captions", f"parquet:{tmp_path / 'captions.parquet'}"),
        *(*(files.get(a, a) for a in arguments), "--output", tmp_path / "out"),
    )
    assert outcome.exit_code == code
    assert message in outcome.error


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["laionet_labels", "yfcc15m_cls"])
def test_the_recipes_run(captionlake, spark: SparkSession, tmp_path: Path, recipe: str) -> None:
    table = {
        "URL": [f"https://example.org/{i}" for i in range(4)],
        "TEXT": ["a tench", "Tench, and a goldfish", "nothing", "goldfish and tench"],
    }
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    out = tmp_path / "out"
    outcome = captionlake(
        *("run", recipe, "--set", f"input={tmp_path / 'in.parquet'}", "--set", f"output={out}"),
        *("--set", "captions.preset=laion400m"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    found = sorted((row["caption"], row["wnid"]) for row in read(spark, out / "labels"))
    goldfish, tench = "n01443537", "n01440764"
    counts = {row["lemma"]: row["caption_count"] for row in read(spark, out / "label_counts")}
    if recipe == "laionet_labels":
        assert found == [
            ("Tench, and a goldfish", goldfish),
            ("a tench", tench),
            *(("goldfish and tench", tench), ("goldfish and tench", goldfish)),
        ]
        assert sorted(row["caption"] for row in read(spark, out / "single_labels")) == [
            "Tench, and a goldfish",
            "a tench",
        ]
        assert (counts["tench"], counts["goldfish"]) == (2, 2)
    else:
        assert len(found) == 5
        assert (counts["tench"], counts["goldfish"]) == (3, 2)
        lines = (out / "yfcc15m_cls.tsv").read_text().splitlines()
        assert lines[0] == "filepath\tcaption\tlabel"
        assert sorted(line.split("\t")[2] for line in lines[1:]) == ["0", "0", "0", "1", "1"]
        assert len((out / "class_frequency.txt").read_text().splitlines()) == 1000


@pytest.mark.slow
def test_the_tsv_is_read_back_whole(captionlake, spark: SparkSession, tmp_path: Path) -> None:
    """But for CR, LF and tab in captions, which the published files have as spaces."""
    captions = ["a cat", 'a "cat", 中文 🐈', '"cat"', "a\tcat\r\non a dog", " cat ", 'dog"', "x"]
    rows = {"uid": [f"u{k}" for k in range(7)], "caption": captions}
    pq.write_table(pa.table(rows), tmp_path / "captions.parquet")
    (tmp_path / "s.tsv").write_text("n0\tcat\nn1\tdog\n")
    outcome = captionlake(
        *("label-synsets", "--captions", f"parquet:{tmp_path / 'captions.parquet'}"),
        *("--synsets", tmp_path / "s.tsv", "--output", tmp_path / "labels"),
        *("--tsv", tmp_path / "labels.tsv"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    outcome = captionlake(
        *("ingest-captions", "--input", tmp_path / "labels.tsv", "--preset", "labels"),
        *("--output", tmp_path / "again"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    counts = outcome.summary["counts"]
    assert counts == {"rows_in": 6, "kept": 6, "rejected": 0}
    again = {row["uid"]: row["caption"] for row in read(spark, tmp_path / "again")}
    written = [caption.translate(str.maketrans("\r\n\t", "   ")) for caption in captions[:6]]
    assert again == dict(zip(rows["uid"], written, strict=False))
