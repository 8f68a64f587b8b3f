"""Download shards in the tasks of a cluster."""

from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.images.download_options import DownloadOptions
from udfs.images.shard_process import ShardError, ShardProcess
from udfs.task_errors import TaskInputError


def download_shards_in_task(options: DownloadOptions) -> BatchFunction:
    """The mapInArrow function that downloads the shards whose numbers it gets, and returns them.

    A shard that another try of the task has downloaded is left as it is.
    """

    def download(batches: Batches) -> Iterator[pa.RecordBatch]:
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
