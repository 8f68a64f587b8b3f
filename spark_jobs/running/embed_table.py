"""Embed a table in several commits; a later run resumes after the last one."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.columns import keys
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import FAULT, MODEL, WEIGHTS
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.embedding.embed import embed, frequent_items, with_item_hash
from spark_jobs.embedding.model_settings import ModelSettings
from spark_jobs.running.missing_rows import Make, Output, make_missing_rows
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.session_settings import whole_number_setting
from udfs.models.loading import Modality

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

    A stored row is kept if key, item, model, prompt and weights are unchanged. Raises
    InputDataError if rows of the table share a key or have none.
    """
    refuse_repeated_or_null_keys(
        table, keys(table), source, "expected one row a key; caption_id tells several"
    )
    spec, weights = settings.spec, settings.weights_digest()

    def prepare(missing: DataFrame, n_missing: int, n_parts: int) -> Make:
        n_tasks = n_model_tasks(run, n_missing // n_parts)
        frequent = []
        if modality == "text":
            frequent = frequent_items(missing, n_missing // (n_parts * n_tasks))
        return lambda rows: embed(
            rows, spec, modality, weights=weights, n_tasks=n_tasks, frequent=frequent
        )

    wanted = with_item_hash(table, keys(table), item, keeps_faults=modality == "image")
    made_alike = Output(
        output,
        schemas.EMBEDDINGS,
        is_current=(F.col(MODEL) == spec.label) & (F.col(WEIGHTS) == weights),
        commits=commits,
        rows_per_commit=_MIN_ROWS_PER_COMMIT,
        prepare=prepare,
    )
    n_wanted, embedded = make_missing_rows(run, table, wanted, keys(table), made_alike, source)
    stored = run.read(output, schemas.EMBEDDINGS)
    faulty = count_rows(stored.where(F.col(FAULT).isNotNull()))
    return {
        "rows_in": n_wanted,
        "embedded": embedded,
        "kept": n_wanted - embedded,
        "faulty": faulty,
    }


def n_model_tasks(
    run: Run, n_rows: int, *, least: int = _MIN_ROWS_PER_TASK, most: int = _MAX_ROWS_PER_TASK
) -> int:
    """Number of tasks: enough for all cores, but each with enough rows to load the model for.

    least, most: rows of a task; `most` comes first.
    """
    return max(1, min(n_shuffle_partitions(run), n_rows // least), n_rows // most)


def n_shuffle_partitions(run: Run) -> int:
    """The session's spark.sql.shuffle.partitions; Spark's default where it is `auto`."""
    return whole_number_setting(run.spark, "spark.sql.shuffle.partitions", 200)
