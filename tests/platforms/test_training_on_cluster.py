"""train-sentences by TorchDistributor on the workers of a small cluster, as in local mode."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.platforms.cluster import Cluster, submit
from tests.platforms.conftest import ROOT, clean_environment
from tests.platforms.run_commands import run

TEXT = "a an old small red photo of dog cat boat house street on in by the sea snow night"


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_two_workers_train_what_two_processes_of_local_mode_train(
    spark: SparkSession, cluster: Cluster, wheel: Path, tmp_path: Path
) -> None:
    """captionlake is installed on the workers, as TorchDistributor needs it: by this Python."""
    vocabulary = TEXT.split()
    n = len(vocabulary)
    texts = [" ".join(vocabulary[(7 * k + j * j) % n] for j in range(9)) for k in range(96)]
    captions = [(str(uid), text) for uid, text in enumerate(texts)]
    spark.createDataFrame(captions, "uid string, caption string").write.format("delta").save(
        str(tmp_path / "captions")
    )
    words = ["--captions", str(tmp_path / "captions"), "--model", "small", "--workers", "2"]
    words += ["--batch-size", "8", "--learning-rate", "0.001", "--output"]
    here, there = tmp_path / "local" / "encoder", tmp_path / "cluster" / "encoder"
    assert run(["train-sentences", *words, str(here)])["exit_code"] == 0
    job = shutil.copy(ROOT / "spark_jobs/jobs/train_sentences.py", tmp_path)
    done = subprocess.run(
        [*map(str, submit(cluster, wheel, Path(sys.executable), Path(job))), *words, str(there)],
        env=clean_environment(PYTHONPATH="", SPARK_LOCAL_IP="127.0.0.1"),
        cwd=tmp_path, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-6_000:]
    counts = json.loads(done.stdout.strip().splitlines()[-1])["counts"]
    assert (counts["trained"], counts["steps"]) == (96, 6)
    losses = [
        spark.read.format("delta").load(str(folder.parent / "encoder_training"))
        .orderBy("step").select("step", "loss").collect()
        for folder in (here, there)
    ]  # fmt: skip
    assert [step for step, _ in losses[1]] == [1, 2, 3, 4, 5, 6]
    assert losses[0] == losses[1]
    weights = [(folder / "model.safetensors").read_bytes() for folder in (here, there)]
    assert weights[0] == weights[1]
