"""Subsets of a table with the class counts that LAIONet was published with, a fortieth of them."""

from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from spark_jobs.subsets.imagenet_classes import imagenet_class_names
from tests.delta_tables import read_delta

SHARE = 40


def counts_of(folder: Path, name: str) -> dict[str, int]:
    wnid_of = {name: wnid for wnid, name in imagenet_class_names().items()}
    lines = (folder / f"class_frequency_{name}_ori.txt").read_text().splitlines()
    return {wnid_of[line.split("\t")[0]]: int(line.split("\t")[1]) // SHARE for line in lines}


@pytest.mark.slow
def test_every_subset_holds_what_it_promises(
    captionlake, spark: SparkSession, real_data: Path, tmp_path: Path
) -> None:
    folder = real_data / "imagenet_frequencies"
    laionet = counts_of(folder, "laionet_thresh0.7")
    target = counts_of(folder, "incaps_imagenet")
    total, n_classes = sum(laionet.values()), sum(n > 0 for n in laionet.values())
    assert total > 80_000
    rows = [(f"{wnid}_{k}", "x", wnid) for wnid, n in laionet.items() for k in range(n)]
    table = pd.DataFrame(rows, columns=["uid", "caption", "wnid"])
    table.to_parquet(tmp_path / "laionet.parquet")

    def drawn(*arguments: str | Path | float) -> dict[str, int]:
        out = tmp_path / str(arguments[0])
        outcome = captionlake(*arguments, "--output", out)
        assert outcome.exit_code == 0, outcome.stderr
        counted = read_delta(spark, out).groupBy("wnid").count()
        return {row["wnid"]: row["count"] for row in counted.collect()}

    sample = ("sample-subset", "--input", tmp_path / "laionet.parquet")
    quarter = drawn(*sample, "--fraction", 0.25)
    restored = sum(quarter.values()) - round(0.25 * total)
    assert 0 < restored < n_classes
    assert len(quarter) == n_classes
    exactly = drawn(*sample, "--n", n_classes + 100)
    assert sum(exactly.values()) == n_classes + 100
    assert len(exactly) == n_classes
    flat = drawn(*sample, "--max-per-class", 5)
    assert flat == {wnid: min(n, 5) for wnid, n in laionet.items() if n}
    lines = [f"{name}\t{target[wnid]}\n" for wnid, name in imagenet_class_names().items()]
    (tmp_path / "target.txt").write_text("".join(lines))
    matched = drawn(
        *("match-frequencies", "--sources", tmp_path / "laionet.parquet"),
        *("--target-counts", tmp_path / "target.txt", "--class-names", "imagenet1k"),
    )
    wanted = {wnid: min(target[wnid], laionet[wnid]) for wnid in target}
    assert matched == {wnid: n for wnid, n in wanted.items() if n}
