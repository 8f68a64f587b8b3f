"""Files of pairs, read back by what reads them: pandas, pyarrow, csv, img2dataset."""

import csv
import json
import math
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs.pair_files import PairFormat, write_empty_file, write_pair_files

ODD = [
    *('a "quoted" cat', '"', '""', "back\\slash \\n \\u0041", "line\nfeed", "\n", "comma, comma"),
    *("carriage\rreturn\r\nboth", "tab\there", "bell\x07", "\ufeffmark first"),
    *("line\u2028paragraph\u2029", "\u0085next", "emoji 🐈\u200d⬛ 👩🏽\u200d🚀", "שלום \u202ertl"),
    *("e\u0301 and é", "漢字 한국어", "\ufffd", " ", "  spaces  ", "null", "NA", "[]", "{}"),
    *("-1", "=1+1", "a;b", "'", "#no comment", "x" * 300_000),
]  # fmt: skip
FLAGS = ["without_url", "odd"]


def uid_of(k: int) -> str:
    return f"{k:024x}abcdef12"


def written(
    folder: Path, format_: PairFormat, captions: list[str | None], n_files: int = 1
) -> list[dict[str, object]]:
    """What the task that writes these captions says of its files."""
    n = len(captions)
    chunks = sorted(k % n_files for k in range(n))
    names = ["_chunk", *FLAGS, "c0", "c1", "c2"]
    columns = [
        pa.array(chunks, pa.int32()),
        pa.array([k == 0 for k in range(n)]),
        pa.array([None if k == 1 else True for k in range(n)]),
        pa.array([uid_of(k) for k in range(n)]),
        pa.array([None if k == 0 else f"https://a.b/{k}.jpg?w=1,2" for k in range(n)]),
        pa.array(captions, pa.string()),
    ]
    whole = pa.RecordBatch.from_arrays(columns, names)
    batches = [whole.slice(start, 7) for start in range(0, n, 7)]
    write = write_pair_files(str(folder), "pairs", format_, ["uid", "url", "caption"], FLAGS)
    return [row for batch in write(batches) for row in batch.to_pylist()]


def read_by_pandas(folder: Path, format_: PairFormat) -> list[str]:
    files = sorted(folder.glob(f"*.{format_}"))
    frames = [
        {
            "parquet": lambda file: pd.read_parquet(file),
            "csv": lambda file: pd.read_csv(file, keep_default_na=False),
            "jsonl": lambda file: pd.read_json(file, lines=True),
        }[format_](file)
        for file in files
    ]
    frame = pd.concat(frames)
    assert [*frame.columns] == ["uid", "url", "caption"]
    return [*frame.sort_values("uid").caption]


@pytest.mark.parametrize("format_", ["parquet", "csv", "jsonl"])
def test_pandas_reads_captions_as_they_were(tmp_path: Path, format_: PairFormat) -> None:
    rows = written(tmp_path, format_, ODD, n_files=3)
    assert read_by_pandas(tmp_path, format_) == ODD
    assert [row["file"] for row in rows] == [f"pairs_0000{k}.{format_}" for k in range(3)]
    assert sum(row["rows"] for row in rows) == len(ODD)
    assert [sum(row[flag] for row in rows) for flag in FLAGS] == [1, len(ODD) - 1]
    assert sorted(f.name for f in tmp_path.iterdir()) == [row["file"] for row in rows]


