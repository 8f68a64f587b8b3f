"""Whether a task's machine has a folder that another machine has too."""

import os
from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import Batches

PATH, IS_THERE = "path", "is_there"


def look_for_folders(batches: Batches) -> Iterator[pa.RecordBatch]:
    """Each path of the column `path`, and whether it is a folder on this machine."""
    for batch in batches:
        paths = batch.column(PATH)
        is_there = [os.path.isdir(path.as_py()) for path in paths]
        yield pa.RecordBatch.from_arrays([paths, pa.array(is_there)], [PATH, IS_THERE])
