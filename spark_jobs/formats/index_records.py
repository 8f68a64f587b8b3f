"""Record of what an index was built from, so that vectors of another model do not query it."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, ValidationError

from spark_jobs.core.errors import InputDataError
from spark_jobs.core.fault_words import fault_words

RECORD_FILE = "built_from.json"
_MAX_RECORD_BYTES = 64 << 10


class IndexRecord(BaseModel):
    """Model, number, dimension and metric of an index's vectors, and the table they come from.

    `model` and `weights` are those of the table `embeddings` at its `version`.
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
    """Write the record into the index's folder."""
    (folder / RECORD_FILE).write_text(json.dumps(record.model_dump(), indent=1), encoding="utf-8")


def read_record(folder: Path) -> IndexRecord | None:
    """Read the record in the index's folder; None if absent, as for clip-retrieval's own indices.

    Raises InputDataError if it cannot be read.
    """
    file = folder / RECORD_FILE
    if not file.is_file():
        return None
    if file.stat().st_size > _MAX_RECORD_BYTES:
        raise InputDataError(f"{file}: has {file.stat().st_size:,} bytes, expected a short record")
    try:
        return IndexRecord.model_validate_json(file.read_bytes())
    except ValidationError as fault:
        first_error = fault.errors()[0]
        where = ".".join(map(str, first_error["loc"])) or "the file"
        raise InputDataError(
            f"{file}: cannot be read ({where}: {fault_words(first_error)}); build the index again"
        ) from None
