"""The captions that are wanted of a bank, and those that are still to be asked for."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.core.columns import named
from spark_jobs.core.draws import Draw
from spark_jobs.core.schemas import CONCEPT, ENTRY, ENTRY_ID, LANG, OCCURRENCE, N
from udfs.captioning.asking import ACCEPTED

PAPERS = (
    "SynthCLIP, captions_generator.py: captions for all concepts of a bank or a random part of it",
)

ATTEMPT, STATUS, CAUSE = "attempt", "status", "cause"
KEY = (CONCEPT, OCCURRENCE, N)  # a wanted caption, among those of one IDENTITY
IDENTITY = ("prompt_sha256", "backend", "model", "sampling", "checks")
IS_MATCHABLE = "is_matchable"
TRY = (*KEY, *IDENTITY, ATTEMPT)


def with_is_matchable(entries: DataFrame, unmatchable: Sequence[int]) -> DataFrame:
    """The entries of a bank with whether any caption can match them; `unmatchable`: ids."""
    if not unmatchable:
        return entries.withColumn(IS_MATCHABLE, F.lit(True))
    rows = [(entry_id, False) for entry_id in unmatchable]
    marked = entries.sparkSession.createDataFrame(rows, f"{ENTRY_ID} int, {IS_MATCHABLE} boolean")
    joined = entries.join(F.broadcast(marked), on=ENTRY_ID, how="left")
    return joined.withColumn(IS_MATCHABLE, F.coalesce(IS_MATCHABLE, F.lit(True)))


def wanted_captions(entries: DataFrame, first: int, n: int) -> DataFrame:
    """`n` captions for each entry, numbered from `first`, with the columns of KEY.

    `entries`: entry_id, entry, lang and is_matchable of a bank; all but the entry stay. Equal
    entries are told apart by `occurrence`, in order of entry_id, rather than by their ids, which
    change when the bank gets new entries.
    """
    earlier = Window.partitionBy(ENTRY).orderBy(ENTRY_ID)
    numbers = F.explode(F.sequence(F.lit(first), F.lit(first + n - 1)))
    concepts = entries.select(
        ENTRY_ID,
        LANG,
        IS_MATCHABLE,
        F.col(ENTRY).alias(CONCEPT),
        (F.row_number().over(earlier) - 1).alias(OCCURRENCE),
    )
    # Apart from the above: in one select Spark counts rows after it has made several of them.
    return concepts.select("*", numbers.alias(N))


def random_part(wanted: DataFrame, n_concepts: int, draw: Draw) -> DataFrame:
    """`n_concepts` of each number's concepts; a larger part has all of a smaller one.

    SynthCLIP draws each chunk's concepts anew (Hammoud et al. 2024, concept_bank_size).
    """
    by_draw = Window.partitionBy(N).orderBy(draw.of(*KEY), ENTRY_ID)
    ranked = wanted.withColumn("_rank", F.row_number().over(by_draw))
    return ranked.where(F.col("_rank") <= n_concepts).drop("_rank")


def last_tries(wanted: DataFrame, tries: DataFrame) -> DataFrame:
    """The wanted captions with attempt (0 for none), status and cause of their last try.

    `tries`: rows of schemas.GENERATIONS of one IDENTITY.
    """
    facts = F.struct(ATTEMPT, STATUS, CAUSE)
    last = tries.groupBy(*KEY).agg(F.max_by(facts, F.col(ATTEMPT)).alias("_last"))
    joined = wanted.join(last, on=[*KEY], how="left")
    return joined.select(
        *map(named, wanted.columns),
        F.coalesce(F.col(f"_last.{ATTEMPT}"), F.lit(0)).alias(ATTEMPT),
        F.col(f"_last.{STATUS}").alias(STATUS),
        F.col(f"_last.{CAUSE}").alias(CAUSE),
    )


def to_ask(last: DataFrame, most_tries: int) -> DataFrame:
    """The captions of `last_tries` that have none and may be tried again; attempt: the next one."""
    is_accepted = F.col(STATUS).eqNullSafe(F.lit(ACCEPTED))
    may_change = F.col(IS_MATCHABLE) | (F.col(ATTEMPT) == 0)
    rows = last.where(~is_accepted & (F.col(ATTEMPT) < most_tries) & may_change)
    return rows.select(LANG, IS_MATCHABLE, *KEY, (F.col(ATTEMPT) + 1).alias(ATTEMPT))


def accepted_captions(wanted: DataFrame, tries: DataFrame) -> DataFrame:
    """The wanted captions that are there: entry_id, n and caption."""
    accepted = tries.where(F.col(STATUS) == ACCEPTED).select(*KEY, "caption")
    return wanted.join(accepted, on=[*KEY], how="inner").select(ENTRY_ID, N, "caption")
