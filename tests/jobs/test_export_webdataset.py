"""export-webdataset: shards of one size with the images' own bytes, as open_clip reads them."""

import inspect
import io
import json
import tarfile
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import SparkSession

from spark_jobs.formats import webdataset_shards
from tests.delta_tables import read_delta

N = 47
EXPORT = ("export-webdataset", "--captions")
FORMATS = ("JPEG", "PNG", "WEBP")


def image_of(k: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.full((8, 8, 3), (k * 5) % 256, np.uint8)
    Image.fromarray(pixels).save(stream, FORMATS[k % 3])
    return stream.getvalue()


def uid_of(k: int) -> str:
    return f"{k:032x}"


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    archive.addfile(header, io.BytesIO(content))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images 0 to 46 as download-images leaves them, one broken, one GIF, two of one uid."""
    folder = tmp_path_factory.mktemp("images")
    for shard in range(2):
        with tarfile.open(folder / f"{shard:05}.tar", "w") as archive:
            for k in range(shard, N, 2):
                content = image_of(k)
                content = b"<html>" if k == 10 else b"GIF89a" + content if k == 11 else content
                add(archive, f"{k:05}.jpg", content)
                add(archive, f"{k:05}.json", json.dumps({"uid": uid_of(k)}).encode())
            add(archive, f"copy{shard}.jpg", image_of(5))
            add(archive, f"copy{shard}.json", json.dumps({"uid": uid_of(5)}).encode())
    return folder


@pytest.fixture(scope="module")
def captions(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captions 3 to 49: 47 to 49 have no image, 20 has no caption; even ones have two."""
    rows: list[Any] = []
    for k in range(3, 50):
        several = [("a", "raw", None, 0.25), (f"b {k}", "llm", 0.5, 0.75)] if k % 2 == 0 else None
        text = None if k == 20 else f"caption {k} 猫"
        rows.append((uid_of(k), text, [k, 7], None if k == 20 else several))
    columns = (
        "uid string, caption string, entry_ids array<int>, "
        "captions array<struct<caption: string, source: string, score: double, weight: double>>"
    )
    path = tmp_path_factory.mktemp("tables") / "captions"
    spark.createDataFrame(rows, columns).write.format("delta").save(str(path))
    return path


EXPECTED = {k for k in range(3, N) if k not in (10, 11, 20)}


def samples_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Shard -> its samples, extension -> content."""
    read: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.tar")):
        by_key: dict[str, dict[str, Any]] = {}
        with tarfile.open(path) as archive:
            for member in archive:
                key, _, extension = member.name.partition(".")
                content = archive.extractfile(member)
                assert content is not None
                by_key.setdefault(key, {})[extension] = content.read()
        read[path.name] = [*by_key.values()]
    return read


@pytest.fixture(scope="module")
def exported(spark, shards, captions, tmp_path_factory) -> tuple[Path, dict[str, int]]:
    import captionlake as cl

    output = tmp_path_factory.mktemp("exported") / "shards"
    result = cl.export_webdataset(
        captions=str(captions), images=str(shards), samples_per_shard=16, output=str(output)
    )
    return output, result.counts


def test_each_sample_once_with_the_bytes_of_its_image(exported) -> None:
    output, counts = exported
    read = samples_of(output)
    assert [*map(len, read.values())] == [16, 16, 9]
    assert json.loads((output / "sizes.json").read_text()) == {
        name: len(samples) for name, samples in read.items()
    }
    seen = []
    for sample in (sample for samples in read.values() for sample in samples):
        record = json.loads(sample["json"])
        k = int(record["uid"], 16)
        seen.append(k)
        assert sample[("jpg", "png", "webp")[k % 3]] == image_of(k)
        assert sample["txt"].decode() == record["caption"] == f"caption {k} 猫"
        assert record["entry_ids"] == [k, 7]
        if k % 2 == 0:
            assert record["captions"] == ["a", f"b {k}"]
            assert record["weights"] == [0.25, 0.75]
            assert record["sources"] == ["raw", "llm"]
        else:
            assert "captions" not in record
    assert sorted(seen) == sorted(EXPECTED)
    assert seen != sorted(seen)
    assert counts == {
        **{"rows_in": 47, "samples": 41, "shards": 3, "rejected": 6, "gif": 1, "image_format": 1},
        **{"no_caption": 1, "no_image": 3, "images": 49, "images_unused": 8},
    }


def test_open_clips_own_loader_reads_them(exported, monkeypatch) -> None:
    data = pytest.importorskip("open_clip_train.data")
    # open_clip asks for webdataset <= 0.2.86, which has no mark at the end of a shard.
    has_mark = "eof_value" in inspect.signature(data.tar_file_expander).parameters
    expander = partial(data.tar_file_expander, **({"eof_value": None} if has_mark else {}))
    monkeypatch.setattr(data, "tar_file_expander", expander)
    args = Namespace(
        train_data=f"{exported[0]}/{{00000..00002}}.tar",
        **{"train_num_samples": None, "train_data_upsampling_factors": None, "seed": 0},
        **{"batch_size": 1, "workers": 0, "world_size": 1, "dataset_resampled": False},
    )
    info = data.get_wds_dataset(
        args,
        lambda image: int(np.asarray(image)[0, 0, 0]),
        is_train=True,
        tokenizer=lambda text: [int(text.split()[1])],
    )
    assert info.dataloader.num_samples == 41
    read = [(int(images[0]), int(texts[0])) for images, texts in info.dataloader]
    assert sorted(k for _, k in read) == sorted(EXPECTED)
    assert all(abs(pixel - k * 5) <= 3 for pixel, k in read)  # JPEG and WebP are not exact


def test_the_same_files_however_the_rows_are_cut(
    captionlake, spark, exported, captions, shards, tmp_path, monkeypatch
) -> None:
    """From a table of images too, and as of many samples."""
    rows = [(uid_of(k), f"{k}", bytearray(image_of(k))) for k in range(N) if k not in (10, 11)]
    images = spark.createDataFrame(rows, "uid string, key string, image binary")
    images.write.format("delta").save(str(tmp_path / "images"))
    monkeypatch.setattr(webdataset_shards, "_MOST_BROADCAST", 0)  # as of many samples
    parts = read_delta(spark, captions).repartition(7)
    parts.write.format("delta").save(str(tmp_path / "captions"))
    command = (
        *(*EXPORT, tmp_path / "captions", "--images", tmp_path / "images"),
        *("--output", tmp_path / "out"),
    )
    outcome = captionlake(*command, "--samples-per-shard", 16)
    assert outcome.exit_code == 0, outcome.stderr
    assert "{00000..00002}.tar" in outcome.stderr
    first = {path.name: path.read_bytes() for path in exported[0].iterdir() if path.is_file()}
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("[0-9s]*")}
    assert files == {name: first[name] for name in files}
    assert len(files) == 4


def test_bad_input(captionlake, spark, captions, shards, tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "00000.tar").write_bytes(b"")
    tables = {"twice": [("a", "x"), ("a", "y")], "without": [("a", None)], "others": [("a", "x")]}
    for name, rows in tables.items():
        frame = spark.createDataFrame(rows, "uid string, caption string")
        frame.write.format("delta").save(str(tmp_path / name))
    spark.createDataFrame([("a", 1)], "uid string, n int").write.format("delta").save(
        str(tmp_path / "textless")
    )

    def fault(table: object, *options: object) -> str:
        to = () if "--output" in options else ("--output", tmp_path / "out")
        return captionlake(*EXPORT, table, "--images", shards, *to, *options).error

    assert "'a' is there 2 times; expected one row an image" in fault(tmp_path / "twice")
    assert "none of its rows has a caption" in fault(tmp_path / "without")
    assert "no row has an image" in fault(tmp_path / "others")
    assert "no column 'caption'" in fault(tmp_path / "textless")
    assert "samples_per_shard" in fault(captions, "--samples-per-shard", 0)
    assert "00000.tar" in fault(captions, "--output", tmp_path / "mine")
    assert not (tmp_path / "out").exists() or not [*(tmp_path / "out").glob("[!._]*")]
