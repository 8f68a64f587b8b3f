"""Matches of a concept bank, a row per caption."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame

from spark_jobs.schemas import CAPTION, ENTRY_IDS, MATCHES, UID
from udfs.arrow import Batches, BatchFunction
from udfs.text.metaclip_match import match_captions
from udfs.text.token_trie import TokenTrie


def match_concepts(captions: DataFrame, trie: TokenTrie) -> DataFrame:
    """Find the entries of a bank in each caption (MetaCLIP, Xu et al. 2023, section 3.1).

    `captions`: uid and caption, a row per uid. Gives schemas.MATCHES: ids ascending and unique,
    an empty list where nothing matches.
    """
    return captions.select(UID, CAPTION).mapInArrow(matching(trie), MATCHES)


def matching(trie: TokenTrie) -> BatchFunction:
    """The function of mapInArrow: batches of uid and caption to batches of uid and entry_ids."""

    def match(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            entry_ids = match_captions(batch.column(CAPTION), trie)
            yield pa.RecordBatch.from_arrays([batch.column(UID), entry_ids], [UID, ENTRY_IDS])

    return match
