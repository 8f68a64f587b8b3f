"""generate-captions against `transformers serve`, which serves the embedded model."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta
from tests.processes import free_port
from udfs.captioning.causal_model import CausalModel, model_files

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model as plain weights: the server loads no GGUF file of a disk."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("smollm2")
    file = model_files(CausalModel("smollm2"))
    read = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    quantized = AutoModelForCausalLM.from_pretrained(**read)
    weights = quantized.state_dict()
    del quantized.config.quantization_config
    plain = type(quantized)(quantized.config)
    plain.load_state_dict(weights)
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**read).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def address(model: Path) -> Iterator[str]:
    port = free_port()
    words = ["serve", model, "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
    # Threads of OpenMP that wait for each other take the cores from the tests beside this one.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    server = subprocess.Popen([BIN / "transformers", *map(str, words)], env=environment)
    deadline = time.monotonic() + 120
    try:
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(30)


def _answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_concept_ends_with_a_caption_or_a_cause(
    captionlake: Any, spark: SparkSession, model: Path, address: str, tmp_path: Path
) -> None:
    (tmp_path / "bank.txt").write_text("dog\nred apple\n")
    asked = captionlake(
        *("generate-captions", "--bank", tmp_path / "bank.txt", "--output", tmp_path / "out"),
        *("--backend", "openai", "--server", address, "--model", model, "--tasks", 1),
        *("--timeout", 200, "--tries", 0, "--max-tokens", 24),
    )
    assert asked.exit_code == 0, asked.stderr
    counts = asked.summary["counts"]
    rows = read_delta(spark, tmp_path / "out_generations").collect()
    assert len(rows) == counts["asked"] == 2  # one try each, and none was lost to the server
    assert {row.concept for row in rows} == {"dog", "red apple"}
    assert {row.status for row in rows} <= {"accepted", "refused"}
    assert all(row.caption and 0 < row.completion_tokens <= 24 for row in rows)
    captions = json.loads((tmp_path / "out" / "0.json").read_text())
    assert len(captions) == counts["accepted"]
