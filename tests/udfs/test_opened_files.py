"""A small file that inflates to a large one is refused by name, whatever it is compressed by."""

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from udfs import embedding_files, opened_files
from udfs.opened_files import DamagedFileError, decompressed, decompressed_blocks
from udfs.task_errors import TaskInputError

TEXT = bytes(range(256)) * 5_000  # two blocks


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, bytes])
def test_content_is_decompressed_up_to_a_limit(
    compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = compress(TEXT)
    assert decompressed(content, "/bank.txt") == TEXT == b"".join(decompressed_blocks(content, ""))
    assert max(map(len, decompressed_blocks(content, ""))) <= 1 << 20
    monkeypatch.setattr(opened_files, "MOST_DECOMPRESSED_BYTES", len(TEXT))
    assert decompressed(content, "/bank.txt") == TEXT
    monkeypatch.setattr(opened_files, "MOST_DECOMPRESSED_BYTES", len(TEXT) - 1)
    if compress is bytes:
        assert decompressed(content, "/bank.txt") == TEXT  # it is in memory already
        return
    with pytest.raises(DamagedFileError, match=r"^/bank.txt: has more than .* when it is decomp"):
        decompressed(content, "/bank.txt")
    with pytest.raises(DamagedFileError, match=r"^/bank.txt: is cut off"):
        decompressed(content[:-9], "/bank.txt")


def test_an_array_of_an_npz_is_looked_at_before_it_is_decompressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_files, "MOST_DECOMPRESSED_BYTES", 100_000)
    vectors = np.zeros((10_000, 4), np.float32)
    np.savez(tmp_path / "stored.npz", v=vectors)
    np.savez_compressed(tmp_path / "packed.npz", v=vectors, w=vectors[:100])
    assert (tmp_path / "packed.npz").stat().st_size < 5_000
    assert embedding_files.dimension_of(str(tmp_path / "stored.npz"), "v") == 4
    assert embedding_files.dimension_of(str(tmp_path / "packed.npz"), "w") == 4
    with pytest.raises(TaskInputError, match=r"packed.npz: its array has more than .* in parts"):
        embedding_files.dimension_of(str(tmp_path / "packed.npz"), "v")
