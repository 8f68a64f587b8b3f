"""mix-captions through the command line: sources in columns and tables, counts, and bad input."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.captioning.mix_presets import published_mixes
from tests.delta_tables import read_delta

SCORE = pa.float32()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten images: raw_score 0.0, 0.1 ... 0.9; every third has no raw caption, the last no score."""
    path = tmp_path / "images.parquet"
    scores = [number / 10 for number in range(9)] + [None]
    rows: dict[str, Any] = {
        "uid": [f"u{number}" for number in range(10)],
        "raw": [None if number % 3 == 0 else f"raw {number}" for number in range(10)],
        "raw_score": pa.array(scores, SCORE),
        "url": [f"http://{number}" for number in range(10)],
        "near": [number != 8 for number in range(10)],
    }
    pq.write_table(pa.table(rows), path)
    of_model = {"uid": [f"u{number}" for number in range(9)], "caption": ["a"] * 8 + [""]}
    pq.write_table(pa.table(of_model), tmp_path / "blip2.parquet")
    scores = {"uid": [f"u{number}" for number in range(9)], "score": pa.array([0.65] * 9, SCORE)}
    pq.write_table(pa.table(scores), tmp_path / "scores.parquet")
    return path


@pytest.fixture
def command(images: Path, tmp_path: Path) -> list[object]:
    sources = {
        "raw": {},
        "blip2": {
            "captions": str(tmp_path / "blip2.parquet"),
            "scores": str(tmp_path / "scores.parquet"),
        },
    }
    command: list[object] = ["mix-captions", "--captions", images, "--output", tmp_path / "out"]
    return [*command, "--set", f"sources={json.dumps(sources)}"]


def test_raw_and_generated_captions(captionlake, spark, command, tmp_path: Path) -> None:
    outcome = captionlake(*command, "--mix", "raw_top_synthetic_filtered", "--decisions")
    assert outcome.exit_code == 0, outcome.stderr
    # The place 3 of 10 holds 0.5, which blip2's 0.65 reaches; of uid 6 the caption is missing.
    expected = {
        **{f"u{n}": ("blip2", "a") for n in (0, 1, 2, 3, 4)},
        **{f"u{n}": ("raw", f"raw {n}") for n in (5, 7, 8)},
    }
    rows = {row.uid: row for row in read_delta(spark, f"{tmp_path}/out").collect()}
    assert {uid: (row.caption_source, row.caption) for uid, row in rows.items()} == expected
    assert rows["u7"].score == float(np.float32(0.7))
    assert rows["u7"].rule == "raw top 0.3: score >= 0.5"
    assert rows["u1"].rule == "blip2 >= same: score >= 0.5"
    assert rows["u1"].url == "http://1"
    assert set(rows["u1"].asDict()) == {
        *("uid", "caption", "caption_source", "score", "rule", "url", "near")
    }
    assert outcome.summary["counts"] == {
        **{"rows_in": 10, "kept": 8, "from_raw": 3, "from_blip2": 5},
        **{"not_chosen": 1, "elsewhere": 0, "missing_caption": 1},
    }
    decided = read_delta(spark, f"{tmp_path}/decisions").collect()
    reasons = {row.uid: row.rule for row in decided if not row.kept}
    assert reasons == {"u6": "missing_caption", "u9": "not_chosen"}
    again = captionlake(*command, "--mix", "raw_top_synthetic_filtered", "--decisions")
    assert again.summary["status"] == "up_to_date"


def test_exactly_so_many_in_a_cluster(captionlake, spark, command, tmp_path: Path) -> None:
    mix = ("--mix", "raw_top_in_cluster", "--fraction", 0.4, "--cluster", "near", "--top", "rank")
    outcome = captionlake(*command, *mix)
    assert outcome.exit_code == 0, outcome.stderr
    rows = read_delta(spark, f"{tmp_path}/out").collect()
    assert {row.uid for row in rows} == {"u5", "u7"}
    assert outcome.summary["counts"]["elsewhere"] == 1


@pytest.mark.parametrize(
    ("mix", "exit_code", "message"),
    [
        (("--mix", "raw_tops"), 2, "did you mean 'raw_top'?; mixes are raw, synthetic,"),
        (("--mix", "raw top 0.3 else git"), 2, "names the source 'git', and there are raw, blip2"),
        (("--mix", "raw top 1.3"), 2, "expected a fraction from 0 to 1, or up to 100%, found 1.3"),
        (("--mix", "raw_top", "--fraction", 2), 2, "expected 1 or less"),
        (("--mix", "raw", "--fraction", 0.5), 2, "has no fraction; leave out `fraction`"),
        (("--mix", "raw_top_in_cluster"), 2, "needs the setting `cluster`"),
        (("--mix", "raw where url"), 3, "column 'url' is string, expected true or false"),
        (("--mix", "raw where gone"), 3, "has no column 'gone'"),
    ],
)
def test_mixes_that_cannot_be(
    captionlake, command, mix: tuple[object, ...], exit_code: int, message: str
) -> None:
    outcome = captionlake(*command, *mix)
    assert outcome.exit_code == exit_code, outcome.stderr
    assert message in outcome.error


