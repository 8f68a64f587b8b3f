import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.udfs.test_page_checksums import COMPRESSED_SIZE, rows, stored
from udfs.opened_files import DamagedFileError
from udfs.page_checksums import with_page_checksums
from udfs.row_groups import GROUP, PATH, read_row_groups
from udfs.thrift_compact import Reader, encoded


def read(path: Path, groups: list[int], schema: pa.Schema) -> pa.Table:
    asked = pa.RecordBatch.from_arrays(
        [pa.array([str(path)] * len(groups)), pa.array(groups, pa.int32())], [PATH, GROUP]
    )
    return pa.Table.from_batches(read_row_groups(schema, 100)([asked]), schema)


@pytest.mark.parametrize("n", [1, 50, 2_000])
def test_rows_of_the_groups(tmp_path: Path, n: int) -> None:
    table = rows(n, n)
    path = tmp_path / "t.parquet"
    group_rows = max(1, n // 3)
    path.write_bytes(b"".join(with_page_checksums(stored(table, row_group_size=group_rows))))
    n_groups = -(-n // group_rows)
    assert read(path, list(range(n_groups)), table.schema).equals(table)
    last = read(path, [n_groups - 1], table.schema)
    assert last.equals(table.slice((n_groups - 1) * group_rows))


def test_columns_that_a_file_lacks_are_null(tmp_path: Path) -> None:
    table = rows(20, 3).select(["uid", "score"])
    path = tmp_path / "t.parquet"
    pq.write_table(table, path)
    schema = pa.schema([("new", pa.string()), *table.schema])
    found = read(path, [0], schema)
    assert found["new"].null_count == 20
    assert found.select(["uid", "score"]).equals(table)


def test_a_page_of_negative_size_is_damage(tmp_path: Path) -> None:
    """And not read again and again."""
    sound = b"".join(with_page_checksums(stored(rows(50, 5).select(["score"]))))
    start = pq.read_metadata(pa.BufferReader(sound)).row_group(0).column(0).dictionary_page_offset
    reader = Reader(memoryview(sound), start)
    header = [[n, t, -1 if n == COMPRESSED_SIZE else value] for n, t, value in reader.struct()]
    path = tmp_path / "t.parquet"
    path.write_bytes(sound[:start] + encoded(header).ljust(9, b"\0") + sound[start + 9 :])
    with pytest.raises(DamagedFileError, match="a page has no size"):
        read(path, [0], rows(1, 1).select(["score"]).schema)


def test_a_flipped_bit_is_the_same_rows_or_an_error(tmp_path: Path) -> None:
    table = rows(3_000, 5)
    sound = b"".join(with_page_checksums(stored(table)))
    path, drawn, failed = tmp_path / "t.parquet", random.Random(6), 0
    for _ in range(100):
        damaged = bytearray(sound)
        damaged[drawn.randrange(len(sound))] ^= 1 << drawn.randrange(8)
        path.write_bytes(damaged)
        try:
            found = read(path, [0], table.schema)
        except DamagedFileError as fault:
            failed += str(path) in str(fault)
        else:
            assert found.equals(table)
    assert failed > 50
