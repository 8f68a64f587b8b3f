"""The recipes of subsets, on small data made for them, and what the report shows of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.concepts.synsets import imagenet_synsets
from tests.delta_tables import read_delta

SYNSETS = imagenet_synsets("imagenet1k")[:40]
TEXTS = ["title", "tags", "description"]


def read(spark: SparkSession, path: Path) -> DataFrame:
    return read_delta(spark, path)


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """200 records of 40 classes, most of the first ones, some without texts."""
    draws = np.random.default_rng(0)
    rows = []
    for k in range(200):
        synset = SYNSETS[int(40 * draws.random() ** 2)]
        title = f"my {synset.lemmas[0]} {k}" if k % 4 else ""
        tags = ["zoo", synset.lemmas[-1]] if k % 3 else []
        row = {"filename": f"{synset.wnid}_{k}.JPEG", "wnid": synset.wnid, "title": title}
        rows.append(row | {"tags": tags, "description": synset.gloss if k % 2 else ""})
    path = tmp_path / "imagenet_captions.json"
    path.write_text(json.dumps(rows))
    return path


def run(captionlake, recipe: str, **given: object) -> None:
    said = [part for name, value in given.items() for part in ("--set", f"{name}={value}")]
    outcome = captionlake("run", recipe, *said)
    assert outcome.exit_code == 0, outcome.stderr


@pytest.mark.slow
def test_imagenet_captions_variants(captionlake, spark, records: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(captionlake, "imagenet_captions_variants", input=records, output=out, tail_classes=970)
    table = pd.DataFrame(json.loads(records.read_text()))
    has = {"title": table["title"] != "", "tags": table["tags"].str.len() > 0}
    has["description"] = table["description"] != ""
    for name in ("full_text", *TEXTS, "title_tags", "title_description", "tags_description"):
        texts = TEXTS if name == "full_text" else [text for text in TEXTS if text in name]
        expected = table[sum(has[text].astype(int) for text in texts) > 0]
        rows = read(spark, out / name).toPandas()
        assert sorted(rows["uid"]) == sorted(expected["filename"])
    assert {p.name for p in out.glob("*.tsv")} >= {
        "incaps_title_tags_description+cname.tsv", "incaps_tags.tsv",
        "in100caps_title_tags_description+cname.tsv",
    }  # fmt: skip
    trimmed = read(spark, out / "trimmed_tail").toPandas()["wnid"].value_counts()
    every = table["wnid"].value_counts()
    assert len(trimmed) == 30
    assert trimmed.to_dict() == {wnid: every[wnid] for wnid in trimmed.index}
    assert trimmed.min() >= every.drop(trimmed.index).max()
    small = read(spark, out / "imagenet100").toPandas()
    assert set(small["wnid"]) < set(table["wnid"])
    assert (small["label_ori"] > small["class_idx"]).all()


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    draws = np.random.default_rng(1)
    wnids = [SYNSETS[int(40 * value**3)].wnid for value in draws.random(800)]
    columns = {
        "uid": [f"{k:032x}" for k in range(800)],
        "caption": [f"caption {k}" for k in range(800)],
        "wnid": wnids,
        "text_to_name_def_wnid_similarity": 0.7 + 0.3 * draws.random(800) ** 2,
    }
    pd.DataFrame(columns).to_parquet(tmp_path / "pairs.parquet")
    return tmp_path / "pairs.parquet"


@pytest.mark.slow
def test_laionet_subsets(captionlake, spark, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(captionlake, "laionet_subsets", pairs=pairs, output=out)
    table = pd.read_parquet(pairs)
    n_classes = table["wnid"].nunique()
    for name, threshold in (("thresh_075", 0.75), ("thresh_09", 0.9)):
        rows = read(spark, out / name).toPandas()
        similarity = rows["text_to_name_def_wnid_similarity"]
        over = table[table["text_to_name_def_wnid_similarity"] >= threshold]
        assert rows["wnid"].nunique() == n_classes
        assert (similarity >= threshold).sum() == len(over)
        assert len(rows) == len(over) + n_classes - over["wnid"].nunique()
    for name, share in (("frac_2", 400), ("frac_32", 25)):
        rows = read(spark, out / name)
        told = read(spark, out / f"{name}_counts").toPandas()
        assert rows.count() == told["rows"].sum() >= share
        assert (told["rows"] > 0).sum() == n_classes
    lines = (out / "class_frequency_laionet_thresh0.7_frac0.5_ori.txt").read_text().splitlines()
    assert len(lines) == 1000
    page = tmp_path / "report.html"
    outcome = captionlake("report", "--table", out / "frac_4", "--output", page)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"]["pictures"] == 1
    text = page.read_text()
    assert "Classes: frac_4" in text
    assert f"{n_classes} classes have rows, {n_classes} of them in the subset." in text
    assert "Kept: frac_4" in text
    assert "Left out: frac_4" in text


@pytest.mark.slow
def test_laionet_match_frequency(
    captionlake, spark, records: Path, pairs: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    """Where LAIONet has too few rows of a class, neighbours of its records come in."""
    others = pd.DataFrame({"uid": [f"{k:032x}" for k in range(800, 1000)]})
    others["caption"] = [f"{SYNSETS[k % 40].lemmas[0]} number {k}" for k in range(200)]
    captions = pd.concat([pd.read_parquet(pairs)[["uid", "caption"]], others])
    captions.assign(url="http://e").to_parquet(tmp_path / "captions.parquet")
    out = tmp_path / "out"
    model = f"open_clip:{tiny_clip}"
    run(
        captionlake, "laionet_match_frequency", imagenet_captions=records, pairs=pairs, k=5,
        captions=tmp_path / "captions.parquet", output=out,
        **{f"{step}_vectors.{key}": value for step in ("record", "caption")
           for key, value in (("model", model), ("weights", "null"))},
    )  # fmt: skip
    target = pd.DataFrame(json.loads(records.read_text()))["wnid"].value_counts()
    available = pd.read_parquet(pairs)["wnid"].value_counts()
    rows = read(spark, out / "matched").toPandas()
    assert rows["uid"].is_unique
    assert rows["caption"].notna().all()
    main = rows[rows["taken_from"] == "pairs"]["wnid"].value_counts()
    assert main.to_dict() == {
        wnid: min(n, available[wnid]) for wnid, n in target.items() if wnid in available
    }
    t2t = rows[rows["taken_from"] == "t2t"]
    assert len(t2t)
    counts = rows["wnid"].value_counts()
    assert all(counts[wnid] <= target[wnid] for wnid in counts.index)
    page = (out / "report.html").read_text()
    assert "Taken from each source" in page
    assert f"{len(rows):,} of {target.sum():,} wanted rows taken: {main.sum():,} from pairs" in page
    steps = ("records", "record_vectors", "caption_vectors", "neighbours", "t2t", "matched")
    assert all(f"<bdi>{step}</bdi>" in page for step in steps)
    assert "Classes: matched" in page
