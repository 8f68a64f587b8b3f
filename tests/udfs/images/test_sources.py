"""Files as img2dataset's own writers leave them, and what cannot be read."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs.images.samples import parse_record, rows_of
from udfs.images.sources import Source, image_column, read_sources, samples_of, shard_name
from udfs.task_errors import TaskInputError

JPEG = b"\xff\xd8\xff" + b"x" * 700
SCHEMA = pa.schema([("key", pa.string()), ("uid", pa.string()), ("caption", pa.string())])


def write_by_img2dataset(writer: str, folder: Path) -> None:
    from img2dataset import writer as writers

    schema = SCHEMA.append(pa.field("txt", pa.string())) if "Parquet" in writer else SCHEMA
    samples = getattr(writers, writer)(3, str(folder), True, 5, schema, "jpg")
    for key, image in (("000000030", JPEG), ("000000031", None)):
        meta = {"key": key, "uid": f"u{key[-1]}", "caption": "a cat"}
        samples.write(image, key, "a cat", meta)
    samples.close()


def rows(kind: str, names: list[str], paths: list[Path], records: list[Path | None]) -> list[dict]:
    columns = {
        "kind": [kind],
        "names": [names],
        "paths": [[*map(str, paths)]],
        "records": [[None if r is None else str(r) for r in records]],
    }
    types = {name: pa.list_(pa.string()) for name in ("names", "paths", "records")}
    schema = pa.schema({"kind": pa.string(), **types})
    batch = pa.RecordBatch.from_pydict(columns, schema)
    return [row for part in read_sources("format")([batch]) for row in part.to_pylist()]


def told(found: list[dict]) -> list[tuple[object, ...]]:
    return [(row["key"], row["uid"], row["fault"]) for row in found if row["uid"] is not None]


def test_the_three_forms_of_img2dataset(tmp_path: Path) -> None:
    for name in ("Parquet", "WebDataset", "Files"):
        (tmp_path / name).mkdir()
        write_by_img2dataset(f"{name}SampleWriter", tmp_path / name)
    image = ("00003/000000030", "u0", None)
    parquet = rows("parquet", ["00003.parquet"], [tmp_path / "Parquet/00003.parquet"], [None])
    assert told(parquet) == [image, ("00003/000000031", "u1", "no_image")]
    assert parse_record(parquet[0]["record"].encode())["caption"] == "a cat"
    assert told(rows("tar", ["00003.tar"], [tmp_path / "WebDataset/00003.tar"], [None])) == [image]
    folder = tmp_path / "Files/00003"
    files = rows(
        "files",
        ["00003/000000030.jpg"],
        [folder / "000000030.jpg"],
        [folder / "000000030.json"],
    )
    assert told(files) == [image]
    metadata = rows("parquet", ["x.parquet"], [tmp_path / "Files/00003.parquet"], [None])
    assert (told(metadata), metadata[0]["others"]) == ([], 1)


def test_parquet_of_hugging_faces_datasets(tmp_path: Path) -> None:
    images = [{"bytes": JPEG, "path": "a/n01.PNG"}, {"bytes": None, "path": "b.jpg"}, None]
    struct = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"image": pa.array(images, struct), "label": [7, 8, 9]})
    pq.write_table(table, tmp_path / "train.parquet")
    found = rows("parquet", ["train.parquet"], [tmp_path / "train.parquet"], [None])
    assert [(row["key"], row["fault"], row["image"], row["extension"]) for row in found] == [
        ("train/0", None, JPEG, "PNG"),
        ("train/1", "no_image", None, "jpg"),
        ("train/2", "no_image", None, "jpg"),
    ]
    assert parse_record(found[0]["record"].encode()) == {"label": 7}


def test_parquet_that_is_none_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 and no more")
    ((key, _, fault),) = told(rows("parquet", ["a.parquet"], [path], [None]))
    assert (key, fault) == ("a", "parquet_broken")


def test_a_file_that_is_gone_is_one_line(tmp_path: Path) -> None:
    source = Source("tar", ["a.tar"], [str(tmp_path / "a.tar")], [None])
    with pytest.raises(TaskInputError, match=r"a\.tar: cannot be read"):
        [*samples_of(source)]


def test_rows_of_parquet_come_64_at_a_time(tmp_path: Path) -> None:
    pq.write_table(pa.table({"jpg": [JPEG] * 200}), tmp_path / "a.parquet")
    samples = samples_of(Source("parquet", ["a.parquet"], [str(tmp_path / "a.parquet")], [None]))
    batches = [*rows_of(samples, "format")]
    assert [batch.num_rows for batch in batches] == [64, 64, 64, 8]
    assert batches[0].to_pylist()[1]["key"] == "a/1"


def test_names_of_shards_and_columns() -> None:
    assert [shard_name(f"x/0{end}") for end in (".tar", ".tar.gz", ".TGZ")] == ["x/0"] * 3
    assert image_column(pa.schema({"jpg": pa.string(), "webp": pa.binary()})) == "webp"
    assert image_column(SCHEMA) is None
