"""What an index was made of, in a file beside it, so that no other model's vectors ask it."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, ValidationError

from spark_jobs.core.errors import InputDataError

RECORD_FILE = "built_from.json"
_MOST_BYTES = 64 << 10


class IndexRecord(BaseModel):
    """The vectors of an index: who made them, how many of how many numbers, compared how.

    `model` and `weights` are those of the table `embeddings`, at its `version`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str
    weights: str
    dimension: PositiveInt
    metric: str
    vectors: NonNegativeInt
    factory: str
    embeddings: str
    version: str | None = None


def write_record(folder: Path, record: IndexRecord) -> None:
    """Write the record beside an index."""
    (folder / RECORD_FILE).write_text(json.dumps(record.model_dump(), indent=1), encoding="utf-8")


def read_record(folder: Path) -> IndexRecord | None:
    """The record beside an index, None where there is none, as beside clip-retrieval's own.

    Raises InputDataError where it cannot be read.
    """
    file = folder / RECORD_FILE
    if not file.is_file():
        return None
    if file.stat().st_size > _MOST_BYTES:
        raise InputDataError(f"{file}: has {file.stat().st_size:,} bytes, expected a short record")
    try:
        return IndexRecord.model_validate_json(file.read_bytes())
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputDataError(
            f"{file}: cannot be read ({where}: {first['msg']}); build the index again"
        ) from None
