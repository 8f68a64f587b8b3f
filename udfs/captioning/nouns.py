"""Nouns of captions, by nltk's averaged perceptron tagger, where its model is installed."""

import pyarrow as pa

from udfs.captioning.token_rules import mteval_tokens

_MODEL = "taggers/averaged_perceptron_tagger_eng/"
WITHOUT_MODEL = (
    "unique nouns are left out: nltk's tagger is not installed "
    "(pip install nltk; python -m nltk.downloader averaged_perceptron_tagger_eng)"
)


def has_tagger() -> bool:
    """Whether nltk and the model of its tagger are installed here."""
    try:
        import nltk

        nltk.data.find(_MODEL)
    except (ImportError, LookupError):
        return False
    return True


class NounTagger:
    """Tags the words of captions; LookupError if the model is not installed."""

    def __init__(self) -> None:
        from nltk.tag.perceptron import PerceptronTagger

        self._tagger = PerceptronTagger()

    def nouns(self, captions: pa.Array) -> pa.Array:
        """The distinct nouns of each caption, in lower case, with spaces between."""
        return pa.array([self._nouns(text) for text in captions.to_pylist()], pa.string())

    def _nouns(self, text: str) -> str:
        tokens = [token for word in text.split() for token in mteval_tokens(word)]
        nouns = (token.lower() for token, tag in self._tagger.tag(tokens) if tag.startswith("NN"))
        return " ".join(dict.fromkeys(nouns))
