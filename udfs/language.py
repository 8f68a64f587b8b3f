"""Identify the language of captions by a fastText model like lid.176.ftz (Joulin et al. 2016)."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction

_PREFIX = "__label__"  # of the labels of such a model, before the language code


@cache
def load_language_model(path: str) -> Any:
    """Load the model from a file, once per process.

    Raises ModuleNotFoundError without fasttext-predict, ValueError if the file is not a model.
    """
    import fasttext

    return fasttext.load_model(path)


def languages(texts: pa.Array, path: str) -> pa.StringArray:
    """The most likely language of each text, (n,); null if the text is null or has none.

    A text without words may have one: models with an end of line as a word tell even that of "".
    """
    model = load_language_model(path)
    codes: list[str | None] = []
    for text in texts.to_pylist():
        if text is None:
            codes.append(None)
            continue
        # One by one: fasttext-predict 0.9.2 fails on a list.
        labels, _ = model.predict(text.replace("\n", " "), k=1)
        codes.append(labels[0].removeprefix(_PREFIX) if labels else None)
    return pa.array(codes, pa.string())


def add_language(path: str, *, text: str, language: str) -> BatchFunction:
    """For mapInArrow: the rows with a column `language`, that of their `text`; null if none.

    `path`: of a fastText model.
    """

    def detect(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            detected = languages(batch.column(text), path)
            names = [*batch.schema.names, language]
            yield pa.RecordBatch.from_arrays([*batch.columns, detected], names)

    return detect
