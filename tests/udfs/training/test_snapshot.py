"""A snapshot is as its manifest says, or its readers stop with one line."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.udfs.training.conftest import FILES, SCHEMA, make, rows_of
from udfs.training import snapshot_files
from udfs.training.arrow_batches import ArrowBatches
from udfs.training.faults import SnapshotError
from udfs.training.loader import Loader
from udfs.training.snapshot import open_snapshot
from udfs.training.snapshot_files import write_snapshot, write_snapshot_files


def test_row_groups_have_one_size(tmp_path: Path) -> None:
    snapshot = make(tmp_path, *FILES)
    assert [f.row_groups for f in snapshot.manifest.files] == [
        *([10] * 10 + [3], [7], [], [10] * 5 + [5], [10] * 3 + [8])
    ]
    for file in snapshot.manifest.files:
        metadata = pq.read_metadata(tmp_path / file.name)
        groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
        assert [group.num_rows for group in groups] == file.row_groups
    assert snapshot.rows == sum(FILES)
    assert snapshot.columns == SCHEMA.names
    assert snapshot.schema.equals(SCHEMA)


def test_row_groups_of_large_rows_are_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_files, "_MOST_GROUP_BYTES", 3_000)
    writer = snapshot_files._SnapshotWriter(str(tmp_path), 0, pa.schema([("b", pa.binary())]), 100)
    for _ in range(10):
        writer.add([pa.array([b"x" * 1_000])])
    assert writer.close().row_groups == [3, 3, 3, 1]


def test_batches_of_any_size_make_the_same_files(tmp_path: Path) -> None:
    """The function of tasks, whose batches Spark cuts as it likes, and whose files may be there."""
    table = rows_of(57, 0)
    numbered = table.add_column(0, "number", pa.array([0] * 30 + [4] * 27))
    whole: set[tuple[str, bytes]] = set()
    for size in (1, 7, 57):
        write = write_snapshot_files(str(tmp_path), SCHEMA.names, 10, {})
        written = [*write(iter(numbered.to_batches(max_chunksize=size)))]
        groups = [json.loads(batch.column(0)[0].as_py())["row_groups"] for batch in written]
        assert groups == [[10, 10, 10], [10, 10, 7]]
        files = {(f.name, f.read_bytes()) for f in (tmp_path / "data").iterdir()}
        assert {name for name, _ in files} == {"rows-00000.parquet", "rows-00004.parquet"}
        whole = whole or files
        assert files == whole


def change_a_caption(file: Path) -> None:
    """Other rows with the same number of bytes, such as another run may write."""
    table = pq.read_table(file)
    captions = pa.array([text.as_py()[::-1] for text in table["caption"]])
    pq.write_table(table.set_column(1, "caption", captions), file, row_group_size=10)


def leave_rows_out(file: Path) -> None:
    pq.write_table(pq.read_table(file).slice(1), file, row_group_size=10)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def overwrite_its_middle(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[20:40] = b"x" * 20
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Path.unlink, "is missing"),
        (leave_rows_out, "bytes, expected|is not the file"),
        (cut_off, "bytes, expected"),
        (change_a_caption, "bytes, expected|is not the file"),
    ],
)
def test_a_changed_file_stops_the_run(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    before = make(tmp_path, 103, 38)
    change(tmp_path / "data" / "rows-00001.parquet")
    with pytest.raises(SnapshotError, match=message) as fault:
        [*Loader(ArrowBatches(open_snapshot(str(tmp_path))))]
    assert "rows-00001.parquet" in str(fault.value)
    assert "\n" not in str(fault.value)
    with pytest.raises(SnapshotError):  # one that was opened before
        [*Loader(ArrowBatches(before))]


def test_a_fault_in_a_worker_is_one_line_too(tmp_path: Path) -> None:
    snapshot = make(tmp_path, 103)
    cut_off(tmp_path / "data" / "rows-00000.parquet")
    with pytest.raises(SnapshotError) as fault:
        [*Loader(ArrowBatches(snapshot), num_workers=1)]
    assert str(fault.value).startswith(f"{tmp_path}/data/rows-00000.parquet: ")
    assert "\n" not in str(fault.value)


def test_a_change_that_leaves_size_and_footer_is_seen_by_digests(tmp_path: Path) -> None:
    make(tmp_path, 103, 38)
    overwrite_its_middle(tmp_path / "data" / "rows-00000.parquet")
    open_snapshot(str(tmp_path))
    with pytest.raises(SnapshotError, match=r"rows-00000.parquet: is not the file"):
        open_snapshot(str(tmp_path), check="digests")


def test_other_folders_are_no_snapshots(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"is no snapshot, .*export-snapshot"):
        open_snapshot(str(tmp_path / "absent"))
    make(tmp_path, 5)
    manifest = tmp_path / "manifest.json"
    whole = manifest.read_text()
    for text in ("", "{}", "[1]", whole.replace('"rows": 5', '"rows": 6'), whole[:-9]):
        manifest.write_text(text)
        with pytest.raises(SnapshotError, match="is no manifest of a snapshot"):
            open_snapshot(str(tmp_path))
    manifest.write_text(whole.replace("data/rows", "../data/rows"))
    with pytest.raises(SnapshotError, match="is no manifest"):
        open_snapshot(str(tmp_path))


def test_files_of_other_columns_are_not_written(tmp_path: Path) -> None:
    other = pa.table({"uid": ["a"]})
    with pytest.raises(ValueError, match="schema"):
        write_snapshot(str(tmp_path), [rows_of(3, 0), other], row_group_rows=10)


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "snapshot", 5)
    monkeypatch.chdir(tmp_path)
    assert open_snapshot("./snapshot").rows == 5


def test_readers_need_neither_spark_nor_torch(tmp_path: Path) -> None:
    make(tmp_path, 12)
    program = (
        "import sys\n"
        "for name in ('pyspark', 'py4j', 'torch', 'petastorm', 'numba'): sys.modules[name] = None\n"
        "from captionlake.training import *\n"
        f"print(sum(b.num_rows for b in Loader(ArrowBatches(open_snapshot({str(tmp_path)!r})))))"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert outcome.stdout == "12\n", outcome.stderr