def test_a_source_without_scores(captionlake, images: Path, tmp_path: Path) -> None:
    """Which matters only where a threshold asks for them."""
    command = ["mix-captions", "--captions", images, "--output", tmp_path / "out"]
    command += ["--set", "sources={raw: {score: gone}, url: {}}"]
    outcome = captionlake(*command, "--mix", "raw_top_synthetic_rest")
    assert outcome.exit_code == 3
    assert "has no column 'gone'" in outcome.error
    outcome = captionlake(*command, "--mix", "concatenated")
    assert outcome.exit_code == 0, outcome.stderr
    counts = outcome.summary["counts"]
    assert (counts["kept"], counts["from_raw"], counts["from_url"]) == (10, 6, 10)
    repeated = pq.read_table(images).slice(0, 2)
    pq.write_table(pa.concat_tables([repeated, repeated]), images)
    outcome = captionlake(*command, "--mix", "best(url, raw) else url", "--top", "rank")
    assert outcome.exit_code == 3


def test_a_score_is_compared_in_its_own_type(captionlake, spark, tmp_path: Path) -> None:
    """0.26 as float32 reaches 0.26, whatever the type of the other source's scores."""
    images = {"uid": ["u"], "raw": ["a"], "raw_score": pa.array([0.26], SCORE), "blip2": ["b"]}
    pq.write_table(pa.table(images | {"blip2_score": [0.1]}), tmp_path / "images.parquet")
    command = ["mix-captions", "--captions", tmp_path / "images.parquet", "--output"]
    command += [tmp_path / "out", "--set", "sources={raw: {}, blip2: {}}", "--mix"]
    assert captionlake(*command, "raw >= 0.26 else blip2").exit_code == 0
    [row] = read_delta(spark, f"{tmp_path}/out").collect()
    assert (row.caption, row.rule) == ("a", "raw >= 0.26")


def test_columns_that_are_no_captions_are_called_as_they_are(captionlake, command) -> None:
    wrong = [str(word).replace('"blip2": {', '"blip2": {"score": "uid", ') for word in command]
    outcome = captionlake(*wrong, "--mix", "blip2 top 0.5")
    assert outcome.exit_code == 3
    assert "scores.parquet: column 'uid' is string, expected floats for scores" in outcome.error


@pytest.mark.slow
def test_the_recipe_of_all_mixes(captionlake, spark, tmp_path: Path) -> None:
    """Each mix has the rows that its shares and the captions that are missing leave."""
    n = 200
    uids = [f"{number:032x}" for number in range(n)]
    draws = np.random.default_rng(0)
    raw_score, score = draws.permutation(n) / n, draws.permutation(n) / n
    images = {
        "uid": uids,
        "caption": [None if number % 20 == 0 else "a raw caption" for number in range(n)],
        "similarity": pa.array(raw_score, SCORE),
    }
    pq.write_table(pa.table(images), tmp_path / "pool.parquet")
    generated = {"uid": uids, "caption": ["a caption"] * n, "score": pa.array(score, SCORE)}
    pq.write_table(pa.table(generated), tmp_path / "generated.parquet")
    near = {"uid": uids, "near_target": [number % 2 == 0 for number in range(n)]}
    pq.write_table(pa.table(near), tmp_path / "clusters.parquet")
    changes = {
        **{"input": "pool.parquet", "generated": "generated.parquet"},
        **{"clusters": "clusters.parquet", "output": "out"},
    }
    settings = [part for k, v in changes.items() for part in ("--set", f"{k}={tmp_path / v}")]
    settings += ["--set", "in_clusters=true"]
    outcome = captionlake("run", "datacomp_captions", *settings)
    assert outcome.exit_code == 0, outcome.stderr

    has_raw = np.arange(n) % 20 != 0
    in_raw, in_synthetic = raw_score >= np.sort(raw_score)[-61], score >= np.sort(score)[-141]
    is_near = np.arange(n) % 2 == 0
    raw_filtered = np.where(in_raw, has_raw, score >= np.sort(raw_score)[-61])
    synthetic_filtered = in_synthetic | (has_raw & (raw_score >= np.sort(score)[-141]))
    best = np.where(has_raw, np.maximum(raw_score, score), score)
    expected = {
        "raw": has_raw,
        "synthetic": np.ones(n),
        "raw_top": in_raw & has_raw,
        "synthetic_top": in_synthetic,
        "raw_top_synthetic_rest": ~in_raw | has_raw,
        "raw_top_synthetic_filtered": raw_filtered,
        "synthetic_top_raw_rest": in_synthetic | has_raw,
        "synthetic_top_raw_filtered": synthetic_filtered,
        "raw_top_in_cluster": in_raw & has_raw & is_near,
        "synthetic_top_in_cluster": in_synthetic & is_near,
        "raw_top_synthetic_filtered_in_cluster": raw_filtered & is_near,
        "synthetic_top_raw_filtered_in_cluster": synthetic_filtered & is_near,
        "best": np.ones(n),
        "best_top": best >= np.sort(best)[-61],
        "random": np.ones(n),
        "concatenated": np.ones(n),
        "several": np.ones(n),
    }
    assert {*expected} == {*published_mixes()}
    for name, is_kept in expected.items():
        rows = read_delta(spark, tmp_path / "out" / name).collect()
        kept = {uid for uid, one in zip(uids, is_kept, strict=True) if one}
        assert {row.uid for row in rows} == kept, name
    assert len(rows[0].captions) in (1, 2)
    (tmp_path / "bank.txt").write_text("caption\nraw\n")
    mixed = ["--captions", tmp_path / "out" / "random", "--bank", tmp_path / "bank.txt"]
    balanced = captionlake("match-concepts", *mixed, "--output", tmp_path / "matches", "--carry")
    assert balanced.exit_code == 0, balanced.stderr
    matches = read_delta(spark, tmp_path / "matches").collect()
    assert {tuple(row.entry_ids) for row in matches} == {(0,), (0, 1)}
    assert {row.caption_source for row in matches} == {"raw", "synthetic"}
