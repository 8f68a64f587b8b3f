"""Download shards in the tasks of a cluster."""

import importlib.util
from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.images.download_options import DownloadOptions
from udfs.images.shard_process import ShardError, ShardProcess
from udfs.task_errors import TaskInputError

_NEEDS = ("img2dataset", "cv2")


def download_shards_in_task(options: DownloadOptions) -> BatchFunction:
    """The mapInArrow function that downloads the shards whose numbers it gets, and returns them.

    A shard that another try of the task has downloaded is left as it is. Raises ModuleNotFoundError
    where this Python has no img2dataset, before the process that would end for want of it.
    """

    def download(batches: Batches) -> Iterator[pa.RecordBatch]:
        for module in _NEEDS:
            if importlib.util.find_spec(module) is None:
                raise ModuleNotFoundError(
                    f"No module named {module!r}, which captionlake[images] brings", name=module
                )
        with ShardProcess(options) as process:
            for batch in batches:
                for shard in batch.column(0).to_pylist():
                    try:
                        process.download(shard, lambda _rows, _bytes: None)
                    except ShardError as fault:
                        message = f"output {options.folder}: cannot be written ({fault})"
                        raise TaskInputError(message) from None
                yield batch

    return download
