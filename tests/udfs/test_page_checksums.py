import random
import zlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs.page_checksums import with_page_checksums
from udfs.thrift_compact import Reader, encoded

CRC, COMPRESSED_SIZE = 4, 3


def rows(n: int, seed: int) -> pa.Table:
    """Columns of all kinds of nesting, with nulls; values of few and of many bytes."""
    drawn = random.Random(seed)
    texts = [drawn.choice([None, "", "a cat", "é" * drawn.randrange(300)]) for _ in range(n)]
    return pa.table(
        {
            "uid": [f"{drawn.getrandbits(128):032x}" for _ in range(n)],
            "caption": pa.array(texts, pa.string()),
            "entry_ids": pa.array(
                [[drawn.randrange(9)] * drawn.randrange(4) for _ in range(n)], pa.list_(pa.int32())
            ),
            "score": np.random.default_rng(seed).random(n),
            "is_in": pa.array([drawn.choice([None, True, False]) for _ in range(n)], pa.bool_()),
            "all_null": pa.nulls(n, pa.int16()),
            "pair": pa.array(
                [drawn.choice([None, {"a": k, "b": str(k)}]) for k in range(n)],
                pa.struct({"a": pa.int64(), "b": pa.string()}),
            ),
            "by_name": pa.array(
                [[("k", k)] * drawn.randrange(3) for k in range(n)], pa.map_(pa.string(), pa.int8())
            )
            if n < 100
            else pa.nulls(n, pa.map_(pa.string(), pa.int8())),
        }
    )


def stored(table: pa.Table, **options: object) -> memoryview:
    sink = pa.BufferOutputStream()
    group_rows = options.pop("row_group_size", None)
    with pq.ParquetWriter(sink, table.schema, **options) as writer:
        writer.write_table(table, row_group_size=group_rows)
    return memoryview(sink.getvalue())


def page_headers(file: bytes) -> Iterator[tuple[dict[int, object], bytes]]:
    """(fields of the header, data) of each page, as the footer says where these are."""
    footer = pq.read_metadata(pa.BufferReader(file))
    for k in range(footer.num_row_groups):
        for i in range(footer.num_columns):
            column = footer.row_group(k).column(i)
            start = column.dictionary_page_offset or column.data_page_offset
            end = start + column.total_compressed_size
            while start < end:
                reader = Reader(memoryview(file), start)
                header = {number: value for number, _, value in reader.struct()}
                start = reader.position + header[COMPRESSED_SIZE]
                yield header, file[reader.position : start]
            assert start == end


@pytest.mark.parametrize("codec", ["snappy", "zstd", "none"])
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_rows_stay_and_each_page_has_its_checksum(codec: str, use_dictionary: bool) -> None:
    for seed, n in enumerate([1, 2, 99, 5_000]):
        table = rows(n, seed)
        plain = stored(
            table,
            compression=codec,
            use_dictionary=use_dictionary,
            row_group_size=max(1, n // 3),
            data_page_size=4_096,
        )
        file = b"".join(with_page_checksums(plain))
        assert pq.read_table(pa.BufferReader(file)).equals(table)
        pages = list(page_headers(file))
        assert pages
        for header, data in pages:
            assert header[CRC] == np.uint32(zlib.crc32(data)).view(np.int32)


def test_metadata_is_that_which_was_asked_for() -> None:
    table = rows(10, 1)
    for store_schema in (False, True):
        plain = stored(table, store_schema=store_schema)
        file = b"".join(with_page_checksums(plain, {"a": "1", "é": ""}))
        footer = pq.read_metadata(pa.BufferReader(file))
        assert footer.metadata == {b"a": b"1", "é".encode(): b""}
        assert pq.read_table(pa.BufferReader(file)).num_rows == 10


def test_a_file_with_checksums_is_left_with_the_same_ones() -> None:
    file = b"".join(with_page_checksums(stored(rows(200, 1))))
    assert b"".join(with_page_checksums(memoryview(file))) == file


def test_footer_is_encoded_as_pyarrow_does() -> None:
    file = stored(rows(300, 2), row_group_size=10).cast("B")
    start = len(file) - 8 - int.from_bytes(file[-8:-4], "little")
    assert encoded(Reader(file, start).struct()) == bytes(file[start:-8])
