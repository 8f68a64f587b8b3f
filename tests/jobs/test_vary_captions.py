"""ImageNet-Captions: its records in, and every published variant of their captions."""

import csv
import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.concepts.imagenet_prompts import imagenet_templates
from spark_jobs.concepts.synsets import imagenet_synsets
from spark_jobs.core.draws import Draw
from spark_jobs.subsets.imagenet_classes import imagenet_class_names
from spark_jobs.subsets.vary import NamedClass, templates_of, vary
from tests.delta_tables import read_delta

WNIDS = [synset.wnid for synset in imagenet_synsets("imagenet1k")]
LEMMAS = {synset.wnid: synset.lemmas for synset in imagenet_synsets("imagenet1k")}
NAMES = imagenet_class_names()


@pytest.fixture
def records(captionlake, spark: SparkSession, cases: Path, tmp_path: Path) -> DataFrame:
    outcome = captionlake(
        *("ingest-captions", "--input", cases / "incaps_captions" / "input.jsonl"),
        *("--preset", "imagenet_captions", "--format", "jsonl", "--output", tmp_path / "records"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {"rows_in": 254, "kept": 254, "rejected": 0}
    return read_delta(spark, tmp_path / "records")


def flags_of(run: dict) -> dict:
    flags = run["flags"]
    mode = flags[flags.index("--mode") + 1] if "--mode" in flags else "cname"
    has_front = "--append_cname" in flags
    templates = templates_of(mode, imagenet_templates())
    return {
        "texts": [text for text in ("title", "tags", "description") if f"--use_{text}" in flags],
        "front": templates if has_front else None,
        "lemmas": "--use_synset" in flags,
    }


def varied(records: DataFrame, flags: dict, seed: int = 0) -> list[tuple[str, int, str]]:
    classes = [
        NamedClass(wnid, k, LEMMAS[wnid] if flags["lemmas"] else [NAMES[wnid]])
        for k, wnid in enumerate(WNIDS)
    ]
    rows = vary(
        records, classes, flags["texts"], front=flags["front"], draw=Draw("vary-captions", seed)
    )
    return [tuple(row) for row in rows.select("uid", "class_idx", "caption").collect()]


@pytest.mark.slow
def test_every_published_variant(records: DataFrame, cases: Path) -> None:
    folder = cases / "incaps_captions"
    expected = pd.read_parquet(folder / "expected_captions.parquet")
    records = records.cache()
    n_exact = 0
    for run in json.loads((folder / "expected_runs.json").read_text()):
        if run.get("error"):
            continue
        flags = flags_of(run)
        found = varied(records, flags)
        assert len(found) == run["rows"]
        published = expected[expected["run"] == run["run"]]
        if len(published):
            columns = ["filename", "label", "caption"]
            assert sorted(found) == sorted(map(tuple, published[columns].to_numpy().tolist()))
            n_exact += 1
        if flags["front"] is None or not (flags["lemmas"] or len(flags["front"]) > 1):
            continue
        plain = {uid: text for uid, _, text in varied(records, flags | {"front": [""]})}
        for uid, label, caption in found:
            names = LEMMAS[WNIDS[label]] if flags["lemmas"] else [NAMES[WNIDS[label]]]
            fronts = {template.format(name) for template in flags["front"] for name in names}
            if uid in plain:
                assert caption.endswith(plain[uid])
                assert caption.removesuffix(plain[uid]) in fronts
            else:  # its texts are blank
                assert caption.rstrip(" ") in fronts
    assert n_exact == expected["run"].nunique() > 30


@pytest.mark.slow
def test_draws_of_templates_and_lemmas(records: DataFrame) -> None:
    flags = {"texts": [], "front": imagenet_templates(), "lemmas": True}
    first, again, other = (varied(records, flags, seed) for seed in (0, 0, 1))
    assert sorted(first) == sorted(again) != sorted(other)
    used = Counter(
        next(t for t in imagenet_templates() if any(
            caption == f"{t.format(lemma)} " for lemma in LEMMAS[WNIDS[label]]
        ))
        for _, label, caption in first
    )  # fmt: skip
    assert len(used) > 60
    assert max(used.values()) < 15


@pytest.mark.slow
def test_published_files(captionlake, records, cases: Path, tmp_path: Path) -> None:
    """The same lines; the published order, that of the input, is not kept by tables."""
    command = [
        *("vary-captions", "--imagenet-captions", tmp_path / "records"),
        *("--append-class-name", "--output", tmp_path / "out", "--tsv", tmp_path / "out.tsv"),
        *("--filepath", "../datasets/imagenet/train/{wnid}/{ic_index}"),
        *("--frequencies", tmp_path / "frequencies.txt"),
    ]
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {
        "rows_in": 254, "kept": 244, "unknown_class": 10, "blank": 0,
    }  # fmt: skip
    published = (cases / "incaps_captions" / "expected_file_all_cname.tsv").read_text()
    written = (tmp_path / "out.tsv").read_text()
    assert sorted(written.split("\n")) == sorted(published.split("\n"))
    by_label = [int(row["label"]) for row in csv.DictReader(written.split("\n"), delimiter="\t")]
    assert by_label == sorted(by_label)
    lines = (tmp_path / "frequencies.txt").read_text().splitlines()
    names = [
        line.split("\t")[2]
        for line in (cases / "incaps_captions" / "classes.tsv").read_text().splitlines()
    ]
    assert [line.split("\t")[0] for line in lines] == names
    assert sum(int(line.split("\t")[1]) for line in lines) == 244
    outcome = captionlake(*command, "--shuffle", "--seed", 3)
    assert outcome.exit_code == 0, outcome.stderr
    shuffled = (tmp_path / "out.tsv").read_text()
    assert shuffled != written
    assert sorted(shuffled) == sorted(written)


def test_what_cannot_be_varied(captionlake, tmp_path: Path) -> None:
    missing = ["vary-captions", "--imagenet-captions", tmp_path, "--output", tmp_path / "out"]
    outcome = captionlake(*missing, "--texts", "[]")
    assert outcome.exit_code == 2
    assert "give texts, append_class_name, or both" in outcome.error
    outcome = captionlake(*missing, "--texts", "[titel]")
    assert outcome.exit_code == 2
    pd.DataFrame({"uid": ["u"], "wnid": ["n"]}).to_parquet(tmp_path / "a.parquet")
    outcome = captionlake(*missing[:2], tmp_path / "a.parquet", *missing[3:])
    assert outcome.exit_code == 3
    assert "has no column 'title'" in outcome.error
    (tmp_path / "b.json").write_text('[{"filename": "a.JPEG", "wnid": "n1", "title": "x"}]')
    outcome = captionlake(
        *("ingest-captions", "--preset", "imagenet_captions", "--input", tmp_path / "b.json"),
        *("--output", tmp_path / "records"),
    )
    assert outcome.exit_code == 3
    assert "has no column 'tags'" in outcome.error
