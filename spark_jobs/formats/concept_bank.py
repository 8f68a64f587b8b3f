"""Reading a concept bank: a table, a MetaCLIP metadata.json, or a text file of entries."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.concepts.faults import Padding, between_spaces, entry_faults
from spark_jobs.core import schemas
from spark_jobs.core.arrow_collecting import collected
from spark_jobs.core.arrow_mapping import with_valid_text
from spark_jobs.core.bank_names import is_named_bank
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.made_of import Content, Matching
from spark_jobs.core.redaction import redacted
from spark_jobs.core.schemas import ENTRY, ENTRY_ID, LANG
from spark_jobs.formats.bank_sources import has_bank_suffix, read_source_or_file
from spark_jobs.storage.run import Run

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bank:
    """A concept bank on the driver: `entries` in order of their ids, and as a frame for joins.

    `langs`: each entry's language, or None. `address`: where the bank was read.
    """

    entries: pa.StringArray
    langs: Sequence[str | None]
    frame: DataFrame
    address: str

    def matching(self, rule: str, captions: Content | None) -> Matching:
        """The record of bank, rule and captions that matches of this bank are made of."""
        content = json.dumps([self.entries.to_pylist(), [*self.langs]])
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        return Matching(Content(redacted(self.address), digest), len(self.entries), rule, captions)

    def with_counts(self, counts: NDArray[np.int64]) -> DataFrame:
        """schemas.ENTRY_COUNTS in order of entry_id; counts: shape (n_entries,)."""
        ids = np.arange(counts.size, dtype=np.int32)
        columns = [ids, self.entries.to_pandas(), list(self.langs), counts]
        rows = pd.DataFrame(dict(zip(schemas.ENTRY_COUNTS.names, columns, strict=True)))
        return self.frame.sparkSession.createDataFrame(rows, schemas.ENTRY_COUNTS)


def read_bank(
    run: Run, address: str, *, by_language: bool = False, pad: Padding = between_spaces
) -> Bank:
    """Read a bank and warn of its faulty entries; they stay, since ids are positions.

    `by_language`: entries of different languages are never duplicates. `pad`: the string that the
    rule searches for an entry. Raises InputDataError if the bank is empty, its ids are not 0..n-1,
    or `by_language` is set and no entry has a language.
    """
    bank = _read_bank(run, address)
    if by_language and all(lang is None for lang in bank.langs):
        raise InputDataError(f"bank {address}: rule metaclip2 needs a column lang")
    langs = bank.langs if by_language else None
    faults = Counter(filter(None, entry_faults(bank.entries.to_pylist(), langs, pad=pad)))
    if faults:
        fault_counts = ", ".join(
            f"{n:,} {fault.replace('_', ' ')}" for fault, n in sorted(faults.items())
        )
        _log.warning(
            "bank %s keeps faulty entries (%s); build-concept-bank --no-parity leaves them out",
            address,
            fault_counts,
        )
    return bank


def _read_bank(run: Run, address: str) -> Bank:
    if is_named_bank(address) or has_bank_suffix(address):
        return _bank_of_entries(run, read_source_or_file(run.spark, address), address)
    frame = run.read(address, schemas.ENTRIES)
    lang = F.col(LANG) if LANG in frame.columns else F.lit(None)
    frame = frame.select(ENTRY_ID, ENTRY, lang.cast("string").alias(LANG))
    rows = collected(with_valid_text(frame)).sort_values(ENTRY_ID)
    if rows.empty:
        raise InputDataError(f"bank {address} has no entries")
    check_ids(rows[ENTRY_ID].to_numpy(), f"bank {address}")
    if rows[ENTRY].isna().any():
        raise InputDataError(f"bank {address}: column 'entry' holds nulls")
    langs: list[str | None] = pa.array(rows[LANG], pa.string(), from_pandas=True).to_pylist()
    return Bank(pa.array(rows[ENTRY], pa.string()), langs, frame, address)


def check_ids(entry_ids: NDArray[np.int32], table: str) -> None:
    """Raise InputDataError unless the sorted ids are 0..n-1."""
    wrong_positions = np.flatnonzero(entry_ids != np.arange(entry_ids.size))
    if wrong_positions.size:
        raise InputDataError(
            f"{table}: entry_id must be 0..{entry_ids.size - 1}, each once; "
            f"found {entry_ids[wrong_positions[0]]} in place of {wrong_positions[0]}"
        )


def _bank_of_entries(run: Run, entries: pa.Table, address: str) -> Bank:
    ids = pa.array(np.arange(entries.num_rows, dtype=np.int32))
    rows = entries.select([ENTRY, LANG]).add_column(0, ENTRY_ID, ids).to_pandas()
    schema = StructType([*schemas.ENTRIES, schemas.CONCEPT_BANK[LANG]])
    frame = run.spark.createDataFrame(rows, schema)
    return Bank(entries[ENTRY].combine_chunks(), entries[LANG].to_pylist(), frame, address)
