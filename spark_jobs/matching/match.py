"""Matches of a concept bank, a row per caption."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from spark_jobs.columns import keys
from spark_jobs.schemas import CAPTION, ENTRY_IDS, MATCHES
from udfs.arrow import Batches, BatchFunction
from udfs.compiled import one_compiles
from udfs.text.metaclip_match import match_captions
from udfs.text.token_trie import TokenTrie


def match_concepts(captions: DataFrame, trie: TokenTrie) -> DataFrame:
    """Find the entries of a bank in each caption (MetaCLIP, Xu et al. 2023, section 3.1).

    `captions`: uid and caption, a row per uid, or per uid and caption_id. Gives schemas.MATCHES,
    with caption_id where there is one: ids ascending and unique, an empty list where nothing
    matches.
    """
    key = captions.select(*keys(captions))
    columns = StructType([*key.schema, MATCHES[ENTRY_IDS]])
    return captions.select(*key.columns, CAPTION).mapInArrow(matching(trie), columns)


def matching(trie: TokenTrie) -> BatchFunction:
    """The function of mapInArrow: batches of keys and caption to batches of keys and entry_ids."""

    def match(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles("match_captions"):
            match_captions(pa.array([], pa.string()), trie)
        for batch in batches:
            *key, captions = batch.columns
            entry_ids = match_captions(captions, trie)
            names = [*batch.schema.names[:-1], ENTRY_IDS]
            yield pa.RecordBatch.from_arrays([*key, entry_ids], names)

    return match
