"""Embedding a table in several commits, of which a later run takes up what is there."""

import logging
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.addresses import parse_address
from spark_jobs.core.columns import keys, named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import FAULT, ITEM_HASH, MODEL, WEIGHTS
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.embedding.embed import embed, frequent_items, with_item_hash
from spark_jobs.embedding.model_settings import ModelSettings
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.conflicts import MOST_TRIES, concurrent_write_error
from spark_jobs.storage.extending import AppendPoint
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.tables import read_table
from udfs.models.loading import Modality

_log = logging.getLogger(__name__)
_ROWS_PER_TASK = 50_000  # at most, of texts: minutes on a processor, seconds on a GPU
_ROWS_WORTH_A_TASK = 200
_ROWS_WORTH_A_COMMIT = 10_000


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
    """Bring `output` up to the table: embed what is missing, drop what is no longer of it.

    A row is kept where key, item, model, prompt and weights are as they were. Where another run
    embeds into the same output meanwhile, this one goes on from what is there then. Raises
    InputDataError where rows share a key or have none, since each row of the output is of one row.
    """
    refuse_repeated_or_null_keys(
        table, keys(table), source, "expected one row a key; caption_id tells several"
    )
    wanted = with_item_hash(table, keys(table), item)
    work = _Work(run, wanted, wanted.count(), settings, modality, output, commits)
    embedded = losses = 0
    with batches_that_fit(table):
        while True:
            n_rows, is_done = _embed_missing(work)
            embedded += n_rows
            losses = 1 if n_rows else losses + 1
            if is_done:
                break
            if losses == MOST_TRIES:
                raise concurrent_write_error(parse_address(output))
            _log.warning("%s: another run embeds into it too; going on from what is there", output)
    stored = run.read(output, schemas.EMBEDDINGS)
    n_stored = stored.count()
    if n_stored != work.n_wanted:
        raise InputDataError(
            f"output {output}: has {n_stored:,} rows of the {work.n_wanted:,} of {source}; "
            "remove it to embed all again"
        )
    faulty = stored.where(F.col(FAULT).isNotNull()).count()
    kept = work.n_wanted - embedded
    return {"rows_in": work.n_wanted, "embedded": embedded, "kept": kept, "faulty": faulty}


@dataclass(frozen=True)
class _Work:
    """What a run brings up to date: `output`, to the rows `wanted` with their hashes."""

    run: Run
    wanted: DataFrame
    n_wanted: int
    settings: ModelSettings
    modality: Modality
    output: str
    commits: int


def _embed_missing(work: _Work) -> tuple[int, bool]:
    """(rows embedded, whether all are there); not all are where another run wrote in between."""
    run, spec, weights = work.run, work.settings.spec, work.settings.weights_digest()
    stands, n_kept = _without_others(work, weights)
    if stands is None:
        return 0, False
    missing, n_missing = work.wanted, work.n_wanted - n_kept
    if n_kept:
        there = read_table(run.spark, work.output, schemas.EMBEDDINGS, version=stands.version)
        missing = _of_same_rows(missing, there, "left_anti")
    n_parts = max(1, min(work.commits, n_missing // _ROWS_WORTH_A_COMMIT))
    n_tasks = n_model_tasks(run, n_missing // n_parts)
    frequent = []
    if work.modality == "text":
        frequent = frequent_items(missing, n_missing // (n_parts * n_tasks))
    number = F.pmod(F.xxhash64(ITEM_HASH), F.lit(n_parts))
    for part in range(n_parts):
        rows = missing.where(number == part)
        vectors = embed(
            rows, spec, work.modality, weights=weights, n_tasks=n_tasks, frequent=frequent
        )
        left = run.commit_part(vectors, work.output, stands, is_last=part == n_parts - 1)
        if left is None:
            return missing.where(number < part).count() if part else 0, False
        stands = left
    return n_missing, True


def _without_others(work: _Work, weights: str) -> tuple[AppendPoint | None, int]:
    """The output without rows that are not wanted, and how many it has then.

    None where another run wrote there meanwhile.
    """
    run, output = work.run, work.output
    stands = run.append_point(output)
    if stands.version is None:
        return stands, 0
    there = read_table(run.spark, output, schemas.EMBEDDINGS, version=stands.version)
    is_of_model = (F.col(MODEL) == work.settings.spec.label) & (F.col(WEIGHTS) == weights)
    still = _of_same_rows(there.where(is_of_model), work.wanted, "left_semi")
    n_kept = still.count()
    if n_kept == there.count():
        return stands, n_kept
    return run.commit_part(still.select(*there.columns), output, stands, replace=True), n_kept


def _of_same_rows(rows: DataFrame, others: DataFrame, how: str) -> DataFrame:
    """The rows that have, or have not, another of the same key and item; a null equals a null."""
    by = [*keys(rows), ITEM_HASH]
    marked = others.select(*(named(name).alias(f"_{name}") for name in by))
    is_same = (named(name).eqNullSafe(named(f"_{name}")) for name in by)
    return rows.join(marked, on=reduce(Column.__and__, is_same), how=how)


def n_model_tasks(run: Run, n_rows: int) -> int:
    """Enough for every core, each worth the loading of a model."""
    return max(
        1, min(n_shuffle_partitions(run), n_rows // _ROWS_WORTH_A_TASK), n_rows // _ROWS_PER_TASK
    )


def n_shuffle_partitions(run: Run) -> int:
    """How many tasks a shuffle of this session has."""
    return int(run.spark.conf.get("spark.sql.shuffle.partitions", "200") or 200)
