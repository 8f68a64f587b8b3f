"""Checks of answers: the caption in an answer, and why it is refused."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import Request
from udfs.captioning.scripts import scripts_of
from udfs.text.metaclip2_match import padded_entry
from udfs.text.normalising import normalised

Rule: TypeAlias = Literal["metaclip", "metaclip2"]
# Check -> what a caption that it refuses is; in the order in which they are made.
DUPLICATE = "duplicate"  # found in the table, where all captions are; the others in a caption alone
CHECKS = {
    "empty": "has no letter or digit",
    "refusal": "is a refusal's text",
    "echo": "repeats the prompt",
    "several_lines": "has several lines",
    "too_long": "has more than max_words words, or was cut at max_tokens",
    "concept_absent": "does not have the concept, by the matching rule",
    "language": "is of another language or script",
    DUPLICATE: "is the caption of another",
}
NEVER_MATCHES = "never_matches"  # the cause of captions that are not asked for
REFUSALS = {**CHECKS, NEVER_MATCHES: "not asked for: no caption has the concept, by the rule"}
_SPACED = {**{mark: f" {mark} " for mark in ",.;:?!`"}, **dict.fromkeys("\t\n\r", " ")}
_SPACING = str.maketrans(_SPACED)
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "„": "“", "「": "」"}
_LABEL = re.compile(r"(?i)^(?:image |photo )?caption\s*[:：]\s*")
_REFUSAL = re.compile(
    r"(?i)^\W*(?:(?:i'?m|i am|we'?re|we are) (?:very |so |really )?"
    r"(?:sorry|unable|not able|afraid|an ai\b|a language model)"
    r"|(?:i|we) (?:can'?t|cannot|can not|couldn'?t|won'?t|will not|do(?:n'?t| not) (?:have|feel))\b"
    r"|sorry\b|unfortunately\b|apologies\b|my apologies\b|as an? (?:\w+ )?(?:ai|language model)\b)"
)
_OF_SEVERAL = "ーｰ々〆ª"  # the marks of long vowels, of repeats ...
_ECHOED_WORDS = 6  # of the prompt, one after another


@dataclass(frozen=True)
class Checker:
    """The checks of a run, by names of CHECKS; without any, answers are accepted as they are.

    `lang_model`: path of a fastText model that tells a caption's language; without one, the scripts
    of its letters are compared with those of the language and concept, or of the prompt where the
    language is not known.
    """

    checks: tuple[str, ...]
    prompt: Prompt
    rule: Rule = "metaclip"
    lang: str | None = None
    lang_model: str | None = None

    def label(self) -> str:
        """JSON of all that changes which answers are accepted; empty where all are."""
        if not self.checks:
            return ""
        parts: dict[str, Any] = {"checks": sorted(self.checks)}
        if "too_long" in self.checks:
            parts["max_words"] = self.prompt.max_words
        if "concept_absent" in self.checks:
            parts["rule"] = self.rule
        if "language" in self.checks:
            model = self.lang_model and self.lang_model.rpartition("/")[2]
            parts |= {"lang": self.lang, "lang_model": model}
        return json.dumps(parts, sort_keys=True)

    def caption(self, answer: str) -> str:
        """The caption in an answer: without label, and quotes and white space around it."""
        if not self.checks:
            return answer
        text = _LABEL.sub("", answer.strip())
        closing = _QUOTES.get(text[:1])
        is_quoted = closing is not None and len(text) > 1 and text.endswith(closing)
        if is_quoted and text[1:-1].count(closing or "") == 0:
            text = text[1:-1]
        return text.strip()

    def refusal(self, request: Request, caption: str, *, is_cut: bool) -> str | None:
        """The first check that refuses a caption, None if all accept it; duplicates come later."""
        tests: Mapping[str, Callable[[], bool]] = {
            "empty": lambda: not any(map(str.isalnum, caption)),
            "refusal": lambda: is_refusal(caption),
            "echo": lambda: self._echoes(caption),
            "several_lines": lambda: len(caption.splitlines()) > 1,
            "too_long": lambda: is_cut or self._is_too_long(caption),
            "concept_absent": lambda: not names_concept(caption, request.concept, self.rule),
            "language": lambda: self._is_of_another_language(request, caption),
        }
        for check in CHECKS:
            if check in self.checks and check in tests and tests[check]():
                return check
        return None

    def _is_too_long(self, caption: str) -> bool:
        return self.prompt.max_words is not None and len(caption.split()) > self.prompt.max_words

    def _echoes(self, caption: str) -> bool:
        return not _word_runs(caption).isdisjoint(_runs_of_prompt(self.prompt))

    def _is_of_another_language(self, request: Request, caption: str) -> bool:
        lang = request.lang or self.lang
        if self.lang_model is not None:
            import pyarrow as pa

            from udfs.language import languages

            return bool(languages(pa.array([caption]), self.lang_model)[0].as_py() != lang)
        expected = scripts_of(lang) or _scripts(self.prompt.of(request.concept))
        expected |= _scripts(request.concept)
        letters = list(_letter_scripts(caption))
        return 2 * sum(script not in expected for script in letters) > len(letters)


def spaced(text: str) -> str:
    """MetaCLIP's spacing: marks in spaces, white space as spaces, a space at both ends."""
    return f" {text.translate(_SPACING)} "


def names_concept(caption: str, concept: str, rule: Rule = "metaclip") -> bool:
    """Whether the matching rule finds the concept in the caption, as match-concepts would."""
    if rule == "metaclip2":
        return bool(concept) and padded_entry(concept) in spaced(caption.strip())
    return bool(concept) and f" {concept} " in spaced(caption)


def is_refusal(caption: str) -> bool:
    """Whether a caption begins as a model does that will not answer."""
    return _REFUSAL.match(caption.replace("’", "'")) is not None


def _word_runs(text: str) -> set[tuple[str, ...]]:
    words = normalised(text).split()
    return set(zip(*(words[start:] for start in range(_ECHOED_WORDS)), strict=False))


@lru_cache(maxsize=4)
def _runs_of_prompt(prompt: Prompt) -> frozenset[tuple[str, ...]]:
    """Runs of words of the prompt's own text, without the concept."""
    return frozenset(run for part in prompt.parts() for run in _word_runs(part))


def _scripts(text: str) -> set[str]:
    return set(_letter_scripts(text))


def _letter_scripts(text: str) -> Iterator[str]:
    """The first word of each letter's Unicode name: LATIN, CJK, CYRILLIC ...

    Letters of several scripts, such as the mark of a long vowel, are left out.
    """
    names = (unicodedata.name(c, "OTHER") for c in text if c.isalpha() and c not in _OF_SEVERAL)
    return (name.split(" ")[0].split("-")[0] for name in names)
