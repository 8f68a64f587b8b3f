"""Draw rows from several sources so that class frequencies match a target."""

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

PAPERS = (
    "clip-beyond-tail, frequency matching: as many rows of a class as another set has",
    "LAIONet, matched frequencies: as many rows of a class as ImageNet-Captions has",
)

_KEY_HASH, _CLASS_SIZE, _ROW_NUMBER = "_hash", "_n", "_nth"


@dataclass(frozen=True)
class Taken:
    """The rows taken from each source, with taken_from; available, taken: their counts by class."""

    parts: Sequence[DataFrame]
    available: Sequence[Mapping[Class, int]]
    taken: Sequence[Mapping[Class, int]]


def union_parts(parts: Iterable[DataFrame]) -> DataFrame:
    """The union of all parts by column name; a column that a part lacks is null there."""
    return reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), parts)


def match_frequencies(
    sources: Mapping[str, DataFrame],
    column: str,
    target: Mapping[Class, int],
    *,
    draw: Draw,
) -> Taken:
    """Take each class's target number of rows, from the first sources that have them.

    sources: name -> rows, in order of preference. No key is taken twice: neither from two sources,
    nor for two classes of one source, where it counts for the class with fewer rows there.
    """
    parts: list[DataFrame] = []
    available: list[dict[Class, int]] = []
    taken: list[dict[Class, int]] = []
    for name, rows in sources.items():
        untaken = rows_of_classes(rows, column, target)
        for part in parts:
            untaken = joined_by_key(untaken, part.select(*keys(untaken)), how="left_anti")
        untaken = _one_row_per_key(untaken, column)
        counts = count_classes(untaken, column)
        missing = {
            key: n - sum(counts_of.get(key, 0) for counts_of in taken) for key, n in target.items()
        }
        n_taken = {key: min(n, counts.get(key, 0)) for key, n in missing.items()}
        drawn = draw_per_class(untaken, column, n_taken, counts, draw=draw)
        parts.append(drawn.withColumn(TAKEN_FROM, F.lit(name)))
        available.append(counts)
        taken.append(n_taken)
    return Taken(parts, available, taken)


def _one_row_per_key(rows: DataFrame, column: str) -> DataFrame:
    """Keep one row of each key, that of the rarest class.

    Of several rows of that class, a hash of their content decides. Repeated keys are found by
    shuffling their hashes alone.
    """
    key_columns, columns = keys(rows), [named(name) for name in rows.columns]
    key_hash, class_size, row_number = (
        free_name(rows, name) for name in (_KEY_HASH, _CLASS_SIZE, _ROW_NUMBER)
    )
    hash_of_key = F.xxhash64(*key_columns)
    repeated_keys = repeated_hashes(rows, hash_of_key).select(F.col(ID).alias(key_hash))
    if repeated_keys.first() is None:
        return rows
    with_hash = rows.withColumn(key_hash, hash_of_key)
    class_sizes = rows.groupBy(named(column).alias(column)).agg(F.count("*").alias(class_size))
    copies = with_hash.join(repeated_keys, on=key_hash, how="left_semi")
    with_size = copies.join(F.broadcast(class_sizes), on=column)
    content = F.to_json(F.struct(*columns))
    rarest_first = Window.partitionBy(*key_columns).orderBy(
        class_size, named(column), F.xxhash64(content), content
    )
    numbered = with_size.withColumn(row_number, F.row_number().over(rarest_first))
    first_copies = numbered.where(named(row_number) == 1)
    single = with_hash.join(repeated_keys, on=key_hash, how="left_anti")
    return single.select(*columns).unionByName(first_copies.select(*columns))
