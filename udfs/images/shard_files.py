"""The files of a folder of shards: what is to be downloaded, the images, and what became of each.

`_shards/00000.parquet`: the rows of a shard, fixed before it is downloaded. `00000.tar` or
`00000/`, `00000.parquet`, `00000_stats.json`: img2dataset's files. `_ledger/00000.parquet`: what
became of each row, written last: a shard that has it is done.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from udfs.file_systems import file_system

PLANNED, LEDGER = "_shards", "_ledger"
# Hidden, so that readers of the folder do not see shards before they are whole.
_INCOMPLETE = "_incomplete"
SHARD_DIGITS = 5  # img2dataset's default; a larger number has more
NO_ROW = -1  # in place of the position of a row whose image is being decoded
DOWNLOADED, FAILED = "downloaded", "failed"
LEDGER_ROWS = pa.schema(
    [
        ("uid", pa.string()),
        ("url", pa.string()),
        ("attempt", pa.int32()),
        ("status", pa.string()),
        ("cause", pa.string()),
        ("http_status", pa.int32()),
        ("message", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("sha256", pa.string()),
        ("bytes", pa.int64()),
        ("shard", pa.int32()),
        ("key", pa.string()),
    ]
)


def shard_name(shard: int) -> str:
    """Such as 00012."""
    return f"{shard:0{SHARD_DIGITS}}"


def shards_in(folder: str, part: str) -> set[int]:
    """The numbers of the shards of which `part`, PLANNED or LEDGER, has a file."""
    system, path = file_system(folder)
    selector = pafs.FileSelector(f"{path}/{part}", allow_not_found=True)
    names = (
        re.fullmatch(r"(\d+)\.parquet", file.base_name) for file in system.get_file_info(selector)
    )
    return {int(name[1]) for name in names if name}


def is_done(folder: str, shard: int) -> bool:
    """Whether a shard has its ledger, which is written last."""
    system, path = file_system(shard_file(folder, LEDGER, shard))
    return bool(system.get_file_info(path).type == pafs.FileType.File)


def shards_with_images(folder: str, form: str) -> set[int]:
    """The numbers of the shards whose images are in the folder, in a format of DownloadOptions."""
    suffix = {"webdataset": r"\.tar", "parquet": r"\.parquet", "files": ""}[form]
    system, path = file_system(folder)
    names = (file.base_name for file in system.get_file_info(pafs.FileSelector(path)))
    shards = (re.fullmatch(rf"(\d+){suffix}", name) for name in names)
    return {int(shard[1]) for shard in shards if shard}


def shard_file(folder: str, part: str, shard: int) -> str:
    """The address of a shard's file of a part."""
    return f"{folder}/{part}/{shard_name(shard)}.parquet"


def read_shard(folder: str, shard: int) -> pa.Table:
    """The rows of a shard that are to be downloaded."""
    system, path = file_system(shard_file(folder, PLANNED, shard))
    return pq.read_table(path, filesystem=system)


def n_planned_rows(folder: str, shard: int) -> int:
    """The number of rows of a shard."""
    system, path = file_system(shard_file(folder, PLANNED, shard))
    n_rows: int = pq.read_metadata(path, filesystem=system).num_rows
    return n_rows


def write_ledger(work: Path, shard: int, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write what became of the rows of a shard, into the folder of its files."""
    path = work / LEDGER / f"{shard_name(shard)}.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), LEDGER_ROWS), path)


@contextmanager
def incomplete_shard(folder: str, shard: int) -> Iterator[Path]:
    """A local folder for a shard's files, which are in the folder of shards once all are written.

    They are moved on a local disk and copied to a store; the ledger comes last.
    """
    system, path = file_system(folder)
    is_local = isinstance(system, pafs.LocalFileSystem)
    above = Path(path) / _INCOMPLETE if is_local else None
    if above is not None:
        above.mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{shard_name(shard)}-", dir=above))
    try:
        yield work
        if is_done(folder, shard):  # by another try of the task: its files and ledger stay together
            return
        ledger = work / LEDGER / f"{shard_name(shard)}.parquet"
        files = [entry for entry in sorted(work.iterdir()) if entry.name != LEDGER]
        for entry in [*files, ledger]:
            target = f"{path}/{entry.relative_to(work)}"
            if is_local:
                _move(entry, Path(target))
            else:
                if system.get_file_info(target).type == pafs.FileType.Directory:
                    system.delete_dir_contents(target)  # of a try that was killed
                pafs.copy_files(
                    str(entry),
                    target,
                    source_filesystem=pafs.LocalFileSystem(),
                    destination_filesystem=system,
                )
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if target.is_dir():  # of a run that was killed while it moved the shard's files
        shutil.rmtree(target)
    source.replace(target)


def remove_plan(folder: str, shard: int) -> None:
    """Remove the plan of a shard that is not done, and files that a killed run has moved in."""
    system, path = file_system(folder)
    for entry in system.get_file_info(pafs.FileSelector(path)):
        if re.fullmatch(rf"{shard_name(shard)}(_stats\.json|\.(tar|parquet))?", entry.base_name):
            if entry.type == pafs.FileType.Directory:
                system.delete_dir(entry.path)
            else:
                system.delete_file(entry.path)
    system.delete_file(file_system(shard_file(folder, PLANNED, shard))[1])


def remove_incomplete(folder: str) -> None:
    """Remove what killed runs have left of shards; no run may be writing to the folder."""
    system, path = file_system(folder)
    if isinstance(system, pafs.LocalFileSystem):
        shutil.rmtree(Path(path) / _INCOMPLETE, ignore_errors=True)
