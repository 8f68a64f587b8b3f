"""A concept bank out of its sources: ids and faults."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.concepts.faults import entry_faults
from spark_jobs.concepts.sources import SOURCE_COLUMNS
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import ENTRY, ENTRY_ID, FAULT, LANG

_ENGLISH = "en"  # that of sources which tell none, where duplicates are looked for


def concept_bank(sources: Sequence[pa.Table], *, parity: bool) -> tuple[pa.Table, pa.Table]:
    """The bank, columns of schemas.CONCEPT_BANK, and the rows left out of it.

    With `parity` nothing is left out and entry_id is the position, as the published code has it.
    Without, faulty entries leave with the id that they had, and the rest get dense ids.
    Raises InputDataError where no entry is left.
    """
    rows = pa.concat_tables([table.select(SOURCE_COLUMNS.names) for table in sources])
    langs = pc.fill_null(rows[LANG], _ENGLISH).to_pylist()
    faults = pa.array(entry_faults(rows[ENTRY].to_pylist(), langs), pa.string())
    whole = _with_ids(rows).append_column(FAULT, faults)
    if parity:
        return whole, whole.slice(0, 0)
    sound = whole.filter(pc.is_null(whole[FAULT])).drop_columns([ENTRY_ID])
    if sound.num_rows == 0:
        raise InputDataError(f"no entry of {whole.num_rows} is left: all are faulty")
    return _with_ids(sound), whole.filter(pc.is_valid(whole[FAULT]))


def _with_ids(rows: pa.Table) -> pa.Table:
    return rows.add_column(0, ENTRY_ID, pa.array(np.arange(rows.num_rows, dtype=np.int32)))
