"""match-frequencies: the published files, targets of every kind, and targets that cannot be."""

from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from tests.delta_tables import read_delta

WNIDS = ["n01440764", "n01443537", "n01484850"]
NAMES = ["tench", "goldfish", "great white shark"]


def read(spark: SparkSession, path: Path) -> DataFrame:
    return read_delta(spark, path)


@pytest.mark.slow
def test_laionet_matched_to_imagenet_captions(
    captionlake, spark: SparkSession, cases: Path, tmp_path: Path
) -> None:
    folder = cases / "match_freq"
    for name, new in (("main", "laionet"), ("t2t", "laionet-t2t")):
        table = pd.read_parquet(folder / f"input_{name}.parquet")
        table = table.rename(columns={"TEXT": "caption"}).assign(uid=table["row_id"].astype(str))
        table.to_parquet(tmp_path / f"{new}.parquet")
    target = pd.read_parquet(folder / "input_target.parquet")
    wnid = target["ic_index"].str.partition("_")[0]
    target.assign(uid=target["ic_index"], wnid=wnid).to_parquet(tmp_path / "incaps.parquet")
    command = [
        *("match-frequencies", "--class-names", "imagenet1k", "--output", tmp_path / "out"),
        *("--sources", f"[{tmp_path / 'laionet.parquet'}, {tmp_path / 'laionet-t2t.parquet'}]"),
        *("--target-counts", tmp_path / "incaps.parquet", "--counts", tmp_path / "counts"),
        *("--tsv", tmp_path / "out.tsv", "--tsv-order", "[row_id]"),
        *("--filepath", "../datasets/{taken_from}/{wnid}/{uid}.jpg", "--decisions"),
        *("--frequencies", tmp_path / "frequencies.txt"),
    ]
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    expected = pd.read_parquet(folder / "expected_counts.parquet")
    rows = read(spark, tmp_path / "counts").toPandas().sort_values("class_idx")
    assert rows["target"].tolist() == expected["target"].tolist()
    assert [taken[0] for taken in rows["taken"]] == expected["take_main"].tolist()
    assert [there[0] for there in rows["available"]] == expected.where(
        expected["target"] > 0, rows["available"].str[0], axis=0
    )["available_main"].tolist()
    counts = outcome.summary["counts"]
    assert counts["target"] == 383
    assert counts["from_laionet"] == expected["take_main"].sum()
    assert counts["rows"] == counts["from_laionet"] + counts["from_laionet-t2t"]
    assert counts["rows"] + counts["short"] == 383
    assert counts["classes_short"] == (rows["short"] > 0).sum() >= 17
    assert (rows["short"] > 0).tolist() >= expected["short"].tolist()
    out = read(spark, tmp_path / "out").toPandas()
    assert out["uid"].is_unique
    sample = pd.read_parquet(folder / "reference_sample.parquet")
    tsv = pd.read_csv(tmp_path / "out.tsv", sep="\t", keep_default_na=False)
    assert list(tsv) == ["filepath", "label", "caption"]
    label_of = dict(zip(sample["filepath"], sample["label"], strict=True))
    caption_of = dict(zip(sample["filepath"], sample["caption"], strict=True))
    both = tsv[tsv["filepath"].isin(label_of)]
    assert len(both) > 100
    assert both["label"].tolist() == [label_of[path] for path in both["filepath"]]
    assert both["caption"].tolist() == [caption_of[path] for path in both["filepath"]]
    told = read(spark, tmp_path / "decisions").groupBy("kept").count().collect()
    assert dict(map(tuple, told)) == {True: len(out), False: 686 + 215 - len(out)}
    lines = (tmp_path / "frequencies.txt").read_text().splitlines()
    assert sum(int(line.split("\t")[1]) for line in lines) == len(out)
    assert f"{counts['classes_short']} classes are short of" in outcome.stderr


