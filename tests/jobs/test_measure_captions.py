"""measure-captions on tables: sources, groups, scores, references, and rows that have none."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from spark_jobs.captioning.measure_similarity import refuse_many_replicates
from spark_jobs.core.errors import InputDataError
from spark_jobs.jobs import measure_captions
from spark_jobs.jobs.measure_captions import MeasureCaptions
from tests.delta_tables import read_delta
from tests.udfs.captioning import reference

CAPTIONS = "uid string, caption_id int, caption_source string, caption string, similarity double"


def write(spark: Any, path: Path, rows: list[Any], columns: str) -> Path:
    spark.createDataFrame(rows, columns).write.format("delta").save(str(path))
    return path


def measures(spark: Any, path: Path) -> dict[tuple[Any, ...], Any]:
    """(source, group, measure, at) -> row."""
    rows = read_delta(spark, path).collect()
    return {(row["source"], row["group"], row["measure"], row["at"]): row for row in rows}


def blip_like_rows(n: int) -> list[tuple[str, int, str, str, float | None]]:
    """n images with captions of two sources; one caption null, one empty."""
    generator = np.random.default_rng(0)
    words = ["a", "dog", "cat", "on", "the", "mat", "red", "runs"]
    rows = []
    for image in range(n):
        for number, source in enumerate(("raw", "blip")):
            text = " ".join(generator.choice(words, 3 + image % 5))
            rows.append((f"u{image:02d}", number, source, text, round(generator.random(), 2)))
    rows[0] = (*rows[0][:3], None, 0.5)
    rows[2] = (*rows[2][:3], "", None)
    return rows


def test_measures_of_two_sources_in_one_table(captionlake, spark, tmp_path) -> None:
    rows = blip_like_rows(20)
    table = write(spark, tmp_path / "captions", rows, CAPTIONS)
    others = [(f"u{k:02d}", "the red dog runs on the mat") for k in range(5, 20)]
    others += [("u06", "a cat"), ("u07", None), (None, "a dog"), ("of no caption", "a mat")]
    references = write(spark, tmp_path / "references", others, "uid string, caption string")
    outcome = captionlake(
        *("measure-captions", "--captions", table, "--source-column", "caption_source"),
        *("--references", references, "--tokens", "none", "--score-column", "similarity"),
        *("--by", "caption_id", "--replicates", 20, "--output", tmp_path / "measures"),
        *("--caption-scores", tmp_path / "scores"),
    )
    assert outcome.summary["counts"] == {
        "rows_in": 40, "measured": 39, "null_captions": 1, "sources": 2,
        "sources_without_captions": 0, "without_references": 9, "without_score": 1,
    }  # fmt: skip
    found = measures(spark, tmp_path / "measures")

    blip = {row[0]: row[3] for row in rows if row[2] == "blip"}
    of_image = {f"u{k:02d}": ["the red dog runs on the mat"] for k in range(5, 20)}
    of_image["u06"].append("a cat")
    uids = sorted(of_image)
    words = [blip[uid].split() for uid in uids]
    texts = [[text.split() for text in of_image[uid]] for uid in uids]
    cider = np.mean(reference.cider(words, texts))
    counts = [reference.bleu_counts(*pair) for pair in zip(words, texts, strict=True)]
    matches, guesses = (np.sum([count[k] for count in counts], axis=0).tolist() for k in (0, 1))
    bleu = reference.bleu(matches, guesses, sum(count[2] for count in counts))
    for group in (None, "1"):
        row = found["blip", group, "cider", None]
        assert row["value"] == pytest.approx(cider, abs=1e-9)
        assert row["n"] == 15
        assert row["low"] <= row["value"] <= row["high"]
        assert found["blip", group, "bleu_2", None]["value"] == pytest.approx(bleu[1], abs=1e-9)
        trigrams = {g for text in blip.values() for g in reference.grams(text.split(), 3)}
        assert found["blip", group, "unique_trigrams", None]["value"] == len(trigrams)
    similarities = [row[4] for row in rows if row[2] == "blip"]
    clip_s = found["blip", None, "clip_s", None]
    assert clip_s["value"] == pytest.approx(2.5 * np.mean(similarities))
    assert found["raw", None, "rows", None]["value"] == 20
    assert found["raw", None, "null_captions", None]["value"] == 1
    assert found["raw", None, "empty_captions", None]["value"] == 1
    histogram = [row for key, row in found.items() if key[2] == "cosine_image_histogram"]
    bins = {row["at"]: row["value"] for row in histogram if row["source"] == "blip"}
    ends = [math.floor(round(row[4] / 0.02, 5)) * 0.02 for row in rows if row[2] == "blip"]
    assert bins == pytest.approx(Counter(round(end, 2) for end in ends))
    curve = [row for key, row in found.items() if key[2] == "unique_trigrams_of_sample"]
    whole = next(row for row in curve if row["source"] == "blip" and row["at"] == 1.0)
    assert (whole["value"], whole["n"]) == (len(trigrams), 20)

    scores = read_delta(spark, tmp_path / "scores").collect()
    assert len(scores) == 40
    faults = [(row["uid"], row["source"], row["fault"]) for row in scores if row["fault"]]
    assert ("u00", "raw", "null_caption") in faults
    assert sum(fault == "without_references" for *_, fault in faults) == 9


def test_tables_are_sources_and_their_scores_go_by_name(captionlake, spark, tmp_path) -> None:
    columns = "uid string, caption string, entry_ids array<int>"
    raw = write(
        spark, tmp_path / "raw",
        [("a", "a dog", [0]), ("b", "a cat and a dog", [0, 1]), ("c", "x", [])], columns,
    )  # fmt: skip
    none = write(spark, tmp_path / "none", [], columns)
    scores = write(
        spark, tmp_path / "scores", [("a", 0.5), ("b", -0.25)], "uid string, score float"
    )
    counts = write(
        spark, tmp_path / "counts", [(0, 90), (1, 3)], "entry_id int, entry_count bigint"
    )
    nulls = write(spark, tmp_path / "nulls", [("a", None, []), ("b", None, [])], columns)
    tables = f"[{raw}, {none}, {nulls}]"
    outcome = captionlake(
        *("measure-captions", "--captions", tables, "--scores", f"{{raw: {scores}}}"),
        *("--entry-counts", counts, "--output", tmp_path / "out", "--replicates", 0),
    )
    assert outcome.summary["counts"] == {
        "rows_in": 5, "measured": 3, "null_captions": 2, "sources": 3,
        "sources_without_captions": 2, "without_score": 1,
    }  # fmt: skip
    lines = [line.split() for line in outcome.stderr.splitlines()]
    assert ["nulls", "0", "captions"] in lines
    assert ["none", "0", "captions"] in lines
    found = measures(spark, tmp_path / "out")
    assert {key[2] for key in found if key[0] == "nulls"} == {"rows", "null_captions", "captions"}
    assert found["raw", None, "clip_s", None]["value"] == pytest.approx(0.625)
    assert found["raw", None, "cosine_image", None]["value"] == pytest.approx(0.125)
    groups = {key[1] for key in found if key[0] == "raw"}
    assert groups == {None, "(none)", "decile 01", "decile 06"}
    assert found["none", None, "rows", None]["value"] == 0


def test_cosines_of_vectors(captionlake, spark, tmp_path, monkeypatch) -> None:
    captions = [("a", "a dog"), ("b", "a cat"), ("c", "x"), ("d", None)]
    table = write(spark, tmp_path / "t", captions, "uid string, caption string")
    vectors = {
        "image": [("a", [1.0, 0.0]), ("b", [-1.0, 0.0]), ("d", [1.0, 0.0])],
        "caption": [("a", [0.6, 0.8]), ("b", [1.0, 0.0]), ("c", [1.0, 0.0])],
        "reference": [("a", [0.0, 1.0]), ("a", [-1.0, 0.0]), ("b", [0.0, 1.0]), ("c", [1.0, 0.0])],
    }
    settings = []
    for name, rows in vectors.items():
        columns = "uid string, embedding array<float>, model string, weights string"
        path = write(spark, tmp_path / name, [(*row, "tiny", "0") for row in rows], columns)
        settings += [f"--{name}-vectors", path]
    scored = []
    of_pairs = measure_captions.score_pairs
    monkeypatch.setattr(
        measure_captions, "score_pairs", lambda *a, **k: scored.append(1) or of_pairs(*a, **k)
    )
    outcome = captionlake(
        *("measure-captions", "--captions", table, *settings, "--replicates", 0, "--no-nouns"),
        *("--output", tmp_path / "out", "--caption-scores", tmp_path / "scores"),
    )
    assert outcome.summary["counts"]["without_score"] == 1
    assert len(scored) == 2  # once with the images, once with the references
    names = ["cosine_image", "clip_s", "cosine_text", "ref_clip_s"]
    rows = read_delta(spark, tmp_path / "scores").collect()
    scores = {row["uid"]: [row[name] for name in names] for row in rows}
    assert scores["a"] == pytest.approx([0.6, 1.5, 0.8, 2 * 1.5 * 0.8 / 2.3], abs=1e-6)
    assert scores["b"] == pytest.approx([-1.0, 0.0, 0.0, 0.0])
    assert scores["c"] == [None, None, 1.0, None]
    assert scores["d"] == [None] * 4
    found = measures(spark, tmp_path / "out")
    means = [found["t", None, name, None]["value"] for name in names]
    assert means == pytest.approx([-0.2, 0.75, 0.6, 1.2 * 0.8 / 2.3 * 1.25], abs=1e-6)
    bins = {key[3] for key in found if key[2] == "cosine_image_histogram"}
    assert bins == {0.6, -1.0}


def test_what_cannot_be_measured_is_told_in_one_line(captionlake, spark, tmp_path) -> None:
    table = write(spark, tmp_path / "t", [("a", "a dog")], "uid string, caption string")
    other = write(spark, tmp_path / "o", [("z", "a dog")], "uid string, caption string")
    without_uid = write(spark, tmp_path / "w", [("a dog",)], "caption string")
    empty = write(spark, tmp_path / "e", [("a", None)], "uid string, caption string")

    def fault(captions: Path, *arguments: Any) -> str:
        output = ("--output", tmp_path / "out")
        line: str = captionlake(
            "measure-captions", "--captions", captions, *arguments, *output
        ).error
        return line

    assert "has no column 'similarity'" in fault(table, "--score-column", "similarity")
    assert "has no column 'uid'" in fault(table, "--references", without_uid)
    assert "there is nothing to compare" in fault(table, "--references", other)
    assert "has no column 'score'" in fault(table, "--scores", other)
    assert "no caption in" in fault(empty)
    percent = write(
        spark, tmp_path / "p", [("a", "a dog", 28.5)], "uid string, caption string, s double"
    )
    assert "the score 28.5 of a caption is no cosine" in fault(percent, "--score-column", "s")
    null_uid = write(spark, tmp_path / "n", [(None, "a dog")], "uid string, caption string")
    assert "uid is null in 1 rows" in fault(null_uid)
    assert "has no column 'entry_ids'; match-concepts" in fault(table, "--entry-counts", other)


def test_sets_and_replicates_are_limited_together() -> None:
    with pytest.raises(InputDataError, match="set replicates to 2,500 at most"):
        refuse_many_replicates(2000, 10_000)
    refuse_many_replicates(2000, 2500)


def test_settings_that_do_not_fit_together() -> None:
    given = {"captions": "/a", "output": "/o"}
    with pytest.raises(ValidationError, match="image_vectors needs caption_vectors"):
        MeasureCaptions(image_vectors="/v", **given)
    with pytest.raises(ValidationError, match="give by or entry_counts, not both"):
        MeasureCaptions(by="wnid", entry_counts="/c", **given)


@pytest.mark.slow
def test_blip_captions_score_as_by_pycocoevalcap(captionlake, spark, real_data, tmp_path) -> None:
    """Its numbers for BLIP ViT-L against the other two, with Stanford's own tokens."""
    names = ("BLIP_ViT-L", "BLIP_nucleus_ViT-L", "BLIP_2_2.7b")
    tables = []
    for name in names:
        items = json.loads((real_data / "blip_coco" / f"{name}.json").read_text())
        rows = [(str(item["image_id"]), item["caption"]) for item in items]
        tables.append(spark.createDataFrame(rows, "uid string, caption string"))
    tables[0].write.format("delta").save(str(tmp_path / "blip"))
    tables[1].union(tables[2]).write.format("delta").save(str(tmp_path / "references"))
    captionlake(
        *("measure-captions", "--captions", tmp_path / "blip", "--replicates", 0),
        *("--references", tmp_path / "references", "--output", tmp_path / "out"),
    )
    found = measures(spark, tmp_path / "out")
    expected = {
        "bleu_1": 0.7628388803173751, "bleu_2": 0.6556226938551256, "bleu_3": 0.5702479196749572,
        "bleu_4": 0.5011724599204478, "cider": 2.87378160774872,
    }  # fmt: skip
    values = {name: found["blip", None, name, None]["value"] for name in expected}
    assert values == pytest.approx(expected, abs=1e-9)
