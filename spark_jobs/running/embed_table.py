"""Embed a table in several commits; a later run resumes after the last one."""

import logging
import operator
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.addresses import parse_address
from spark_jobs.core.columns import keys, named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import FAULT, ITEM_HASH, MODEL, WEIGHTS
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.embedding.embed import embed, frequent_items, with_item_hash
from spark_jobs.embedding.model_settings import ModelSettings
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.conflicts import MOST_TRIES, concurrent_write_error
from spark_jobs.storage.extending import AppendPoint
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.session_settings import whole_number_setting
from spark_jobs.storage.tables import read_table
from udfs.models.loading import Modality

_log = logging.getLogger(__name__)
_MAX_ROWS_PER_TASK = 50_000  # minutes on a CPU for texts, seconds on a GPU
_MIN_ROWS_PER_TASK = 200
_MIN_ROWS_PER_COMMIT = 10_000


def embed_table(
    run: Run,
    table: DataFrame,
    item: str,
    settings: ModelSettings,
    modality: Modality,
    *,
    source: str,
    output: str,
    commits: int,
) -> Counts:
    """Bring `output` up to date with the table: embed missing rows, delete those no longer in it.

    A stored row is kept if key, item, model, prompt and weights are unchanged. If another run
    writes to the same output meanwhile, this one continues from the new state. Raises
    InputDataError if rows of the table share a key or have none.
    """
    refuse_repeated_or_null_keys(
        table, keys(table), source, "expected one row a key; caption_id tells several"
    )
    wanted = with_item_hash(table, keys(table), item, keeps_faults=modality == "image")
    work = _Work(run, wanted, count_rows(wanted), settings, modality, output, commits)
    embedded = conflicts = 0  # conflicts: lost to other runs in a row
    with batches_that_fit(table):
        while True:
            n_rows, is_done = _embed_missing(work)
            embedded += n_rows
            conflicts = 1 if n_rows else conflicts + 1
            if is_done:
                break
            if conflicts == MOST_TRIES:
                raise concurrent_write_error(parse_address(output))
            _log.warning("%s: another run embeds into it too; going on from what is there", output)
    stored = run.read(output, schemas.EMBEDDINGS)
    n_stored = count_rows(stored)
    if n_stored != work.n_wanted:
        raise InputDataError(
            f"output {output}: has {n_stored:,} rows of the {work.n_wanted:,} of {source}; "
            "remove it to embed all again"
        )
    faulty = count_rows(stored.where(F.col(FAULT).isNotNull()))
    kept = work.n_wanted - embedded
    return {"rows_in": work.n_wanted, "embedded": embedded, "kept": kept, "faulty": faulty}


@dataclass(frozen=True)
class _Work:
    """The work of one run: `output` shall have an embedding for each of the rows `wanted`.

    `wanted`: the keys and items of the table, with item_hash.
    """

    run: Run
    wanted: DataFrame
    n_wanted: int
    settings: ModelSettings
    modality: Modality
    output: str
    commits: int


def _embed_missing(work: _Work) -> tuple[int, bool]:
    """(rows embedded, is the output complete); incomplete if another run wrote meanwhile."""
    run, spec, weights = work.run, work.settings.spec, work.settings.weights_digest()
    append_point, n_kept = _delete_outdated(work, weights)
    if append_point is None:
        return 0, False
    missing, n_missing = work.wanted, work.n_wanted - n_kept
    if n_kept:
        stored = read_table(
            run.spark, work.output, schemas.EMBEDDINGS, version=append_point.version
        )
        missing = _join_same_items(missing, stored, how="left_anti")
    n_parts = max(1, min(work.commits, n_missing // _MIN_ROWS_PER_COMMIT))
    n_tasks = n_model_tasks(run, n_missing // n_parts)
    frequent = []
    if work.modality == "text":
        frequent = frequent_items(missing, n_missing // (n_parts * n_tasks))
    part_number = F.pmod(F.xxhash64(ITEM_HASH), F.lit(n_parts))
    for part in range(n_parts):
        rows = missing.where(part_number == part)
        vectors = embed(
            rows, spec, work.modality, weights=weights, n_tasks=n_tasks, frequent=frequent
        )
        committed = run.commit_part(vectors, work.output, append_point, is_last=part == n_parts - 1)
        if committed is None:
            return count_rows(missing.where(part_number < part)) if part else 0, False
        append_point = committed
    return n_missing, True


def _delete_outdated(work: _Work, weights: str) -> tuple[AppendPoint | None, int]:
    """Delete the output's rows that are not wanted; (where to append, number of rows kept).

    The first is None if another run wrote to the output meanwhile.
    """
    run, output = work.run, work.output
    append_point = run.append_point(output)
    if append_point.version is None:
        return append_point, 0
    stored = read_table(run.spark, output, schemas.EMBEDDINGS, version=append_point.version)
    is_of_model = (F.col(MODEL) == work.settings.spec.label) & (F.col(WEIGHTS) == weights)
    kept = _join_same_items(stored.where(is_of_model), work.wanted, how="left_semi")
    n_kept = count_rows(kept)
    if n_kept == count_rows(stored):
        return append_point, n_kept
    kept = kept.select(*stored.columns)
    return run.commit_part(kept, output, append_point, replace=True), n_kept


def _join_same_items(rows: DataFrame, others: DataFrame, *, how: str) -> DataFrame:
    """Join rows with equal key and item hash, nulls equal; `how`: left_semi or left_anti."""
    by = [*keys(rows), ITEM_HASH]
    renamed = others.select(*(named(name).alias(f"_{name}") for name in by))
    is_same = (named(name).eqNullSafe(named(f"_{name}")) for name in by)
    return rows.join(renamed, on=reduce(operator.and_, is_same), how=how)


def n_model_tasks(run: Run, n_rows: int) -> int:
    """Number of tasks: enough for all cores, but each with enough rows to load the model for."""
    return max(
        1,
        min(n_shuffle_partitions(run), n_rows // _MIN_ROWS_PER_TASK),
        n_rows // _MAX_ROWS_PER_TASK,
    )


def n_shuffle_partitions(run: Run) -> int:
    """The session's spark.sql.shuffle.partitions; Spark's default where it is `auto`."""
    return whole_number_setting(run.spark, "spark.sql.shuffle.partitions", 200)
