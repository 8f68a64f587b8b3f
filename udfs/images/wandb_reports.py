"""Reports of a download to Weights & Biases, by img2dataset's own process."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reports_to_wandb(folder: str, project: str | None) -> Iterator[None]:
    """A context in which img2dataset's logger reports the shards that come into a local folder.

    None reports nothing.
    """
    if project is None:
        yield
        return
    from img2dataset.logger import LoggerProcess

    logger = LoggerProcess(folder, True, project, {"output_folder": folder})
    logger.start()
    try:
        yield
    finally:
        logger.join()
