"""Rows of a journal as the table of tries has them: a try once, no caption accepted twice."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.captioning.wanted import (
    CAUSE,
    IDENTITY,
    KEY,
    STATUS,
    TRY,
)
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import CAPTION, GENERATIONS
from udfs.captioning.asking import ACCEPTED, REFUSED
from udfs.captioning.checks import DUPLICATE

_OF_WORK = (*IDENTITY, CAPTION)


def new_tries(journal: DataFrame, tries: DataFrame | None) -> DataFrame:
    """The journal's tries that the table does not have, each once.

    A task that was run twice may have noted a try twice; the one that was accepted stays.
    """
    others = [name for name in GENERATIONS.names if name not in TRY]
    first = F.min(F.struct(STATUS, *(name for name in others if name != STATUS))).alias("_first")
    once = journal.groupBy(*TRY).agg(first).select(*TRY, "_first.*").select(*GENERATIONS.names)
    if tries is None:
        return once
    return once.join(tries.select(*TRY), on=[*TRY], how="left_anti").select(*GENERATIONS.names)


def refuse_duplicates(new: DataFrame, tries: DataFrame | None) -> DataFrame:
    """Refuse captions that the table has already, or another new try before them in KEY's order.

    Captions are compared as they are, among those of the same IDENTITY; a journal may have tries
    of a run whose checks had no duplicates among them.
    """
    may_be = (F.col(STATUS) == ACCEPTED) & F.col("checks").contains(f'"{DUPLICATE}"')
    accepted = new.where(may_be)
    firsts = accepted.groupBy(*_OF_WORK).agg(F.min(F.struct(*KEY)).alias("_first"))
    if tries is not None:
        earlier = tries.where(F.col(STATUS) == ACCEPTED).select(*_OF_WORK)
        firsts = firsts.join(earlier, on=[*_OF_WORK], how="left_anti")
    is_first = F.col("_first").eqNullSafe(F.struct(*KEY))
    is_duplicate = may_be & ~is_first
    judged = new.join(firsts, on=[*_OF_WORK], how="left")
    changed = {
        STATUS: F.when(is_duplicate, F.lit(REFUSED)).otherwise(F.col(STATUS)),
        CAUSE: F.when(is_duplicate, F.lit(DUPLICATE)).otherwise(F.col(CAUSE)),
    }
    return judged.select(
        *(changed[name].alias(name) if name in changed else named(name) for name in new.columns)
    )
