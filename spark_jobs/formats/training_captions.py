"""The captions that a sentence encoder is trained on, as a snapshot in the training's folder."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.schemas import CAPTION
from udfs.simcse.process import CAPTIONS
from udfs.training.manifest import Manifest
from udfs.training.snapshot_files import write_snapshot

_ROWS_PER_FILE = 1_000_000
_ROW_GROUP_ROWS = 10_000
_ROW_GROUPS_PER_WORKER = 8


def write_captions(captions: DataFrame, folder: Path, n_rows: int, workers: int) -> Manifest:
    """Write the column `caption` as a snapshot, in an order that depends on the captions alone."""
    ordered = captions.select(CAPTION).orderBy(F.xxhash64(CAPTION), CAPTION)
    batches = record_batches(ordered, in_order=True)
    per_group = max(1, min(_ROW_GROUP_ROWS, n_rows // (_ROW_GROUPS_PER_WORKER * workers)))
    return write_snapshot(str(folder / CAPTIONS), _tables(batches), row_group_rows=per_group)


def _tables(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Tables of the same rows whatever the batches are."""
    parts: list[pa.RecordBatch] = []
    n_rows = 0
    for batch in batches:
        while n_rows + batch.num_rows >= _ROWS_PER_FILE:
            yield _table([*parts, batch.slice(0, _ROWS_PER_FILE - n_rows)])
            batch = batch.slice(_ROWS_PER_FILE - n_rows)
            parts, n_rows = [], 0
        parts.append(batch)
        n_rows += batch.num_rows
    if n_rows:
        yield _table(parts)


def _table(parts: Sequence[pa.RecordBatch]) -> pa.Table:
    texts = chain.from_iterable(part.column(0).to_pylist() for part in parts)
    return pa.table({CAPTION: pa.array(texts, pa.string())})
