"""Every file and folder that jobs write has the mode that the umask gives, of whatever kind."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.processes import QUICK_JAVA
from udfs.vectors import vector_lists

JOBS = """
import sys
from typer.testing import CliRunner
from spark_jobs.cli import build_app

folder, app = sys.argv[1], build_app()
COMMANDS = [
    "ingest-captions --input {0}/in.parquet --output {0}/out/captions",
    "ingest-captions --input {0}/in.parquet --output parquet:{0}/out/parquet --workspace {0}/out",
    "export-captions --captions {0}/out/captions --output {0}/out/json",
    "build-concept-bank --sources [lines:{0}/bank.txt] --output {0}/out/bank",
    "match-concepts --captions {0}/out/captions --bank {0}/out/bank --output {0}/out/matches"
    " --entry-counts {0}/out/entry_counts",
    "plan-balance --captions {0}/out/captions --matches {0}/out/matches"
    " --entry-counts {0}/out/entry_counts --output {0}/out/plan --picture {0}/out/plan.svg",
    "sample-subset --input {0}/labels.parquet --n 4 --output {0}/out/some --tsv {0}/out/some.tsv"
    " --frequencies {0}/out/frequencies.txt",
    "build-index --embeddings {0}/vectors.parquet --factory Flat --output {0}/out/index",
    "export-embeddings --embeddings {0}/vectors.parquet --output {0}/out/npy"
    " --form clip_retrieval --modality text",
    "export-embeddings --embeddings {0}/vectors.parquet --output {0}/out/npz --form datacomp",
    "report --table {0}/out/matches --output {0}/out/report.html",
    "init metaclip --output {0}/out/recipe.yml",
]
for command in COMMANDS:
    result = CliRunner().invoke(app, command.format(folder).split())
    fault = f"{result.stderr} {result.exception!r}".split() if result.exit_code else []
    print(command.split()[0], result.exit_code, *fault)
"""


def write_inputs(folder: Path) -> None:
    uids, captions = ["a", "b", "c", "d", "e"], ["a cat", "a dog", "two cats", "a cat", "x"]
    pq.write_table(pa.table({"uid": uids, "caption": captions}), folder / "in.parquet")
    labels = {"uid": uids, "caption": captions, "class_idx": pa.array([0, 0, 1, 1, 1], pa.int32())}
    labels["wnid"] = ["n01440764"] * 5
    pq.write_table(pa.table(labels), folder / "labels.parquet")
    (folder / "bank.txt").write_text("cat\ndog\n")
    vectors = vector_lists(np.eye(5, 8, dtype=np.float32), pa.array([True] * 5))
    more = {"model": ["open_clip:ViT-B-32"] * 5, "weights": ["w"] * 5}
    pq.write_table(pa.table({"uid": uids, "embedding": vectors} | more), folder / "vectors.parquet")


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_outputs_follow_the_umask(tmp_path: Path, mask: int) -> None:
    write_inputs(tmp_path)
    result = subprocess.run(
        [sys.executable, "-c", JOBS, tmp_path],
        capture_output=True,
        text=True,
        env=os.environ | QUICK_JAVA,
        umask=mask,
        timeout=550,
        check=True,
    )
    failed = [line for line in result.stdout.splitlines() if line.split()[1:] != ["0"]]
    assert not failed, "\n".join(failed)
    written = [
        Path(folder, name)
        for folder, folders, files in os.walk(tmp_path / "out")
        for name in [*folders, *files]
    ]
    kinds = {".parquet", ".json", ".npy", ".npz", ".index", ".svg", ".tsv", ".txt", ".html", ".yml"}
    assert {path.suffix for path in written} >= kinds
    modes = {str(path): path.stat().st_mode & 0o777 for path in written}
    allowed = {str(path): (0o777 if path.is_dir() else 0o666) & ~mask for path in written}
    differing = {path: oct(modes[path]) for path in modes if modes[path] != allowed[path]}
    assert differing == {}
