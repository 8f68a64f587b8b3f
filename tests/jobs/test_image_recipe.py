"""A recipe from captions to a folder of images by class, on a local server."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.image_server import ImageServer, running


@pytest.mark.slow
def test_retrieved_pairs_become_an_image_folder(captionlake: Any, tmp_path: Path) -> None:
    texts = ["a tench in the water", "one goldfish", "another goldfish", "nothing of the kind"]
    with running(ImageServer()) as server:
        urls = [f"{server.url}/{path}" for path in ("good?1", "png?2", "404?3", "good?4")]
        nsfw = ["UNLIKELY", "UNSURE", "UNLIKELY", "UNLIKELY"]
        pairs = {"TEXT": texts, "URL": urls, "NSFW": nsfw, "similarity": [0.3] * 4}
        pq.write_table(pa.table(pairs), tmp_path / "laion.parquet")
        run = captionlake(
            "run", "retrieval_substring", "--set", f"input={tmp_path / 'laion.parquet'}",
            "--set", f"output={tmp_path / 'out'}", "--set", "download=true",
            "--set", "image_shards.allow_hosts=127.0.0.1", "--set", "retrieved.queries=imagenet",
        )  # fmt: skip
        assert run.exit_code == 0, run.stderr
        assert [path for path in server.seen if path.endswith("4")] == []
    from torchvision.datasets import ImageFolder

    folder = ImageFolder(tmp_path / "out" / "arranged")
    assert folder.classes == ["goldfish", "tench"]
    assert [image.size for image, _ in folder] == [(384, 256)] * 2
    assert "1 http" in run.stderr
    assert "left unread" not in run.stderr