@pytest.fixture
def command(tmp_path: Path) -> list[object]:
    """Two sources, of which the second has half of the first and as many again."""
    one = [(f"u{k}", "x", WNIDS[0 if k < 50 else 1 if k < 70 else 2]) for k in range(75)]
    two = [(f"u{k}", "x", WNIDS[0]) for k in range(25, 75) if k < 50]
    two += [(f"v{k}", "x", WNIDS[k % 3]) for k in range(30)]
    for name, rows in (("one", one), ("two", two)):
        table = pd.DataFrame(rows, columns=["uid", "caption", "wnid"])
        table.to_parquet(tmp_path / f"{name}.parquet")
    sources = f"[{tmp_path / 'one.parquet'}, {tmp_path / 'two.parquet'}]"
    return ["match-frequencies", "--sources", sources, "--output", tmp_path / "out"]


def counts_of(spark: SparkSession, path: Path) -> list[int]:
    counted = read(spark, path).groupBy("wnid").count().collect()
    of = {row["wnid"]: row["count"] for row in counted}
    return [of.get(wnid, 0) for wnid in WNIDS]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["--shape", "flat"], [15, 15, 15]),
        (["--shape", "flat", "--rows", 36], [12, 12, 12]),
        (["--shape", "zipf"], [48, 24, 15]),
        (["--shape", "exponential", "--exponent", 2, "--rows", 60], [40, 15, 5]),
    ],
)
def test_shapes(captionlake, spark, command, tmp_path: Path, said, expected) -> None:
    outcome = captionlake(*command, *said)
    assert outcome.exit_code == 0, outcome.stderr
    assert counts_of(spark, tmp_path / "out") == expected
    assert outcome.summary["counts"]["short"] == 0
    assert read(spark, tmp_path / "out").select("uid").distinct().count() == sum(expected)


