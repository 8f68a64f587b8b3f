import json
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs import table_files
from udfs.arrow import Batches
from udfs.balancing import count_entries_and_rows
from udfs.id_counts import Kind
from udfs.table_files import FILE, sum_counts_and_files, write_and_count

KINDS = [Kind(), Kind(at_least=0)]


def batches(n: int, size: int = 100) -> list[pa.RecordBatch]:
    rows = pa.table(
        {
            "uid": [md5(b"%d" % k).hexdigest() for k in range(n)],
            "entry_ids": pa.array([[k % 7] * (k % 3) for k in range(n)], pa.list_(pa.int32())),
            "(key)": list(range(n)),
        }
    )
    return list(rows.to_batches(max_chunksize=size))


def written(folder: Path, given: Batches) -> tuple[pa.Table, list[dict[str, object]]]:
    """The summed counts, and the files."""
    write = write_and_count(str(folder), "w", ["uid", "entry_ids"], count_entries_and_rows())
    packed = pa.Table.from_batches(write(given)).sort_by("part")
    summed = pa.Table.from_batches(sum_counts_and_files(KINDS)(packed.to_batches()))
    is_file = pa.compute.is_valid(summed[FILE])
    files = [json.loads(file) for file in summed.filter(is_file)[FILE].to_pylist()]
    return summed.filter(pa.compute.invert(is_file)).drop_columns([FILE]), files


def test_rows_are_in_files_and_counted(tmp_path: Path) -> None:
    counts, files = written(tmp_path, batches(1_000))
    stored = pa.concat_tables(pq.read_table(tmp_path / str(file["path"])) for file in files)
    expected = pa.Table.from_batches(batches(1_000))
    assert stored.equals(expected.select(["uid", "entry_ids"]))
    kinds = {(row["kind"], row["id"]): row["count"] for row in counts.to_pylist()}
    ids = [i for each in expected["entry_ids"].to_pylist() for i in each]
    assert {i: kinds[0, i] for i in range(7)} == {i: ids.count(i) for i in range(7)}
    assert (kinds[1, 0], kinds[1, 1]) == (1_000, sum(k % 3 > 0 for k in range(1_000)))


def test_files_of_many_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "_GROUP_BYTES", 20_000)
    monkeypatch.setattr(table_files, "_FILE_BYTES", 30_000)
    _, files = written(tmp_path, batches(5_000))
    paths = [tmp_path / str(file["path"]) for file in files]
    assert len(paths) > 2
    assert sorted(paths) == sorted(tmp_path.glob("*"))
    tables = [pq.read_table(path) for path in paths]
    assert pq.read_metadata(paths[0]).num_row_groups > 1
    expected = pa.Table.from_batches(batches(5_000)).select(["uid", "entry_ids"])
    assert pa.concat_tables(tables).sort_by("uid").equals(expected.sort_by("uid"))
    assert [path.stat().st_size for path in paths] == [file["size"] for file in files]
    n_records = [json.loads(str(file["stats"]))["numRecords"] for file in files]
    assert n_records == [table.num_rows for table in tables]


def test_fields_of_structs_that_are_null_may_be_null(tmp_path: Path) -> None:
    """Spark calls them not nullable, and the newest pyarrow then refuses to write them."""
    inner = pa.struct([pa.field("a", pa.int64(), nullable=False)])
    is_there = pa.array([True, False]).buffers()[1]
    a = pa.array([1, None], pa.int64())
    pairs = pa.StructArray.from_buffers(inner, 2, [is_there], children=[a])
    listed = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pairs)
    fields = [pa.field("pair", inner), pa.field("pairs", pa.list_(pa.field("element", inner)))]
    fields.append(pa.field("entry_ids", pa.list_(pa.int32()), nullable=False))
    ids = pa.array([[1], []], fields[-1].type)
    rows = pa.RecordBatch.from_arrays([pairs, listed, ids], schema=pa.schema(fields))
    names = rows.schema.names
    list(write_and_count(str(tmp_path), "w", names, count_entries_and_rows())([rows]))
    [path] = tmp_path.iterdir()
    stored = pq.read_table(path)
    assert stored.to_pylist() == [
        {"pair": {"a": 1}, "pairs": [{"a": 1}], "entry_ids": [1]},
        {"pair": None, "pairs": [None], "entry_ids": []},
    ]
    assert stored.schema.field("entry_ids").nullable
    assert stored.schema.field("pair").type.field("a").nullable


def test_no_rows_make_no_file(tmp_path: Path) -> None:
    _, files = written(tmp_path, [batches(1)[0].slice(0, 0)])
    assert files == []
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "_GROUP_BYTES", 1)
    monkeypatch.setattr(table_files, "_FILE_BYTES", 1)
    seen: list[int] = []

    def failing() -> Iterator[pa.RecordBatch]:
        yield from batches(300)
        seen.append(len(list(tmp_path.iterdir())))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        written(tmp_path, failing())
    assert seen == [3]
    assert list(tmp_path.iterdir()) == []
