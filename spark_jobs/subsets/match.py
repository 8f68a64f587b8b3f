"""Rows from several sources so that each class has as many as a target says."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.core.columns import free_name, keys, named
from spark_jobs.core.draws import Draw
from spark_jobs.core.id_counts import repeated_hashes
from spark_jobs.core.schemas import TAKEN_FROM
from spark_jobs.subsets.class_list import Class
from spark_jobs.subsets.draw import count_classes, draw_per_class, rows_of_classes
from spark_jobs.subsets.key_join import joined_by_key
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
        free = rows_of_classes(rows, column, target)
        for part in parts:
            free = joined_by_key(free, part.select(*keys(free)), how="left_anti")
        free = _once_each(free, column)
        counts = count_classes(free, column)
        missing = {key: n - sum(got.get(key, 0) for got in taken) for key, n in target.items()}
        got = {key: min(n, counts.get(key, 0)) for key, n in missing.items()}
        drawn = draw_per_class(free, column, got, counts, draw=draw)
        parts.append(drawn.withColumn(TAKEN_FROM, F.lit(name)))
        available.append(counts)
        taken.append(got)
    return Taken(parts, available, taken)


def _once_each(rows: DataFrame, column: str) -> DataFrame:
    """The rows of keys that stand once, and of the others one row, of the rarest class.

    Which of several rows of one class stays is by a hash of their content. Only hashes of keys are
    shuffled to find those.
    """
    by, columns = keys(rows), [named(name) for name in rows.columns]
    hashed, n, nth = (free_name(rows, name) for name in (_HASH, _N, _NTH))
    several = repeated_hashes(rows, F.xxhash64(*by)).select(F.col(ID).alias(hashed))
    if several.first() is None:
        return rows
    with_hash = rows.withColumn(hashed, F.xxhash64(*by))
    sizes = rows.groupBy(named(column).alias(column)).agg(F.count("*").alias(n))
    copies = with_hash.join(several, on=hashed, how="left_semi")
    sized = copies.join(F.broadcast(sizes), on=column)
    row = F.to_json(F.struct(*columns))
    rarest_first = Window.partitionBy(*by).orderBy(n, named(column), F.xxhash64(row), row)
    once = sized.withColumn(nth, F.row_number().over(rarest_first)).where(named(nth) == 1)
    single = with_hash.join(several, on=hashed, how="left_anti")
    return single.select(*columns).unionByName(once.select(*columns))
