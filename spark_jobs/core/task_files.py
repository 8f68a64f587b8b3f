"""Files that tasks write by their number."""

from collections.abc import Iterable

from spark_jobs.core.errors import CurationError


def rows_by_task(written: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Task number -> rows, of what each task says that it wrote: (its number, rows).

    Raises CurationError if a number stands twice: one task's file has then replaced another's.
    """
    rows: dict[int, int] = {}
    for number, n_rows in written:
        if number in rows:
            raise CurationError(
                f"several tasks wrote file {number}: this platform does not tell tasks their "
                "number; run the job on a cluster of its own (not shared, not serverless)"
            )
        rows[number] = n_rows
    return rows
