"""Texts reduced to what is compared when case, punctuation and white space do not count."""

import sys
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import pyarrow as pa

from udfs.arrow import Batches


def normalised(text: str) -> str:
    """The text in NFKC, case folded, its punctuation and white space as single spaces.

    Punctuation is what Unicode puts into the categories P*; symbols such as + and $ stay. NFKC is
    applied again after folding, since folding may leave letters that it composes.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.translate(_spaces()).split())


def normalise_texts(batches: Batches) -> Iterator[pa.RecordBatch]:
    """Normalise the last column; null where nothing is left."""
    for batch in batches:
        *others, texts = batch.columns
        values = [normalised(text) or None if text else None for text in texts.to_pylist()]
        columns = [*others, pa.array(values, pa.string())]
        yield pa.RecordBatch.from_arrays(columns, batch.schema.names)


@lru_cache(maxsize=1)
def _spaces() -> dict[int, str]:
    """Code point -> space, of all punctuation."""
    codes = range(sys.maxunicode + 1)
    return {code: " " for code in codes if unicodedata.category(chr(code)).startswith("P")}
