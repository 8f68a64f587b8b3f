"""Read what a report shows of captions that a language model wrote."""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.captioning.wanted import ATTEMPT, CAUSE, KEY, STATUS
from spark_jobs.core.columns import named
from spark_jobs.core.draws import Draw
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import CAPTION, CONCEPT, GENERATIONS, MODEL
from spark_jobs.formats.report_tables import read_run_output
from spark_jobs.report.blocks import Block, Example, visible
from spark_jobs.report.generated import Outcome, WrittenBy, generated_blocks
from udfs.captioning.asking import ACCEPTED, REFUSED
from udfs.captioning.checks import REFUSALS
from udfs.captioning.server_faults import CAUSES

_DRAW = Draw("report/generated", seed=0)
_MOST_EXAMPLES = 5
_WORK = ("backend", MODEL, "prompt_sha256", "sampling", "checks")
_PROMPT_DIGITS = 8  # of its digest that are shown


def written_captions(spark: SparkSession, run: RunRecord) -> list[Block]:
    """The blocks of a run of generate-captions, of all tries that its table has."""
    tries = read_run_output(spark, run, "generations", GENERATIONS)
    accepted = _examples(tries.where(F.col(STATUS) == ACCEPTED))
    refused = _examples(tries.where((F.col(STATUS) == REFUSED) & F.col(CAPTION).isNotNull()))
    return generated_blocks(_written(tries), _outcomes(tries), accepted, refused)


def _written(tries: DataFrame) -> list[WrittenBy]:
    is_accepted = F.col(STATUS) == ACCEPTED
    words = F.size(F.split(F.trim(CAPTION), r"\s+"))
    tokens = [F.coalesce(named(name), F.lit(0)) for name in ("prompt_tokens", "completion_tokens")]
    rows = tries.groupBy(*_WORK).agg(
        F.count(F.lit(1)).alias("tries"),
        F.count(F.when(is_accepted, 1)).alias("accepted"),
        F.count(F.when(is_accepted & (F.col(ATTEMPT) == 1), 1)).alias("first"),
        F.avg(F.when(is_accepted, words)).alias("words"),
        F.sum(tokens[0] + tokens[1]).alias("tokens"),
        F.avg("seconds").alias("seconds"),
    )
    return [
        WrittenBy(
            f"{row[MODEL]}, {row['prompt_sha256'][:_PROMPT_DIGITS]}",
            *(row[name] for name in ("tries", "accepted", "first", "words", "tokens", "seconds")),
        )
        for row in rows.orderBy(F.desc("tries"), *_WORK).collect()
    ]


def _outcomes(tries: DataFrame) -> list[Outcome]:
    counted = tries.groupBy(STATUS, CAUSE).agg(F.count(F.lit(1)).alias("tries"))
    meanings = {**CAUSES, **REFUSALS}
    return [
        Outcome(row[STATUS], row[CAUSE] or "", meanings.get(row[CAUSE], ""), row["tries"])
        for row in counted.orderBy(STATUS, F.desc("tries"), CAUSE).collect()
    ]


def _examples(tries: DataFrame) -> list[Example]:
    rows = tries.orderBy(_DRAW.of(*KEY, ATTEMPT), *KEY, ATTEMPT).limit(_MOST_EXAMPLES).collect()
    return [
        Example(
            visible(row[CAPTION]),
            row[STATUS] == ACCEPTED,
            row[CAUSE] or f"at try {row[ATTEMPT]}",
            matched=[visible(row[CONCEPT], 60)],
        )
        for row in rows
    ]