def test_python_reads_the_csv_as_it_was(tmp_path: Path) -> None:
    written(tmp_path, "csv", ODD)
    csv.field_size_limit(1 << 20)
    with (tmp_path / "pairs_00000.csv").open(newline="", encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert [row["caption"] for row in rows] == ODD
    assert [rows[0]["url"], rows[2]["url"]] == ["", "https://a.b/2.jpg?w=1,2"]


def test_json_lines_are_ascii_objects_with_null_for_what_is_missing(tmp_path: Path) -> None:
    written(tmp_path, "jsonl", ["nul\x00 and 猫", None])
    lines = (tmp_path / "pairs_00000.jsonl").read_bytes().decode("ascii").splitlines()
    assert [json.loads(line)["caption"] for line in lines] == ["nul\x00 and 猫", None]
    assert json.loads(lines[0])["url"] is None


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["parquet", "csv", "jsonl"])
def test_img2dataset_reads_urls_captions_and_uids(tmp_path: Path, format_: PairFormat) -> None:
    reader = pytest.importorskip("img2dataset.reader")
    captions = [caption for caption in ODD if len(caption) < 1000]
    for folder in ("list", "tmp"):
        (tmp_path / folder).mkdir()
    written(tmp_path / "list", format_, captions, n_files=2)
    shards = reader.Reader(
        str(tmp_path / "list"), format_, "url", "caption", None, None, ["uid"],
        number_sample_per_shard=10, done_shards=set(), tmp_path=str(tmp_path / "tmp"),
    )  # fmt: skip
    tables = [pa.ipc.open_file(file).read_all() for _, file in shards]
    rows = {row["uid"]: row for table in tables for row in table.to_pylist()}
    assert [rows[uid_of(k)]["caption"] for k in range(len(captions))] == captions
    assert rows[uid_of(2)]["url"] == "https://a.b/2.jpg?w=1,2"


def test_values_of_other_types(tmp_path: Path) -> None:
    values = {
        "whole": pa.array([2**53 + 1], pa.int64()),
        "real": pa.array([0.1], pa.float64()),
        "single": pa.array([0.1], pa.float32()),
        "nan": pa.array([math.nan], pa.float64()),
        "yes": pa.array([True]),
        "day": pa.array([date(2024, 2, 29)]),
        "time": pa.array([datetime(2024, 2, 29, 1, 2, 3)], pa.timestamp("us", "UTC")),
        "exact": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
        "ids": pa.array([[1, 2]], pa.list_(pa.int32())),
    }
    for format_ in ("parquet", "jsonl", "csv"):
        chosen = {k: v for k, v in values.items() if not (format_ == "csv" and k == "ids")}
        arrays = [pa.array([0], pa.int32()), *chosen.values()]
        names = ["_chunk", *(f"c{k}" for k in range(len(chosen)))]
        batch = pa.RecordBatch.from_arrays(arrays, names)
        assert [*write_pair_files(str(tmp_path), "pairs", format_, [*chosen], [])([batch])]
    table = pq.read_table(tmp_path / "pairs_00000.parquet")
    assert table.column_names == [*values]
    assert table.column("ids").to_pylist() == [[1, 2]]
    item = json.loads((tmp_path / "pairs_00000.jsonl").read_text())
    assert item == {
        "whole": 2**53 + 1, "real": 0.1, "single": pytest.approx(0.1), "nan": None, "yes": True,
        "day": "2024-02-29", "time": "2024-02-29 01:02:03+00:00", "exact": "1.50", "ids": [1, 2],
    }  # fmt: skip
    (row,) = csv.DictReader((tmp_path / "pairs_00000.csv").open())
    assert row == {
        "whole": str(2**53 + 1), "real": "0.1", "single": "0.1", "nan": "nan", "yes": "true",
        "day": "2024-02-29", "time": "2024-02-29 01:02:03.000000Z", "exact": "1.50",
    }  # fmt: skip


@pytest.mark.parametrize("format_", ["parquet", "csv", "jsonl"])
def test_a_table_without_rows_is_one_file(tmp_path: Path, format_: PairFormat) -> None:
    assert written(tmp_path, format_, []) == []
    write_empty_file(str(tmp_path), "pairs", format_, pa.schema({"uid": pa.string()}))
    (file,) = tmp_path.iterdir()
    contents = {"csv": b'"uid"\n', "jsonl": b""}
    if format_ == "parquet":
        assert pq.read_table(file).schema.names == ["uid"]
    else:
        assert file.read_bytes() == contents[format_]


def test_row_groups_are_large_though_batches_are_small(tmp_path: Path) -> None:
    written(tmp_path, "parquet", ["a caption"] * 5000)
    assert pq.ParquetFile(tmp_path / "pairs_00000.parquet").num_row_groups == 1
