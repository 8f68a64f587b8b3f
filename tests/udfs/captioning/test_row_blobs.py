"""Rows in blobs are the rows that were packed, in their order."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from udfs.captioning import row_blobs
from udfs.captioning.row_blobs import blob_starts, pack_rows, unpacked_rows


def test_unpacked_rows_are_those_that_were_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    for n in (0, 1, 2, 500):
        texts = [None if k % 7 == 3 else "x" * int(generator.integers(0, 90)) for k in range(n)]
        rows = pa.RecordBatch.from_arrays(
            [pa.array(texts, pa.string()), pa.array(range(n), pa.int64())], ["text", "number"]
        )
        sliced = rows.slice(n // 3)  # whose buffers are its parent's
        sizes = np.array([len(text or "") + 8 for text in sliced["text"].to_pylist()], np.int64)
        for most, at_once in ((1, 1), (100, 300), (1 << 20, 1 << 20)):
            monkeypatch.setattr(row_blobs, "_BLOB_BYTES", most)
            monkeypatch.setattr(row_blobs, "_AT_ONCE", at_once)
            starts = blob_starts(sizes)
            blobs = pack_rows(sliced, starts)
            assert all(
                end - start == 1 or sizes[start:end].sum() <= most
                for start, end in pairwise(starts)
            )
            with_null = pa.concat_arrays([pa.nulls(1, pa.binary()), blobs])
            unpacked = unpacked_rows([with_null.slice(0, 2), with_null.slice(2)], rows.schema)
            assert pa.Table.from_batches(unpacked, rows.schema).to_pylist() == sliced.to_pylist()
