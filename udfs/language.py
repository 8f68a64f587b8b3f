"""The language of a caption, told by a fastText model such as lid.176.ftz (Joulin et al. 2016)."""

from functools import cache
from typing import Any

import pyarrow as pa

_PREFIX = "__label__"  # before the name of a language in such a model


@cache
def load_language_model(path: str) -> Any:
    """The model of a file, one a process.

    Raises ModuleNotFoundError without fasttext-predict, ValueError where the file is no model.
    """
    import fasttext

    return fasttext.load_model(path)


def languages(texts: pa.Array, path: str) -> pa.StringArray:
    """The likeliest language of each text, (n,), null where the text is null or tells none."""
    model = load_language_model(path)
    found = []
    for text in texts.to_pylist():
        # One by one: fasttext-predict 0.9.2 fails on a list.
        labels, _ = model.predict((text or "").replace("\n", " "), k=1)
        found.append(labels[0].removeprefix(_PREFIX) if labels else None)
    return pa.array(found, pa.string())
