"""Shards are what tarfile writes of the same members, whatever the batches."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from udfs.images.webdataset_shards import shard_name, write_shards
from udfs.task_errors import TaskInputError

IMAGES = {"jpg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n", "webp": b"RIFF\0\0\0\0WEBP"}
SIZES = (0, 1, 497, 511, 512, 1024, 9_000)


def rows() -> pa.RecordBatch:
    """Seven samples, of every padding, in shards 0 and 2."""
    rng = np.random.default_rng(0)
    heads = [*IMAGES.values()] * 3
    images = [head + rng.bytes(size) for head, size in zip(heads, SIZES, strict=False)]
    texts = ["", "a cat", "猫" * 500, "b", "c", "d\n", "e"]
    records = [f'{{"uid":"{n}"}}' for n in range(7)]
    return pa.RecordBatch.from_arrays(
        [
            *(pa.array([0] * 4 + [2] * 3), pa.array([0, 1, 2, 3, 8, 9, 123_456_789_012])),
            *(pa.array(images), pa.array(texts), pa.array(records)),
        ],
        ["shard", "place", "image", "text", "record"],
    )


def by_tarfile(samples: list[dict]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for sample in samples:
            extension = next(e for e, head in IMAGES.items() if sample["image"].startswith(head))
            members = {extension: sample["image"], "txt": sample["text"], "json": sample["record"]}
            for suffix, value in members.items():
                value = value.encode() if isinstance(value, str) else value
                header = tarfile.TarInfo(f"{sample['place']:09}.{suffix}")
                header.size = len(value)
                archive.addfile(header, io.BytesIO(value))
    return content.getvalue()


def test_files_are_those_of_tarfile(tmp_path: Path) -> None:
    batch = rows()
    samples = batch.to_pylist()
    for size in (1, 3, 7):  # slices of one batch, as `checked` makes them, and files that are there
        batches = [batch.slice(start, size) for start in range(0, 7, size)]
        written = pa.Table.from_batches(write_shards(str(tmp_path), 3)(batches))
        files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert written.to_pydict() == {
            **{"name": ["00000.tar", "00002.tar"], "rows": [4, 3]},
            "bytes": [len(files["00000.tar"]), len(files["00002.tar"])],
        }
        assert files == {"00000.tar": by_tarfile(samples[:4]), "00002.tar": by_tarfile(samples[4:])}


def test_bytes_that_are_no_image_have_no_name(tmp_path: Path) -> None:
    batch = rows()
    images = pa.array([b"<html>no image"] * len(batch))
    place = batch.schema.get_field_index("image")
    columns = [*batch.columns[:place], images, *batch.columns[place + 1 :]]
    broken = pa.RecordBatch.from_arrays(columns, batch.schema.names)
    with pytest.raises(TaskInputError, match=r"of sample 0000000.. is no JPEG, PNG or WebP"):
        [*write_shards(str(tmp_path), 3)([broken])]


def test_names_of_shards_sort() -> None:
    assert shard_name(7, 8) == "00007.tar"
    assert shard_name(7, 100_001) == "000007.tar"
