"""sample-subset: published files, labels, lists of uids, and what cannot be drawn."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from tests.delta_tables import read_delta

SIMILARITY = "text_to_name_def_wnid_similarity"


def read(spark: SparkSession, path: Path) -> DataFrame:
    return read_delta(spark, path)


@pytest.fixture
def laionet(cases: Path, tmp_path: Path) -> Path:
    table = pd.read_parquet(cases / "laionet_filter_subsets" / "subset_input.parquet")
    table = table.rename(columns={"TEXT": "caption"}).assign(uid=table["row_id"].astype(str))
    table.to_parquet(tmp_path / "laionet.parquet")
    return tmp_path / "laionet.parquet"


def test_published_files_byte_for_byte(
    captionlake, spark: SparkSession, cases: Path, laionet: Path, tmp_path: Path
) -> None:
    outcome = captionlake(
        *("sample-subset", "--input", laionet, "--output", tmp_path / "out"),
        *("--threshold", 0.82, "--column", SIMILARITY, "--restore-by", "row_id"),
        *("--class-names", "imagenet1k", "--frequencies", tmp_path / "frequencies.txt"),
        *("--tsv", tmp_path / "out.tsv", "--tsv-order", "[row_id]"),
        *("--filepath", "../datasets/laionet/{wnid}/{uid}.jpg"),
        *("--counts", tmp_path / "counts", "--decisions", "--uids", tmp_path / "uids.npy"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    counts = {"rows_in": 596, "kept": 224, "dropped": 372, "restored": 9, "classes": 40}
    assert outcome.summary["counts"] == counts
    published = cases / "laionet_filter_subsets"
    tsv, frequencies = "expected_file_thresh0.82.tsv", "expected_frequency_thresh0.82.txt"
    assert (tmp_path / "out.tsv").read_bytes() == (published / tsv).read_bytes()
    assert (tmp_path / "frequencies.txt").read_bytes() == (published / frequencies).read_bytes()
    told = read(spark, tmp_path / "decisions").groupBy("kept", "rule").count().collect()
    assert {tuple(row) for row in told} == {
        (True, "drawn", 215), (True, "restored", 9), (False, "threshold", 372),
    }  # fmt: skip
    rows = read(spark, tmp_path / "counts").collect()
    assert len(rows) == 1000
    assert sum(row.rows for row in rows) == 224
    assert sum(row.available[0] for row in rows) == 596
    check_uids(spark, tmp_path, read(spark, tmp_path / "out"))


def check_uids(spark: SparkSession, folder: Path, rows: DataFrame) -> None:
    """The ids are row numbers, so the file holds their MD5, and a map tells which is whose."""
    array = np.load(folder / "uids.npy")
    assert array.dtype == np.dtype("u8,u8")
    assert (np.sort(array) == array).all()
    known = spark.read.parquet(str(folder / "uids_map.parquet")).collect()
    assert {row.uid for row in known} == {row.uid for row in rows.collect()}
    halves = {(int(row.uid_hashed[:16], 16), int(row.uid_hashed[16:], 16)) for row in known}
    assert {(int(high), int(low)) for high, low in array} == halves
    assert len(array) == len(halves) == 224


@pytest.fixture
def incaps(cases: Path, tmp_path: Path) -> Path:
    table = pd.read_parquet(cases / "incaps_subsets" / "input.parquet")
    table.assign(uid=table["filepath"]).to_parquet(tmp_path / "incaps.parquet")
    return tmp_path / "incaps.parquet"


@pytest.mark.slow
def test_imagenet100_as_published(
    captionlake, spark: SparkSession, cases: Path, incaps: Path, tmp_path: Path
) -> None:
    command = [
        *("sample-subset", "--input", incaps, "--output", tmp_path / "out"),
        *("--class-column", "label", "--class-names", "imagenet1k"),
        *("--frequencies", tmp_path / "frequencies.txt"),
    ]
    outcome = captionlake(*command, "--classes", "imagenet100")
    assert outcome.exit_code == 0, outcome.stderr
    expected = pd.read_parquet(cases / "incaps_subsets" / "expected_class_subsets.parquet")
    expected = expected[expected["run"] == 0]
    rows = read(spark, tmp_path / "out").toPandas()
    columns = ["filepath", "label", "label_ori", "caption"]
    assert sorted(map(tuple, rows[columns].to_numpy().tolist())) == sorted(
        map(tuple, expected[columns].to_numpy().tolist())
    )
    lines = (tmp_path / "frequencies.txt").read_text().splitlines()
    assert len(lines) == 100
    assert sum(int(line.split("\t")[1]) for line in lines) == len(expected) == 234
    runs = json.loads((cases / "incaps_subsets" / "expected_runs.json").read_text())
    listed = "\n".join(str(k) for k in runs[1]["kept_classes_sorted"])
    (tmp_path / "classes.txt").write_text(listed)
    outcome = captionlake(*command, "--classes", tmp_path / "classes.txt", "--n", 5)
    assert outcome.exit_code == 0, outcome.stderr
    rows = read(spark, tmp_path / "out").toPandas()
    assert len(rows) == 5
    assert set(zip(rows["label"], rows["label_ori"], strict=True)) == {(0, 521), (1, 737)}


@pytest.mark.slow
def test_published_files_in_and_out(
    captionlake, spark: SparkSession, cases: Path, tmp_path: Path
) -> None:
    """Captions with quotes, or such as NA and null, stay as they are however often they pass."""
    given = cases / "incaps_subsets" / "input_file.tsv"
    table = pd.read_parquet(cases / "incaps_subsets" / "input.parquet")
    for turn in range(2):
        ingest = ["ingest-captions", "--preset", "labels", "--input", given]
        outcome = captionlake(*ingest, "--output", tmp_path / f"in{turn}")
        assert outcome.exit_code == 0, outcome.stderr
        assert outcome.summary["counts"] == {"rows_in": 3000, "kept": 3000, "rejected": 0}
        rows = read(spark, tmp_path / f"in{turn}").toPandas()
        found = rows[["uid", "label", "caption"]].sort_values("uid").to_numpy().tolist()
        expected = table[["filepath", "label", "caption"]].sort_values("filepath")
        assert found == expected.to_numpy().tolist()
        given = tmp_path / f"out{turn}.tsv"
        outcome = captionlake(
            *("sample-subset", "--input", tmp_path / f"in{turn}", "--output", tmp_path / "out"),
            *("--class-column", "label", "--class-names", "imagenet1k", "--fraction", 1),
            *("--tsv", given),
        )
        assert outcome.exit_code == 0, outcome.stderr


@pytest.mark.slow
def test_random_classes(captionlake, spark, cases: Path, incaps: Path, tmp_path: Path) -> None:
    table = pd.read_parquet(incaps)
    chosen = {}
    for k, seed in ((2, 0), (100, 0), (100, 1), (1000, 0)):
        outcome = captionlake(
            *("sample-subset", "--input", incaps, "--output", tmp_path / "out"),
            *("--class-column", "label", "--class-names", "imagenet1k", "--seed", seed),
            *("--random-classes", k, "--frequencies", tmp_path / "frequencies.txt"),
        )
        assert outcome.exit_code == 0, outcome.stderr
        rows = read(spark, tmp_path / "out").toPandas()
        lines = (tmp_path / "frequencies.txt").read_text().splitlines()
        assert len(lines) == k
        assert sum(int(line.split("\t")[1]) for line in lines) == len(rows)
        of = dict(zip(rows["label"], rows["label_ori"], strict=True))
        assert all(0 <= label < k for label in of)
        assert sorted(of.values()) == [of[label] for label in sorted(of)]
        kept = table[table["label"].isin(of.values())]
        assert sorted(rows["uid"]) == sorted(kept["uid"])
        chosen[k, seed] = set(of.values())
    assert chosen[100, 0] != chosen[100, 1]
    assert len(chosen[1000, 0]) == 804


def test_by_any_column_of_texts(captionlake, spark: SparkSession, tmp_path: Path) -> None:
    """Balanced to four of each language; labels are the languages' places in the alphabet."""
    langs = ["de"] * 9 + ["en"] * 30 + ["fr"] * 3 + [None] * 4
    table = {"uid": [f"{k:032x}" for k in range(46)], "caption": "x", "lang": langs}
    pd.DataFrame(table).to_parquet(tmp_path / "in.parquet")
    outcome = captionlake(
        *("sample-subset", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"),
        *("--class-column", "lang", "--max-per-class", 4, "--min-per-class", 4),
        *("--uids", tmp_path / "uids.npy"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    rows = read(spark, tmp_path / "out").toPandas()
    assert rows.groupby("lang")["class_idx"].agg(["count", "max"]).to_numpy().tolist() == [
        [4, 0],
        [4, 1],
    ]
    array = np.load(tmp_path / "uids.npy")
    assert [f"{high:016x}{low:016x}" for high, low in array] == sorted(rows["uid"])
    assert not (tmp_path / "uids_map.parquet").exists()


def labelled(folder: Path, sizes: list[int], **columns: object) -> Path:
    """A table with so many rows of each class c00, c01 ..."""
    wnids = [f"c{k:02}" for k, n in enumerate(sizes) for _ in range(n)]
    table = pd.DataFrame({"uid": [f"{k:032x}" for k in range(len(wnids))], "wnid": wnids})
    table.assign(caption="x", **columns).to_parquet(folder / "in.parquet")
    return folder / "in.parquet"


# 434 rows of 55 classes: of 44 of them a tenth rounds to none.
SIZES = [61, 88, 35, 25, 15, 20, 30, 14, 16, 12, 10] + [3] * 20 + [2] * 24


def test_a_tenth_of_each_class(captionlake, spark: SparkSession, tmp_path: Path) -> None:
    """Not a row of each: 61 give 6 and 88 give 9, 25 and 15 give 2, since halves go to even."""
    assert (sum(SIZES), len(SIZES)) == (434, 55)
    outcome = captionlake(
        *("sample-subset", "--input", labelled(tmp_path, SIZES), "--output", tmp_path / "out"),
        *("--fraction", 0.1, "--stratified"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    counted = read(spark, tmp_path / "out").groupBy("wnid").count().collect()
    counts = [row["count"] for row in sorted(counted)]
    assert counts == [6, 9, 4, 2, 2, 2, 3, 1, 2, 1, 1] + [1] * 44
    assert (
        "  44 classes, of which 10 % rounds to no row, keep one each: 77 rows, 17.7 % of 434 in "
        "place of 10 %\n" in outcome.stderr
    )


@pytest.mark.slow
def test_a_tenth_without_every_class_and_a_number(captionlake, spark, tmp_path: Path) -> None:
    command = [
        *("sample-subset", "--input", labelled(tmp_path, SIZES), "--output", tmp_path / "out"),
        "--stratified",
    ]
    outcome = captionlake(*command, "--fraction", 0.1, "--no-keep-every-class")
    assert outcome.exit_code == 0, outcome.stderr
    assert read(spark, tmp_path / "out").count() == 33
    assert "  10 % of each class, in whole rows: 33 rows, 7.6 % of 434" in outcome.stderr
    assert "  44 classes that have rows keep none" in outcome.stderr
    outcome = captionlake(*command, "--n", 100)
    assert outcome.exit_code == 0, outcome.stderr
    assert read(spark, tmp_path / "out").count() == 100
    assert "19 classes, whose share of n = 100 rounds to no row, keep one each" in outcome.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "rows", "lines"),
    [
        (["--fraction", 1], 40, []),
        (["--n", 30, "--no-keep-every-class"], 30, []),
        (["--max-per-class", 5], 18, []),
        (
            ["--fraction", 0.5],
            23,
            ["3 classes that the draw emptied keep one row each: 23 rows, 57.5 % of 40 in place"],
        ),
        (
            ["--fraction", 0.01],
            6,
            ["6 classes that the draw emptied keep one row each: 6 rows, 15.0 % of 40 in place"],
        ),
        (
            ["--fraction", 0.01, "--no-keep-every-class"],
            0,
            ["6 classes that have rows keep none", "no row is kept"],
        ),
        (
            ["--n", 6],
            6,
            ["classes that the draw emptied keep one row each, in place of rows of the largest"],
        ),
        (
            ["--threshold", 0.5, "--column", "score"],
            24,
            ["4 classes have no row of score >= 0.5 and keep one below it"],
        ),
        (
            ["--threshold", 0.5, "--column", "score", "--fraction", 0.5, "--stratified"],
            14,
            ["4 classes that the threshold emptied keep one row each: 14 rows, 70.0 % of 20"],
        ),
        (
            ["--min-per-class", 3],
            35,
            ["3 classes with fewer than min_per_class = 3 rows are left out, keep_every_class"],
        ),
        (
            ["--min-per-class", 5, "--fraction", 0.1, "--stratified"],
            3,
            [
                "10 % of each class, in whole rows: 3 rows, 9.4 % of 32 in place of 10 %",
                "4 classes with fewer than min_per_class = 5 rows are left out",
                "2 classes keep fewer than min_per_class = 5 rows",
            ],
        ),
        (
            ["--tail-classes", 2],
            37,
            ["2 of the rarest classes keep no row, as tail_rows = 0 says, keep_every_class or not"],
        ),
    ],
    ids=str,
)
def test_a_line_tells_which_promise_another_changed(
    captionlake, spark: SparkSession, tmp_path: Path, said, rows: int, lines: list[str]
) -> None:
    """Six classes of 20, 12, 3, 2, 2 and 1 rows; 20 rows of two of them are over 0.5."""
    scores = [0.9] * 14 + [0.1] * 6 + [0.9] * 6 + [0.1] * 14
    table = labelled(tmp_path, [20, 12, 3, 2, 2, 1], score=scores)
    outcome = captionlake("sample-subset", "--input", table, "--output", tmp_path / "out", *said)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"]["kept"] == read(spark, tmp_path / "out").count() == rows
    shown = [line for line in outcome.stderr.splitlines() if line.startswith("  ")]
    assert len(shown) == len(lines)
    for line, text in zip(shown, lines, strict=True):
        assert text in line


@pytest.mark.slow
def test_columns_of_any_name(captionlake, spark: SparkSession, tmp_path: Path) -> None:
    """A class column, similarities, an order and a path whose names have dots, blanks, ticks."""
    names = {"class": "json.cls name", "score": "a`b.c", "row": "no. of row", "file": "key.x y"}
    table = pd.DataFrame({"uid": [f"{k:032x}" for k in range(40)], "caption": "x"})
    table[names["class"]] = [f"c{k % 4}" for k in range(40)]
    table[names["score"]] = np.where(table[names["class"]] == "c3", 0.2, 0.9).astype(np.float32)
    table[names["row"]] = range(40, 0, -1)
    table[names["file"]] = [f"f{k}" for k in range(40)]
    table.to_parquet(tmp_path / "in.parquet")
    outcome = captionlake(
        *(
            "sample-subset",
            "--input",
            tmp_path / "in.parquet",
            "--output",
            f"parquet:{tmp_path / 'out'}",
        ),
        *("--class-column", names["class"], "--threshold", 0.9, "--column", names["score"]),
        *("--restore-by", names["row"], "--classes", "[c0, c3]", "--decisions"),
        *("--tsv", tmp_path / "out.tsv", "--tsv-order", f"['{names['row']}']"),
        *("--filepath", f"images/{{{names['class']}}}/{{{names['file']}}}.jpg"),
        *("--counts", tmp_path / "counts", "--frequencies", tmp_path / "frequencies.txt"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    rows = pd.read_parquet(tmp_path / "out")
    assert set(table.columns) <= set(rows.columns)
    assert sorted(rows[names["file"]]) == sorted([f"f{k}" for k in range(0, 40, 4)] + ["f39"])
    lines = (tmp_path / "out.tsv").read_text().splitlines()
    assert lines[:3] == [
        "filepath\tlabel\tcaption", "images/c3/f39.jpg\t1\tx", "images/c0/f36.jpg\t0\tx",
    ]  # fmt: skip
    assert (tmp_path / "frequencies.txt").read_text() == "c0\t10\nc3\t1\n"
    told = read(spark, tmp_path / "decisions").groupBy("rule").count().collect()
    assert dict(map(tuple, told)) == {"drawn": 10, "restored": 1, "threshold": 9, "class": 20}


@pytest.mark.slow
def test_labels_of_wnids_are_those_that_frequency_matching_gives(
    captionlake, spark: SparkSession, tmp_path: Path
) -> None:
    """ImageNet's indices in both jobs."""
    wnids = ["n02112837", "n01443537", "n01443537"]  # the husky by its old id, goldfish
    pd.DataFrame({"uid": ["a", "b", "c"], "wnid": wnids}).to_parquet(tmp_path / "in.parquet")
    for command in (
        ("sample-subset", "--fraction", 1, "--input"),
        ("match-frequencies", "--shape", "flat", "--sources"),
    ):
        out = tmp_path / command[0]
        outcome = captionlake(*command, tmp_path / "in.parquet", "--output", out)
        assert outcome.exit_code == 0, outcome.stderr
        rows = read(spark, out).select("wnid", "class_idx").distinct().collect()
        assert {tuple(row) for row in rows} == {("n02110185", 250), ("n01443537", 1)}


class TestBadInput:
    @pytest.fixture
    def command(self, tmp_path: Path) -> list[object]:
        wnids = ["n01440764"] * 6 + ["n01443537"] * 3 + ["n02007558"]
        table = {"uid": [f"u{k}" for k in range(10)], "caption": "x", "wnid": wnids}
        pd.DataFrame(table).to_parquet(tmp_path / "in.parquet")
        return [
            *("sample-subset", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out")
        ]

    @pytest.mark.parametrize(
        ("said", "message"),
        [
            ([], "nothing tells what to keep"),
            (["--threshold", 0.5], "threshold and column go together"),
            (["--n", 3, "--fraction", 0.5], "give n or fraction, not both"),
            (["--fraction", 1.5], "fraction"),
            (["--n", -1], "n"),
            (["--stratified", "--max-per-class", 3], "stratified needs n or fraction"),
            (["--classes", "[1]", "--random-classes", 2], "give classes or random_classes"),
        ],
    )
    def test_settings(self, captionlake, command, said, message: str) -> None:
        outcome = captionlake(*command, *said)
        assert outcome.exit_code == 2
        assert message in outcome.error

    @pytest.mark.parametrize(
        ("said", "message"),
        [
            (["--n", 11], "n = 11, but there are only 10 rows to draw from"),
            (["--n", 2], "n = 2 is less than the 3 classes that have rows"),
            (["--classes", "[n01440763]"], "no class 'n01440763', did you mean 'n01440764'?"),
            (["--random-classes", 2], "give --class-names column to choose among those"),
            (
                ["--random-classes", 4, "--class-names", "column"],
                "random_classes = 4, but there are only 3 classes",
            ),
            (["--n", 5, "--class-column", "wind"], "no column 'wind', did you mean 'wnid'?"),
            (
                ["--n", 5, "--class-names", "imagenet1k", "--class-column", "caption"],
                "column 'caption' holds 'x', which is no class of imagenet1k",
            ),
            (
                ["--class-names", "imagenet1k", "--classes", "[gold fish]"],
                "no class 'gold fish', did you mean 'goldfish'?",
            ),
        ],
    )
    def test_rows(self, captionlake, command, said, message: str) -> None:
        outcome = captionlake(*command, *said)
        assert outcome.exit_code == 3
        assert message in outcome.error

    @pytest.mark.parametrize(
        ("pattern", "code", "message"),
        [
            ("{uid.__class__}", 3, "there is no column 'uid.__class__'"),
            ("{x.__class__}", 3, "there is no column 'x.__class__'"),
            ("{wnidd}/{uid}", 3, "there is no column 'wnidd', did you mean 'wnid'?"),
            ("{}", 3, "there is no column ''"),
            ("{0}", 3, "there is no column '0'"),
            ("{uid!r}", 3, "there is no column 'uid!r', did you mean 'uid'?"),
            ("images/{uid", 2, "a brace stands alone"),
            ("{{uid}}", 2, "a brace stands alone"),
            ("{gap}/{uid}", 3, "the row of uid 'u3' has no filepath"),
        ],
    )
    def test_patterns_of_paths(self, captionlake, command, tmp_path, pattern, code, message):
        table = pd.read_parquet(tmp_path / "in.parquet")
        gap = table["uid"].where(table["uid"] != "u3")
        table.assign(gap=gap).to_parquet(tmp_path / "in.parquet")
        tsv = ("--fraction", 1, "--tsv", tmp_path / "out.tsv")
        outcome = captionlake(*command, *tsv, "--filepath", pattern)
        assert outcome.exit_code == code
        assert message in outcome.error
        assert not (tmp_path / "out.tsv").exists()

    @pytest.mark.slow
    def test_a_uid_twice_in_a_class(self, captionlake, tmp_path: Path) -> None:
        table = pd.DataFrame({"uid": ["a", "a", "b"], "caption": "x", "wnid": "n"})
        table.to_parquet(tmp_path / "in.parquet")
        command = ["sample-subset", "--output", tmp_path / "out", "--input"]
        outcomes = [captionlake(*command, tmp_path / "in.parquet", "--n", n) for n in (1, 2)]
        failed = [outcome for outcome in outcomes if outcome.exit_code]
        assert len(failed) == 1  # where the cut falls between the two
        assert failed[0].exit_code == 3
        assert "some uid is there twice in a class" in failed[0].error

    def test_no_rows(self, captionlake, tmp_path: Path) -> None:
        names = ["uid", "caption", "wnid"]
        table = pa.table({name: pa.array([], pa.string()) for name in names})
        pq.write_table(table, tmp_path / "in.parquet")
        outcome = captionlake(
            *("sample-subset", "--output", tmp_path / "out", "--n", 1),
            *("--input", tmp_path / "in.parquet"),
        )
        assert outcome.exit_code == 3
        assert "no row has a class in 'wnid'" in outcome.error
