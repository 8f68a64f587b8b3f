"""Writes of whole tables that fail, whether Spark or the workers write the rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from spark_jobs.storage.run import Run


@contextmanager
def failing_writes(fault: Callable[[str], BaseException | None]) -> Iterator[None]:
    """Context in which jobs' writes raise what `fault` makes of the table's address, unless None.

    Files that the workers wrote are there by then, and not committed.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("write", "commit_files"):
            patch.setattr(Run, name, _failing(getattr(Run, name), fault))
        yield


def _failing(write: Any, fault: Callable[[str], BaseException | None]) -> Any:
    def fail_or_write(run: Run, rows: Any, address: str, **options: Any) -> int:
        error = fault(address)
        if error is not None:
            raise error
        return int(write(run, rows, address, **options))

    return fail_or_write
