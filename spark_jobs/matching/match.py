"""Matches of a concept bank, a row per caption."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.columns import keys
from spark_jobs.schemas import CAPTION, COUNTED_IDS, ENTRY_COUNT, ENTRY_ID, ENTRY_IDS, MATCHES
from udfs.arrow import Batches, BatchFunction
from udfs.balancing import count_in_task
from udfs.compiled import one_compiles
from udfs.text.token_match import match_captions
from udfs.text.token_trie import TokenTrie


def match_concepts(captions: DataFrame, trie: TokenTrie, *, carry: bool = False) -> DataFrame:
    """Find the entries of a bank in each caption (MetaCLIP, Xu et al. 2023, section 3.1).

    `captions`: uid and caption, a row per uid, or per uid and caption_id. Gives schemas.MATCHES,
    with caption_id where there is one, and with `carry` all other columns: ids ascending and
    unique, an empty list where nothing matches.
    """
    read = captions.drop(ENTRY_IDS) if carry else captions.select(*keys(captions), CAPTION)
    kept = read if carry else read.drop(CAPTION)
    columns = StructType([*kept.schema, MATCHES[ENTRY_IDS]])
    return read.mapInArrow(matching(trie, carry=carry), columns)


def count_concepts(captions: DataFrame, trie: TokenTrie) -> DataFrame:
    """Captions that hold each entry id, as counted in their matches, which are not stored."""
    counted = captions.select(CAPTION).mapInArrow(counting(trie), COUNTED_IDS)
    return counted.groupBy(ENTRY_ID).agg(F.sum(ENTRY_COUNT).alias(ENTRY_COUNT))


def counting(trie: TokenTrie) -> BatchFunction:
    """The function of mapInArrow behind `count_concepts`."""
    match = matching(trie)

    def count(batches: Batches) -> Iterator[pa.RecordBatch]:
        return count_in_task(match(batches))

    return count


def matching(trie: TokenTrie, *, carry: bool = False) -> BatchFunction:
    """The function of mapInArrow: adds entry_ids to a batch with a caption.

    The caption itself stays only with `carry`.
    """

    def match(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles("match_captions"):
            match_captions(pa.array([], pa.string()), trie)
        for batch in batches:
            entry_ids = match_captions(batch.column(CAPTION), trie)
            names = [name for name in batch.schema.names if carry or name != CAPTION]
            columns = [*map(batch.column, names), entry_ids]
            yield pa.RecordBatch.from_arrays(columns, [*names, ENTRY_IDS])

    return match
