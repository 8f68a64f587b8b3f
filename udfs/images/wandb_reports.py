"""Reports of a download to Weights & Biases, by img2dataset's own process."""

from collections.abc import Iterator
from contextlib import contextmanager

from udfs.images.shard_files import LEDGER, shards_in


@contextmanager
def reports_to_wandb(folder: str, project: str | None) -> Iterator[None]:
    """A context in which img2dataset's logger reports the shards that come into a local folder.

    Those that are there were reported by the runs that downloaded them. None reports nothing.
    """
    if project is None:
        yield
        return
    from img2dataset.logger import LoggerProcess

    logger = LoggerProcess(folder, True, project, {"output_folder": folder})
    logger.done_shards = shards_in(folder, LEDGER)
    logger.start()
    try:
        yield
    finally:
        logger.join()
