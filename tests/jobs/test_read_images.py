"""read-images: every image of every layout is a row, with a fault if it cannot be used."""

import io
import json
import tarfile
from collections.abc import Mapping
from hashlib import md5, sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyspark.sql import Row, SparkSession

from tests.delta_tables import read_delta


def picture(seed: int = 0, form: str = "JPEG", size: tuple[int, int] = (40, 30)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, form)
    return written.getvalue()


def write_tar(path: Path, members: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def record(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def uid_of(key: str) -> str:
    return md5(key.encode()).hexdigest()


def images_by_key(spark: SparkSession, table: Path) -> dict[str, Row]:
    rows = read_delta(spark, table).collect()
    by_key = {row.key: row for row in rows}
    assert len(by_key) == len(rows)
    return by_key


def test_all_layouts_in_one_folder(
    captionlake, spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = [picture(k) for k in range(9)]
    write_tar(
        tmp_path / "in/a/00000.tar",
        {
            "0.jpg": images[0],
            "0.json": record(uid="u0"),
            "0.txt": b"",
            "1.PNG": picture(1, "PNG"),
            "2.json": record(uid="u2", width=1),
            "2.jpeg": images[2][:400],
            "3.webp": picture(3, "WEBP"),
            "3.json": b'{"uid": "u3',
            "4.jpg": b"",
        },
    )
    write_tar(tmp_path / "in/b/00000.tar", {"0.jpg": images[3], "0.json": record(uid=None)})
    cut = {"0.jpg": images[8], "0.json": record(uid="u0x"), "1.jpg": images[1]}
    write_tar(tmp_path / "cut.tar", cut)
    whole = (tmp_path / "cut.tar").read_bytes()
    (tmp_path / "in/b/00001.tar").write_bytes(whole[: whole.index(images[1]) + 100])
    write_files(
        tmp_path / "in",
        {
            "c/tench/1.jpg": images[4],
            "c/tench/1.png": picture(4, "PNG", (7, 9)),
            "c/ein Käfer/ü 1.JPG": images[5],
            "d/00000/7.jpg": images[6],
            "d/00000/7.json": record(uid="u7"),
            "d/00000.parquet": b"",
            "d/00000_stats.json": b"{}",
            "readme.md": b"x",
            "c/.DS_Store": b"x",
            "c/tench/._1.jpg": b"x",
            "c/_hen/unseen.jpg": images[8],
        },
    )
    metadata = pa.table({"key": ["7"], "uid": ["u7"], "status": ["success"]})
    pq.write_table(metadata, tmp_path / "in/d/00000.parquet")
    with_images = metadata.set_column(0, "key", pa.array(["9"])).set_column(1, "uid", [["u9"]])
    rows = pa.concat_tables([with_images.append_column("jpg", pa.array([images[7]], pa.binary())),
                             pa.table({"key": ["10"], "uid": ["u10"], "status": ["failed"],
                                       "jpg": pa.array([None], pa.binary())})])  # fmt: skip
    pq.write_table(rows, tmp_path / "in/e.parquet")
    outcome = captionlake("read-images", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert outcome.exit_code == 0, outcome.stderr
    assert "left unread: unseen.jpg: files and folders whose names begin with _ or ." in caplog.text
    assert outcome.summary["counts"] == {
        "rows_in": 14, "images": 9, "faulty": 5, "rejected": 0, "other_files": 3,
        "image_broken": 1, "image_format": 1, "json_broken": 1, "no_image": 1, "tar_cut_off": 1,
    }  # fmt: skip
    by_key = images_by_key(spark, tmp_path / "out")
    assert {key: (row.uid, row.fault) for key, row in by_key.items()} == {
        "a/00000/0": ("u0", None),
        "a/00000/1.PNG": (uid_of("a/00000/1.PNG"), None),
        "a/00000/2": ("u2", "image_broken"),
        "a/00000/3": (uid_of("a/00000/3"), "json_broken"),
        "a/00000/4.jpg": (uid_of("a/00000/4.jpg"), "image_format"),
        "b/00000/0": (uid_of("b/00000/0"), None),
        "b/00001": (uid_of("b/00001"), "tar_cut_off"),
        "c/tench/1.jpg": (uid_of("c/tench/1.jpg"), None),
        "c/tench/1.png": (uid_of("c/tench/1.png"), None),
        "c/ein Käfer/ü 1.JPG": (uid_of("c/ein Käfer/ü 1.JPG"), None),
        "d/00000/7": ("u7", None),
        "e/9": ("u9", None),
        "e/10": ("u10", "no_image"),
    } | {"b/00001/0": ("u0x", None)}
    row = by_key["a/00000/0"]
    assert (row.width, row.height, bytes(row.image)) == (40, 30, images[0])
    assert row.sha256 == sha256(images[0]).hexdigest()
    truncated = by_key["a/00000/2"]
    assert (truncated.image, truncated.width) == (None, None)
    assert truncated.sha256 == sha256(images[2][:400]).hexdigest()
    assert (by_key["c/tench/1.png"].width, by_key["c/tench/1.png"].height) == (7, 9)


def test_of_rows_that_share_a_uid_one_stays_and_the_others_are_rejected(
    captionlake, spark: SparkSession, tmp_path: Path
) -> None:
    same = record(uid="same")
    write_tar(tmp_path / "in/0.tar", {"a.jpg": b"none", "a.json": same, "b.jpg": picture(1)})
    write_tar(tmp_path / "in/1.tar", {"a.jpg": picture(2), "a.json": same})
    write_tar(tmp_path / "in/2.tar", {"a.jpg": picture(3), "a.json": same})
    outcome = captionlake("read-images", "--input", tmp_path / "in", "--output", tmp_path / "out")
    counts = outcome.summary["counts"]
    assert counts == {"rows_in": 4, "images": 2, "faulty": 0, "rejected": 2, "other_files": 0}
    by_key = images_by_key(spark, tmp_path / "out")
    assert {key: row.uid for key, row in by_key.items()} == {
        "1/a": "same", "0/b.jpg": uid_of("0/b.jpg")
    }  # fmt: skip
    rejected = read_delta(spark, tmp_path / "rejected").collect()
    assert {(row.reason, row.uid) for row in rejected} == {("duplicate_uid", "same")}
    assert sorted(json.loads(row.row)["key"] for row in rejected) == ["0/a", "2/a"]
    again = captionlake("read-images", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert again.summary["status"] == "up_to_date"


def test_a_folder_without_images_is_one_line(captionlake, tmp_path: Path) -> None:
    write_files(tmp_path / "in", {"readme.md": b"x", "captions.csv": b"y"})
    outcome = captionlake("read-images", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert outcome.exit_code == 3
    assert "no images: expected shards (.tar)" in outcome.error
    assert "captions.csv" in outcome.error


@pytest.fixture
def embed_command(tiny_clip: Path, tmp_path: Path) -> tuple[object, ...]:
    files = ("--input", tmp_path / "out", "--output", tmp_path / "vectors")
    return ("embed-images", *files, "--model", f"open_clip:{tiny_clip}")


@pytest.mark.slow
def test_embed_images_passes_faults_on(
    captionlake, spark: SparkSession, tmp_path: Path, embed_command: tuple[object, ...]
) -> None:
    write_files(tmp_path / "in", {"a.jpg": picture(), "b.jpg": picture()[:300], "c.jpg": b"x"})
    captionlake("read-images", "--input", tmp_path / "in", "--output", tmp_path / "out")
    outcome = captionlake(*embed_command)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {"rows_in": 3, "embedded": 3, "kept": 0, "faulty": 2}
    rows = read_delta(spark, tmp_path / "vectors").collect()
    assert {row.uid: row.fault for row in rows} == {
        uid_of("a.jpg"): None,
        uid_of("b.jpg"): "image_broken",
        uid_of("c.jpg"): "image_format",
    }
    assert [*rows[0].asDict()] == ["uid", "item_hash", "embedding", "model", "weights", "fault"]
    assert captionlake(*embed_command, "--force").summary["counts"]["kept"] == 3
