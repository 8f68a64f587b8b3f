"""arrange-images: files in a folder per class, with the bytes that the shards have."""

import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.jobs import arrange_images
from tests.delta_tables import read_delta


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*.*") if path.is_file() and path.suffix != ".json")
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in files
        if not path.name.startswith((".", "_"))
    }


@pytest.fixture(scope="module")
def laionet_labels(spark: SparkSession, cases: Path, tmp_path_factory) -> Path:
    """wnid and LAION's row id by the uid of the key that img2dataset gave the row."""
    subset = pd.read_parquet(cases / "laionet_arrange/input_subset.parquet")
    rows = [
        (f"{row // 10:05}/{row:06}", int(row_id), wnid)
        for row, (row_id, wnid) in enumerate(zip(subset.index, subset.wnid, strict=True))
    ]
    labels = spark.createDataFrame(rows, "key string, row_id long, wnid string")
    path = tmp_path_factory.mktemp("labels") / "labels"
    labels.withColumn("uid", F.md5("key")).write.format("delta").save(str(path))
    return path


@pytest.mark.slow
def test_laionet_as_published_with_the_bytes_of_the_shards(
    captionlake, spark: SparkSession, cases: Path, laionet_labels: Path, tmp_path: Path
) -> None:
    outcome = captionlake(
        *("arrange-images", "--input", cases / "laionet_arrange/input_shards"),
        *("--layout", "laionet", "--labels", laionet_labels, "--name-column", "row_id"),
        *("--output", tmp_path / "images", "--metadata", tmp_path / "arranged"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    expected = pd.read_parquet(cases / "laionet_arrange/expected_files.parquet")
    assert digests(tmp_path / "images") == dict(
        zip(expected.path, expected.sha256_in_shard, strict=True)
    )
    counts = outcome.summary["counts"]
    assert counts["rows_in"] == counts["arranged"] == len(expected) == 44
    rows = read_delta(spark, tmp_path / "arranged").toPandas()
    assert sorted(rows.path) == sorted(expected.path)
    assert not (tmp_path / "rejected").exists()


def test_unmet_promise_as_published_but_for_folders_that_collide(
    captionlake, spark: SparkSession, cases: Path, tmp_path: Path
) -> None:
    from torchvision.datasets import ImageFolder

    case = cases / "unmet_arrange"
    with tarfile.open(case / "input_downloads.tar") as archive:
        archive.extractall(tmp_path / "in", filter="data")
    outcome = captionlake(
        *("arrange-images", "--input", tmp_path / "in", "--layout", "classes"),
        *("--output", tmp_path / "images", "--metadata", tmp_path / "arranged"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    folders = json.loads((tmp_path / "images/class_folders.json").read_text())
    metadata = json.loads((tmp_path / "images/metadata.json").read_text())
    expected_metadata = json.loads((case / "expected_metadata.json").read_text())
    assert metadata == expected_metadata
    assert {name: f for name, f in folders.items() if "/" not in name} == {
        name: name for name in folders if "/" not in name
    }
    ours = {folder: name.replace("/", "_") for name, folder in folders.items()}
    files = digests(tmp_path / "images")
    as_published = {
        f"{ours[path.split('/')[0]]}/{path.split('/')[1]}": d for path, d in files.items()
    }
    expected = pd.read_parquet(case / "expected_files.parquet")
    assert as_published == dict(zip(expected.path, expected.sha256, strict=True))
    assert len(files) == 54
    dataset = ImageFolder(str(tmp_path / "images"))
    assert len(dataset) == 54
    assert dataset.classes == sorted(folders.values())
    rows = read_delta(spark, tmp_path / "arranged").toPandas()
    assert {*rows.path} == {*files}
    by_name = {
        path.split("/")[1].split(".")[0]: row for path, row in rows.set_index("path").iterrows()
    }
    for name, entry in metadata.items():
        assert by_name[name]["class"] == entry["QUERY"]
        similarity = by_name[name].similarity
        assert (None if pd.isna(similarity) else similarity) == entry["similarity"]
        assert by_name[name].original_width == entry["original_width"]


SAME_NAME = {"uid": "same", "wnid": "n1"}


@pytest.fixture
def odd_shards(tmp_path: Path) -> Path:
    """Classes that lead out, that differ in case or in `/` only; uids twice; rows without class."""
    records: list[tuple[dict[str, object], bytes]] = [
        ({"uid": "../../u0", "wnid": ".."}, JPEG + b"0"),
        ({"uid": "u1", "wnid": "a/b"}, JPEG + b"1"),
        ({"uid": "u2", "wnid": "a_b"}, JPEG + b"2"),
        ({"uid": "u3", "wnid": "Crane"}, JPEG + b"3"),
        ({"uid": "u4", "wnid": "crane"}, JPEG + b"4"),
        ({"uid": "u5", "wnid": "/abs"}, JPEG + b"5"),
        ({"uid": "u6", "wnid": None}, JPEG + b"6"),
        ({"uid": "u7"}, JPEG + b"7"),
        ({"uid": "u8", "wnid": "n1"}, b"none"),
        ({"uid": "u9", "wnid": 5}, JPEG + b"9"),
        (SAME_NAME, JPEG + b"first"),
    ]
    with_bytes = {
        f"{k:02}": (json.dumps(fields).encode(), c) for k, (fields, c) in enumerate(records)
    }
    write_shard(tmp_path / "in/0.tar", with_bytes)
    again = (json.dumps(SAME_NAME).encode(), JPEG + b"second")
    elsewhere = (json.dumps({**SAME_NAME, "wnid": "n2"}).encode(), JPEG + b"third")
    write_shard(tmp_path / "in/1.tar", {"0": again, "1": elsewhere})
    return tmp_path / "in"


JPEG = b"\xff\xd8\xff"


def write_shard(path: Path, samples: dict[str, tuple[bytes, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for key, (fields, content) in samples.items():
            for name, part in ((f"{key}.jpg", content), (f"{key}.json", fields)):
                header = tarfile.TarInfo(name)
                header.size = len(part)
                archive.addfile(header, io.BytesIO(part))


def test_names_are_safe_and_one_to_one_and_all_rows_add_up(
    captionlake, spark: SparkSession, odd_shards: Path, tmp_path: Path
) -> None:
    before = {*tmp_path.parent.iterdir()}
    command = (
        *("arrange-images", "--input", odd_shards, "--layout", "laionet"),
        *("--output", tmp_path / "images", "--metadata", tmp_path / "arranged"),
    )
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {
        "rows_in": 13, "arranged": 8, "classes": 8, "rejected": 5,
        "duplicate_name": 2, "image_format": 1, "no_class": 2,
    }  # fmt: skip
    folders = json.loads((tmp_path / "images/class_folders.json").read_text())
    assert {*folders} == {"..", "a/b", "a_b", "Crane", "crane", "/abs", "5", "n1"}
    assert len({folder.lower() for folder in folders.values()}) == 8
    assert (folders["a_b"], folders["crane"], folders["n1"]) == ("a_b", "crane", "n1")
    rows = read_delta(spark, tmp_path / "arranged").collect()
    by_uid = {row.uid: row for row in rows}
    content = {uid: (tmp_path / "images" / row.path).read_bytes() for uid, row in by_uid.items()}
    assert content["same"] == JPEG + b"first"
    assert all(content[f"u{k}"] == JPEG + str(k).encode() for k in (1, 2, 3, 4, 5, 9))
    assert content["../../u0"] == JPEG + b"0"
    assert {row.path for row in rows} == {*digests(tmp_path / "images")}
    assert {*tmp_path.parent.iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {
        "in", "images", "arranged", "runs", "rejected"
    }  # fmt: skip
    rejected = read_delta(spark, tmp_path / "rejected").collect()
    assert sorted((row.uid, row.reason) for row in rejected) == [
        ("same", "duplicate_name"), ("same", "duplicate_name"), ("u6", "no_class"),
        ("u7", "no_class"), ("u8", "image_format"),
    ]  # fmt: skip
    assert captionlake(*command).summary["status"] == "up_to_date"


@pytest.mark.slow
def test_a_table_of_images_with_labels_replaces_what_an_earlier_run_wrote(
    captionlake, spark: SparkSession, tmp_path: Path
) -> None:
    schema = (
        "uid string, key string, image binary, width int, height int, sha256 string, fault string"
    )
    images = [
        ("u1", "0/1", JPEG + b"1", 4, 3, "ab", None),
        ("u2", "tench/2.PNG", b"\x89PNG\r\n\x1a\n", 4, 3, "cd", None),
        ("u3", "0/3", None, None, None, None, "image_broken"),
        ("u4", "0/4", JPEG, 4, 3, "ef", None),
    ]
    spark.createDataFrame(images, schema).write.format("delta").save(str(tmp_path / "in"))
    labels = spark.createDataFrame(
        [("u1", 7), ("u2", 7), ("u3", 7), ("other", 8)], "uid string, c int"
    )
    labels.write.format("delta").save(str(tmp_path / "labels"))
    command = (
        *(
            "arrange-images",
            "--input",
            tmp_path / "in",
            "--layout",
            "classes",
            "--class-column",
            "c",
        ),
        *("--output", tmp_path / "images", "--metadata", tmp_path / "arranged"),
        *("--labels", tmp_path / "labels"),
    )
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {
        "rows_in": 4, "arranged": 2, "classes": 1, "rejected": 2, "image_broken": 1, "no_class": 1
    }  # fmt: skip
    assert {*digests(tmp_path / "images")} == {"7/1.jpg", "7/u2.png"}
    assert json.loads((tmp_path / "images/metadata.json").read_text())["1"]["sha256"] == "ab"
    fewer = labels.where("uid = 'u1'").withColumn("c", F.lit(9))
    fewer.write.format("delta").mode("overwrite").save(str(tmp_path / "labels"))
    assert captionlake(*command).exit_code == 0
    assert {*digests(tmp_path / "images")} == {"9/1.jpg"}
    assert not (tmp_path / "images/7").exists()
    (tmp_path / "images/9/mine.jpg").write_bytes(b"x")
    refused = captionlake(*command, "--force")
    assert refused.exit_code == 3
    assert "holds other files, such as 9/mine.jpg" in refused.error


@pytest.mark.slow
def test_a_run_that_dies_while_writing_leaves_the_images_of_the_last_one(
    captionlake, odd_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (
        *("arrange-images", "--input", odd_shards, "--layout", "laionet"),
        *("--output", tmp_path / "images", "--metadata", tmp_path / "arranged"),
    )
    captionlake(*command)
    before = digests(tmp_path / "images")
    write_shard(odd_shards / "2.tar", {"9": (b'{"uid": "new", "wnid": "n9"}', JPEG)})

    def dies(*_arguments: object) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(arrange_images, "write_class_folders", dies)
        failed = captionlake(*command)
    assert failed.exit_code == 3
    assert digests(tmp_path / "images") == before
    assert [path.name for path in (tmp_path / "images").glob(".w*")] == []
    assert captionlake(*command).exit_code == 0
    assert {*digests(tmp_path / "images")} == {*before, "n9/new.jpg"}
