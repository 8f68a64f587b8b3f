"""evaluate-sentences: how well a sentence encoder's similarities follow people's scores."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from spark_jobs.core import schemas
from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION, EMBEDDING, FAULT, MEASURE, VALUE
from spark_jobs.core.settings import InputAddresses, OutputAddress
from spark_jobs.embedding.embed import embed, with_item_hash
from spark_jobs.embedding.model_settings import ModelSettings
from spark_jobs.formats.scored_pairs import read_pair_sets
from spark_jobs.running.embed_table import n_model_tasks
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.tables import read_table
from udfs.sts.evaluation import ALL, AVERAGE, SPEARMAN, evaluate
from udfs.sts.pair_files import STS_SETS
from udfs.vectors import Vectors, matrix

_NUMBER = "number"
_SENTENCES = StructType([StructField(_NUMBER, LongType()), StructField(CAPTION, StringType())])
_SHOWN_SETS = (ALL, "test", "pairs")


class EvaluateSentences(ModelSettings):
    """Settings of evaluate-sentences."""

    sts: InputAddresses = Field(
        description="SentEval's folder (STS12 to STS16, STS-B, SICK-R, as far as they are there), "
        "and files, or folders of them, with a line score<TAB>sentence<TAB>sentence for each pair"
    )
    output: OutputAddress = Field(description="a row for each measure of each set and task")


def run(run: Run, settings: EvaluateSentences) -> Counts:
    """Embed each distinct sentence once, and compare cosines with scores."""
    sets = read_pair_sets(run.spark, settings.sts)
    weights = settings.weights_digest()
    n_faulty = 0

    def embedded(sentences: Sequence[str]) -> Vectors:
        nonlocal n_faulty
        vectors, n_faulty = _embed(run, settings, sentences, weights)
        return vectors

    values = evaluate(sets, embedded)
    rows = [(settings.spec.label, weights, v.task, v.set, v.measure, v.value, v.n) for v in values]
    run.write(run.spark.createDataFrame(rows, schemas.EVALUATIONS), settings.output)
    n_sentences = len({s for part in sets for s in (*part.firsts, *part.seconds)})
    return {
        "sets": len(sets),
        "pairs": sum(len(part.scores) for part in sets),
        "sentences": n_sentences,
        "without_vector": n_faulty,
    }


def _embed(
    run: Run, settings: EvaluateSentences, sentences: Sequence[str], weights: str
) -> tuple[Vectors, int]:
    """(unit vectors in the order of the sentences, sentences without one, which have zeros)."""
    rows = run.spark.createDataFrame([*enumerate(sentences)], _SENTENCES)
    items = with_item_hash(rows, [_NUMBER], CAPTION)
    n_tasks = n_model_tasks(run, len(sentences))
    embedded = embed(items, settings.spec, "text", weights=weights, n_tasks=n_tasks)
    vectors: Vectors | None = None
    n_with = 0
    for batch in record_batches(_with_vector(embedded)):
        numbers = np.asarray(batch.column(0))
        values = matrix(batch.column(1))
        if vectors is None and len(numbers):
            vectors = np.zeros((len(sentences), values.shape[1]), np.float32)
        if vectors is not None:
            vectors[numbers] = values
        n_with += len(numbers)
    if vectors is None:
        raise InputDataError(f"model {settings.model}: gives no vector for any sentence")
    return vectors, len(sentences) - n_with


def _with_vector(embedded: DataFrame) -> DataFrame:
    return embedded.where(F.col(FAULT).isNull()).select(_NUMBER, EMBEDDING)


def closing_lines(spark: SparkSession, settings: EvaluateSentences, _counts: Counts) -> list[str]:
    """Spearman's correlation of each task, in percent as published tables have it."""
    rows = read_table(spark, settings.output, schemas.EVALUATIONS)
    spearman = rows.where(F.col(MEASURE) == SPEARMAN).collect()
    values = {(row["task"], row["set"]): row[VALUE] for row in spearman}
    lines = []
    for (task, name), value in sorted(values.items()):
        is_shown = name == ALL if task in (*STS_SETS, AVERAGE) else name in _SHOWN_SETS[1:]
        if is_shown:
            number = (
                "none: all scores or cosines are equal" if value is None else f"{100 * value:.2f}"
            )
            lines.append(f"  {task}: {number}")
    return lines


JOB = Job(
    "evaluate-sentences",
    "Compare a sentence encoder's similarities with people's scores: STS, SICK-R, own pairs.",
    EvaluateSentences,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake evaluate-sentences --sts ./SentEval/data --output ./sts \\\n"
        "  --model sentence_transformers:./encoder"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