@pytest.mark.slow
def test_targets_of_every_kind(captionlake, spark, command, tmp_path: Path) -> None:
    """By a file of names, a table of counts, label counts, and the rows of a data set."""
    (tmp_path / "target.txt").write_text("goldfish\t7\ntench\t60\ngreat white shark\t0\n")
    wanted = {"wnid": WNIDS[:2], "caption_count": [60, 7]}
    pd.DataFrame(wanted).to_parquet(tmp_path / "counts.parquet")
    labels = pd.DataFrame({"wnid": [WNIDS[0]] * 60 + [WNIDS[1]] * 7}).assign(uid="x")
    labels.to_parquet(tmp_path / "labels.parquet")
    of_lemma = pd.DataFrame({"wnid": [*WNIDS[:2], WNIDS[1]], "caption_count": [60, 7, 3]})
    of_lemma["lemma"] = [None, None, "goldfish"]
    of_lemma.to_parquet(tmp_path / "lemmas.parquet")
    uids = []
    for name in ("target.txt", "counts.parquet", "labels.parquet", "lemmas.parquet"):
        outcome = captionlake(*command, "--target-counts", tmp_path / name)
        assert outcome.exit_code == 0, outcome.stderr
        assert counts_of(spark, tmp_path / "out") == [60, 7, 0]
        assert outcome.summary["counts"]["from_one"] == 57
        uids.append({row.uid for row in read(spark, tmp_path / "out").collect()})
    assert uids[0] == uids[1] == uids[2] == uids[3]
    outcome = captionlake(
        *command, "--target-counts", tmp_path / "target.txt", "--class-names", "imagenet1k",
        "--rows", 134, "--seed", 5,
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    assert counts_of(spark, tmp_path / "out") == [60, 14, 0]
    assert outcome.summary["counts"]["short"] == 60
    assert {row.uid for row in read(spark, tmp_path / "out").collect()} != uids[0]


@pytest.mark.slow
def test_sources_without_captions(captionlake, spark, command, tmp_path: Path) -> None:
    """They have no labels either: then all rows get the classes' places."""
    one = pd.read_parquet(tmp_path / "one.parquet")
    one.assign(class_idx=7).to_parquet(tmp_path / "one.parquet")
    bare = pd.read_parquet(tmp_path / "two.parquet").drop(columns="caption")
    bare.to_parquet(tmp_path / "two.parquet")
    uids = [f"u{k}" for k in range(75)] + [f"v{k}" for k in range(30)]
    texts = pd.DataFrame({"uid": uids, "caption": [f"of {uid}" for uid in uids]})
    texts.assign(url="http://e").to_parquet(tmp_path / "captions.parquet")
    outcome = captionlake(*command, "--shape", "flat", "--captions", tmp_path / "captions.parquet")
    assert outcome.exit_code == 0, outcome.stderr
    rows = read(spark, tmp_path / "out").toPandas()
    joined = rows[rows["taken_from"] == "two"]
    assert len(joined)
    assert (joined["caption"] == "of " + joined["uid"]).all()
    assert (joined["url"] == "http://e").all()
    assert rows["class_idx"].tolist() == [WNIDS.index(wnid) for wnid in rows["wnid"]]
    texts[texts["uid"] != joined["uid"].iloc[0]].to_parquet(tmp_path / "captions.parquet")
    outcome = captionlake(*command, "--shape", "flat", "--captions", tmp_path / "captions.parquet")
    assert outcome.exit_code == 3
    assert f"has no caption of '{joined['uid'].iloc[0]}'" in outcome.error


@pytest.mark.slow
def test_laionets_id_of_the_husky(captionlake, spark, tmp_path: Path) -> None:
    """Rows and targets by the old id are of the class as it is called now."""
    rows = [(f"u{k}", "x", "n02112837" if k < 6 else WNIDS[0]) for k in range(9)]
    table = pd.DataFrame(rows, columns=["uid", "caption", "wnid"])
    table.to_parquet(tmp_path / "in.parquet")
    (tmp_path / "target.txt").write_text("Siberian Husky\t4\ntench\t1\n")
    listed = ("--class-names", "imagenet1k")
    outcome = captionlake(
        *("match-frequencies", "--sources", tmp_path / "in.parquet", "--output", tmp_path / "a"),
        *("--target-counts", tmp_path / "target.txt", *listed),
    )
    assert outcome.exit_code == 0, outcome.stderr
    counts = read(spark, tmp_path / "a").groupBy("wnid", "class_idx").count().collect()
    assert set(map(tuple, counts)) == {("n02110185", 250, 4), (WNIDS[0], 0, 1)}
    outcome = captionlake(
        *("sample-subset", "--input", tmp_path / "in.parquet", "--output", tmp_path / "b"),
        *("--classes", "[n02112837]", *listed),
    )
    assert outcome.exit_code == 0, outcome.stderr
    found = read(spark, tmp_path / "b").select("wnid", "class_idx", "label_ori").distinct()
    assert [tuple(row) for row in found.collect()] == [("n02110185", 0, 250)]


@pytest.mark.parametrize(
    ("said", "code", "message"),
    [
        ([], 2, "expected exactly one of target_counts and shape"),
        (["--shape", "flat", "--exponent", -1], 2, "exponent"),
        (["--shape", "zip"], 2, "shape"),
        (["--shape", "flat", "--rows", 9, "--largest"], 2, "rows"),
        (["--target-counts", "goldfish\t-3"], 3, "class 'goldfish' has the count -3, expected"),
    ],
)
def test_targets_that_cannot_be(
    captionlake, command, tmp_path: Path, said, code: int, message: str
) -> None:
    if "--target-counts" in said:
        (tmp_path / "target.txt").write_text(f"{said[1]}\n")
        said = ["--target-counts", tmp_path / "target.txt"]
    outcome = captionlake(*command, *said)
    assert outcome.exit_code == code
    assert message in outcome.error


@pytest.mark.slow
def test_the_published_file_of_counts_needs_no_further_setting(
    captionlake, spark, command, tmp_path: Path
) -> None:
    """Sources of wnids, a target of ImageNet's names, of which two have no rows."""
    (tmp_path / "target.txt").write_text("tench\t60\ngoldfish\t7\nkite\t3\ntoilet tissue\t3\n")
    counted = ("--target-counts", tmp_path / "target.txt", "--counts", tmp_path / "counts")
    outcome = captionlake(*command, *counted)
    assert outcome.exit_code == 0, outcome.stderr
    assert counts_of(spark, tmp_path / "out") == [60, 7, 0]
    rows = read(spark, tmp_path / "counts").orderBy("class_idx").collect()
    assert [row.class_idx for row in rows] == list(range(1_000))
    assert tuple(rows[1]) == (WNIDS[1], 1, NAMES[1], 7, [20, 10], [7, 0], 7, 0)
    assert tuple(rows[21])[:4] == ("n01608432", 21, "kite (bird of prey)", 3)
    assert outcome.summary["counts"]["short"] == 6
    largest = captionlake(*command, *counted, "--largest")
    assert counts_of(spark, tmp_path / "out") == [60, 7, 0]
    counts = largest.summary["counts"]
    assert (counts["target"], counts["short"], counts["classes_without_rows"]) == (67, 0, 2)
    assert "  2 classes of the target have no rows, and are left out" in largest.stderr


@pytest.mark.slow
def test_whole_counts_of_any_type(captionlake, spark, command, tmp_path: Path) -> None:
    """As a float, as text; and a count larger than a source has is short, with a line of it."""
    for counts in ([3.0, 1e9], ["3", "1000000000"]):
        table = pd.DataFrame({"wnid": WNIDS[:2], "count": counts})
        table.to_parquet(tmp_path / "counts.parquet")
        outcome = captionlake(*command, "--target-counts", tmp_path / "counts.parquet")
        assert outcome.exit_code == 0, outcome.stderr
        assert counts_of(spark, tmp_path / "out") == [3, 30, 0]
        assert "  1 classes are short of 999,999,970 rows" in outcome.stderr


@pytest.mark.slow
def test_a_shape_too_small_for_all_classes_says_so(captionlake, spark, command, tmp_path) -> None:
    outcome = captionlake(*command, "--shape", "zipf", "--exponent", 8, "--rows", 20)
    assert outcome.exit_code == 0, outcome.stderr
    assert counts_of(spark, tmp_path / "out") == [20, 0, 0]
    assert "  2 classes get no row: their share of 20 rows is none" in outcome.stderr
    outcome = captionlake(*command, "--shape", "zipf", "--exponent", "inf")
    assert outcome.exit_code == 2
    assert "exponent" in outcome.error


@pytest.mark.slow
def test_classes_and_captions_of_any_name(captionlake, spark, tmp_path: Path) -> None:
    """Columns with dots and blanks; one caption of an image in two sources, its id unknown."""
    column = "of. `x`"
    rows = {"uid": ["a", "a", "b", "c"], "caption_id": [0, 1, None, None]}
    table = pd.DataFrame(rows).astype({"caption_id": "Int32"})
    table[column] = "k"
    table.to_parquet(tmp_path / "one.parquet")
    table[2:].assign(**{"b. c": 1}).to_parquet(tmp_path / "two.parquet")
    captions = table[["uid", "caption_id"]].assign(caption="x", **{"page.title": "t"})
    captions.to_parquet(tmp_path / "captions.parquet")
    outcome = captionlake(
        *("match-frequencies", "--output", f"parquet:{tmp_path / 'out'}", "--class-column", column),
        *("--sources", f"[{tmp_path / 'one.parquet'}, {tmp_path / 'two.parquet'}]"),
        *("--shape", "flat", "--captions", tmp_path / "captions.parquet", "--decisions"),
        *("--counts", tmp_path / "counts"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    found = pd.read_parquet(tmp_path / "out")
    assert found["page.title"].tolist() == ["t"] * 4
    told = read(spark, tmp_path / "decisions").groupBy("rule", "kept").count().collect()
    assert {tuple(row) for row in told} == {("taken_from_one", True, 4), ("left_in_two", False, 2)}


def test_a_class_that_no_source_has(captionlake, command, tmp_path: Path) -> None:
    """Where no list tells which classes there are."""
    wanted = {"wnid": [WNIDS[0], "n01440765"], "count": [3, 3]}
    pd.DataFrame(wanted).to_parquet(tmp_path / "counts.parquet")
    outcome = captionlake(*command, "--target-counts", tmp_path / "counts.parquet")
    assert outcome.exit_code == 3
    assert "there is no class 'n01440765', did you mean 'n01440764'?" in outcome.error
    twice = f"[{tmp_path / 'one.parquet'}, {tmp_path / 'a' / 'one.parquet'}]"
    outcome = captionlake("match-frequencies", "--sources", twice, *command[3:], "--shape", "flat")
    assert outcome.exit_code == 2
    assert "two are called 'one'" in outcome.error
