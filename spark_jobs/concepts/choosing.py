"""Choose a bank's entries from sources in order: the rules of MetaCLIP and of MetaCLIP 2."""

import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from udfs.text.metaclip2_match import PUNCTUATION

PAPERS = (
    "MetaCLIP, section 3.1: 500,000 entries, the union of WordNet, words, bigrams and titles",
    "MetaCLIP 2, section 3.1: the union for each language, with limits in place of thresholds",
)

NUMBERS, UNIGRAMS, BIGRAMS, TITLES = "numbers", "unigrams", "bigrams", "titles"
COUNTED = (UNIGRAMS, BIGRAMS, TITLES)  # the sources whose entries a corpus gives
RuleName = Literal["metaclip", "metaclip2"]
LONGEST = 256  # code points of an entry in MetaCLIP 2, but for those of given lists
_MARKS = frozenset(PUNCTUATION)


@dataclass(frozen=True)
class Candidate:
    """A text that may become an entry, with its count and its score in the source.

    `row`: of a given list, where its other columns are.
    """

    entry: str
    count: int | None = None
    score: float | None = None
    row: int | None = None


@dataclass(frozen=True)
class Offer:
    """What a source offers in one language, in order. `limit`: of entries that it adds."""

    source: str
    candidates: Iterable[Candidate]
    limit: int | None = None


def choose_entries(offers: Sequence[Offer], rule: RuleName) -> Iterator[tuple[str, Candidate]]:
    """(source, entry) of the union of what sources offer in one language, the first of each text.

    MetaCLIP leaves out the empty text and single punctuation marks. MetaCLIP 2 also strips
    entries, and leaves out those of punctuation alone and, but for given lists, of more than 256
    code points; an entry that another source has added does not count towards the limit, which is
    looked at after each, so that a limit of 0 lets one in.
    """
    chosen: set[str] = set()
    for offer in offers:
        n_added = 0
        for candidate in offer.candidates:
            text = candidate.entry.strip() if rule == "metaclip2" else candidate.entry
            if text in chosen or refusal(text, rule, is_counted=offer.source in COUNTED):
                continue
            chosen.add(text)
            yield offer.source, replace(candidate, entry=text)
            n_added += 1
            if offer.limit is not None and n_added >= offer.limit:
                break


def refusal(text: str, rule: RuleName, *, is_counted: bool) -> str | None:
    """Why a text is no entry: empty, punctuation, too_long; None if it may be one."""
    if not text:
        return "empty"
    if rule == "metaclip":
        return "punctuation" if len(text) == 1 and text in string.punctuation else None
    if _MARKS.issuperset(text):
        return "punctuation"
    return "too_long" if is_counted and len(text) > LONGEST else None


# Languages whose bigrams are written without a space.
UNSPACED = ("zh", "ja", "th", "lo", "my", "km", "bo", "dz", "ryu")


def bigram_text(first: str, second: str, lang: str, rule: RuleName) -> str:
    """The entry of a bigram."""
    space = "" if rule == "metaclip2" and lang in UNSPACED else " "
    return f"{first}{space}{second}"
