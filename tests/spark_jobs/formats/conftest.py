"""What an ingest takes of files, without a table written."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pyspark.sql import SparkSession

from spark_jobs.formats.caption_input import CaptionInput, read_captions
from spark_jobs.ingest.normalise import FAULT, ROW
from spark_jobs.storage.run import Run


@dataclass(frozen=True)
class Taken:
    rows: list[dict[str, Any]]
    reasons: Counter[str]
    lines: list[str]
    notes: str

    @property
    def captions(self) -> list[str]:
        return sorted(row["caption"] for row in self.rows)


Take = Callable[..., Taken]


@pytest.fixture
def take(spark: SparkSession, caplog: pytest.LogCaptureFixture) -> Take:
    """Read an input as ingest-captions does and hold its accounts, without writing a table."""

    def read(path: object, **settings: Any) -> Taken:
        caplog.clear()
        caplog.set_level(logging.WARNING)
        wanted = CaptionInput(input=str(path), **settings)
        run = Run(spark, "ingest-captions", "r", "s", "w", {wanted.input: "files:1:x"}, {})
        captions = read_captions(run, wanted)
        with captions.reading():
            rows_in = captions.source.count()
            rows = [row.asDict(recursive=True) for row in captions.rows.collect()]
        assert rows_in == len(rows)
        gone = [row for row in rows if row[FAULT] is not None]
        kept = [row for row in rows if row[FAULT] is None]
        reasons = Counter(row[FAULT] for row in gone)
        return Taken(kept, reasons, [row[ROW] for row in gone], caplog.text)

    return read
