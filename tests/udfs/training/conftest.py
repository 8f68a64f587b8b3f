"""Snapshots of made rows, whose uid says which row it is."""

from pathlib import Path

import pyarrow as pa
import pytest

from udfs.training.snapshot import Snapshot, open_snapshot
from udfs.training.snapshot_files import write_snapshot

# Rows of the files: row groups of 10 do not divide them, and one file is empty.
FILES = (103, 7, 0, 55, 38)
SCHEMA = pa.schema([("uid", pa.string()), ("caption", pa.string()), ("n", pa.int64())])


def rows_of(n: int, file: int) -> pa.Table:
    uids = [f"{file}-{row}" for row in range(n)]
    columns = {"uid": uids, "caption": [f"caption {uid}" for uid in uids], "n": [*range(n)]}
    return pa.table(columns, SCHEMA)


def make(folder: Path, *sizes: int, row_group_rows: int = 10) -> Snapshot:
    tables = [rows_of(n, file) for file, n in enumerate(sizes)]
    write_snapshot(str(folder), tables, row_group_rows=row_group_rows)
    return open_snapshot(str(folder), check="digests")


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return make(tmp_path_factory.mktemp("snapshot"), *FILES)


@pytest.fixture(scope="session")
def uids(snapshot: Snapshot) -> list[str]:
    return sorted(f"{file}-{row}" for file, n in enumerate(FILES) for row in range(n))
