"""Write the matches that balancing keeps, and count their entries."""

from dataclasses import dataclass

import pandas as pd
from pyspark.sql import DataFrame

from spark_jobs.balancing.entry_count import count_matches, match_counts
from spark_jobs.balancing.keep import IS_KEPT
from spark_jobs.core import schemas
from spark_jobs.core.arrow_mapping import MappedRows
from spark_jobs.core.schemas import ENTRY_COUNT, ENTRY_ID
from spark_jobs.storage.run import Run
from spark_jobs.storage.worker_writes import WrittenFiles, write_files
from udfs.balancing import ENTRIES, KINDS, count_entries_and_rows, count_in_task
from udfs.id_counts import COUNT, ID, KIND


@dataclass(frozen=True)
class KeptMatches:
    """What balancing wrote: rows, entry_id and entry_count of these, maybe lazy.

    `unmatched`: rows before it that match no entry, if that was seen on the way.
    """

    rows: int
    entry_counts: DataFrame
    unmatched: int | None = None


def write_kept(run: Run, kept: MappedRows, output: str, *, has_unique_keys: bool) -> KeptMatches:
    """Write the matches that balancing keeps, and count their entries."""
    written = write_files(kept, output, count_in_task, KINDS)
    if written is not None:
        rows = run.commit_files(written, output, has_unique_keys=has_unique_keys)
        return KeptMatches(rows, _counted_ids(run, written))
    frame = kept.frame()
    rows = run.write(frame, output, has_unique_keys=has_unique_keys, few_files=True)
    return KeptMatches(rows, count_matches(run.read(output, schemas.EMPTY)))


def write_marked(
    run: Run, marked: MappedRows, output: str, *, n_entries: int, has_unique_keys: bool
) -> KeptMatches | None:
    """Write the rows that balancing has marked to be kept; None if the workers cannot."""
    pack = count_entries_and_rows(kept=IS_KEPT)
    written = write_files(marked, output, pack, KINDS, left_out=[IS_KEPT], where=IS_KEPT)
    if written is None:
        return None
    rows = run.commit_files(written, output, has_unique_keys=has_unique_keys)
    counts = match_counts(written.counts, n_entries)
    return KeptMatches(rows, _counted_ids(run, written), counts.rows - counts.matched)


def _counted_ids(run: Run, written: WrittenFiles) -> DataFrame:
    of_entries = written.counts[written.counts[KIND] == ENTRIES]
    ids, counts = of_entries[ID].astype("int32"), of_entries[COUNT]
    columns = pd.DataFrame({ENTRY_ID: ids, ENTRY_COUNT: counts})
    return run.spark.createDataFrame(columns, schemas.COUNTED_IDS)
