"""Embedding a table in several commits, of which a later run takes up what is there."""

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs import schemas
from spark_jobs.arrow_batches import batches_that_fit
from spark_jobs.columns import keys, named
from spark_jobs.embedding.embed import embed, with_hash
from spark_jobs.embedding_reading import refuse_repeated
from spark_jobs.errors import InputDataError
from spark_jobs.job import Counts, Run
from spark_jobs.model_settings import ModelSettings
from spark_jobs.schemas import FAULT, ITEM_HASH, MODEL, WEIGHTS
from spark_jobs.tables import has_table, read_table
from udfs.models.loading import Modality

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

    A row is kept where key, item, model, prompt and weights are as they were. Raises InputDataError
    where rows share a key or have none, since each row of the output is of one row.
    """
    spec, weights = settings.spec, settings.weights_digest()
    refuse_repeated(table, keys(table), source, "expected one row a key; caption_id tells several")
    wanted = with_hash(table, keys(table), item)
    n_wanted = wanted.count()
    missing, n_kept = wanted, 0
    if has_table(run.spark, output):
        there = read_table(run.spark, output, schemas.EMBEDDINGS)
        is_of_model = (F.col(MODEL) == spec.label) & (F.col(WEIGHTS) == weights)
        still = _of_same_rows(there.where(is_of_model), wanted, "left_semi")
        n_kept = still.count()
        if n_kept < there.count():
            run.replace_part(still.select(*there.columns), output)
        if n_kept:
            there = read_table(run.spark, output, schemas.EMBEDDINGS)
            missing = _of_same_rows(wanted, there, "left_anti")
    n_missing = n_wanted - n_kept
    n_parts = max(1, min(commits, n_missing // _ROWS_WORTH_A_COMMIT))
    n_tasks = tasks_for(run, n_missing // n_parts)
    with batches_that_fit(table):
        for part in range(n_parts):
            is_of_part = F.pmod(F.xxhash64(ITEM_HASH), F.lit(n_parts)) == part
            vectors = embed(
                missing.where(is_of_part), spec, modality, weights=weights, n_tasks=n_tasks
            )
            run.extend(vectors, output, is_last=part == n_parts - 1)
    stored = read_table(run.spark, output, schemas.EMBEDDINGS)
    if stored.count() != n_wanted:
        raise InputDataError(
            f"output {output}: has {stored.count():,} rows of the {n_wanted:,} of {source}; "
            "remove it to embed all again"
        )
    faulty = stored.where(F.col(FAULT).isNotNull()).count()
    return {"rows_in": n_wanted, "embedded": n_missing, "kept": n_kept, "faulty": faulty}


def _of_same_rows(rows: DataFrame, others: DataFrame, how: str) -> DataFrame:
    """The rows that have, or have not, another of the same key and item; a null equals a null."""
    by = [*keys(rows), ITEM_HASH]
    marked = others.select(*(named(name).alias(f"_{name}") for name in by))
    is_same = (named(name).eqNullSafe(named(f"_{name}")) for name in by)
    return rows.join(marked, on=reduce(Column.__and__, is_same), how=how)


def tasks_for(run: Run, n_rows: int) -> int:
    """Enough for every core, each worth the loading of a model."""
    return max(1, min(usual_tasks(run), n_rows // _ROWS_WORTH_A_TASK), n_rows // _ROWS_PER_TASK)


def usual_tasks(run: Run) -> int:
    """How many tasks a shuffle of this session has."""
    return int(run.spark.conf.get("spark.sql.shuffle.partitions", "200") or 200)
