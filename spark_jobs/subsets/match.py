"""Rows from several sources so that each class has as many as a target says."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.columns import keys
from spark_jobs.draws import Draw
from spark_jobs.id_counts import repeated
from spark_jobs.schemas import TAKEN_FROM
from spark_jobs.subsets.class_list import Class
from spark_jobs.subsets.draw import count_classes, first_rows, of_classes
from udfs.id_counts import ID

_HASH, _N, _NTH = "_hash", "_n", "_nth"


@dataclass(frozen=True)
class Taken:
    """The rows of each source, with taken_from; available and taken: their numbers by class."""

    parts: Sequence[DataFrame]
    available: Sequence[Mapping[Class, int]]
    taken: Sequence[Mapping[Class, int]]


def united(parts: Iterable[DataFrame]) -> DataFrame:
    """The rows of all parts; a column that a part lacks is null there."""
    return reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), parts)


def match_frequencies(
    sources: Mapping[str, DataFrame],
    column: str,
    target: Mapping[Class, int],
    *,
    draw: Draw,
) -> Taken:
    """Of each class as many rows as its target, from the first source that has them.

    No key is taken twice: not from two sources, nor for two classes of one source, where it stays
    with the class that has fewer rows there. sources: name -> rows, in order of preference.
    """
    parts: list[DataFrame] = []
    available: list[dict[Class, int]] = []
    taken: list[dict[Class, int]] = []
    for name, rows in sources.items():
        free = of_classes(rows, column, target)
        by = keys(free)
        for part in parts:
            free = free.join(part.select(*by), on=by, how="left_anti")
        free = _once_each(free, column)
        counts = count_classes(free, column)
        missing = {key: n - sum(got.get(key, 0) for got in taken) for key, n in target.items()}
        got = {key: min(n, counts.get(key, 0)) for key, n in missing.items()}
        drawn = first_rows(free, column, got, counts, draw=draw)
        parts.append(drawn.withColumn(TAKEN_FROM, F.lit(name)))
        available.append(counts)
        taken.append(got)
    return Taken(parts, available, taken)


def _once_each(rows: DataFrame, column: str) -> DataFrame:
    """The rows of keys that stand once, and of the others one row, of the rarest class.

    Only hashes of keys are shuffled to find those.
    """
    by = keys(rows)
    several = repeated(rows, F.xxhash64(*by)).select(F.col(ID).alias(_HASH))
    if several.first() is None:
        return rows
    told = rows.withColumn(_HASH, F.xxhash64(*by))
    sizes = rows.groupBy(column).agg(F.count("*").alias(_N))
    copies = told.join(several, on=_HASH, how="left_semi").join(F.broadcast(sizes), on=column)
    rarest_first = Window.partitionBy(*by).orderBy(_N, column)
    once = copies.withColumn(_NTH, F.row_number().over(rarest_first)).where(F.col(_NTH) == 1)
    single = told.join(several, on=_HASH, how="left_anti")
    return single.select(*rows.columns).unionByName(once.select(*rows.columns))
