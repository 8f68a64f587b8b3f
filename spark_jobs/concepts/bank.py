"""Build a concept bank from its sources: entry ids, and which entries are left out."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.concepts.faults import entry_faults
from spark_jobs.concepts.sources import SOURCE_COLUMNS
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import ENTRY, ENTRY_ID, FAULT, LANG

ENGLISH = "en"  # language assumed for entries without one, when searching for duplicates


def concept_bank(sources: Sequence[pa.Table], *, parity: bool) -> tuple[pa.Table, pa.Table]:
    """(bank, rows left out of it), both with the columns of schemas.CONCEPT_BANK.

    With `parity` nothing is left out and entry_id is the position, as in MetaCLIP's published code
    (Xu et al. 2023). Without it faulty entries are left out, with the id that they had, and the
    others get ids 0..n-1. Raises InputDataError if no entry remains.
    """
    rows = pa.concat_tables([table.select(SOURCE_COLUMNS.names) for table in sources])
    langs = pc.fill_null(rows[LANG], ENGLISH).to_pylist()
    faults = pa.array(entry_faults(rows[ENTRY].to_pylist(), langs), pa.string())
    all_entries = _with_ids(rows).append_column(FAULT, faults)
    if parity:
        return all_entries, all_entries.slice(0, 0)
    faultless = all_entries.filter(pc.is_null(all_entries[FAULT])).drop_columns([ENTRY_ID])
    if faultless.num_rows == 0:
        raise InputDataError(f"no entry of {all_entries.num_rows} is left: all are faulty")
    return _with_ids(faultless), all_entries.filter(pc.is_valid(all_entries[FAULT]))


def _with_ids(rows: pa.Table) -> pa.Table:
    return rows.add_column(0, ENTRY_ID, pa.array(np.arange(rows.num_rows, dtype=np.int32)))
