"""Matchers of match-concepts: a text rule with a concept bank, applied to batches of captions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.text.lists import merge_lists
from udfs.text.metaclip2_match import match_substrings, needs_padding, padded_entry
from udfs.text.spans import END, ENTRY_ID, ROW, START, Spans, empty_spans
from udfs.text.substring_spans import substring_spans
from udfs.text.substring_trie import SubstringTrie, build_substring_trie
from udfs.text.token_match import match_captions
from udfs.text.token_spans import token_spans
from udfs.text.token_trie import Duplicates, TokenTrie, build_token_trie

# The characters that Python's str.strip removes, which MetaCLIP 2 applies to captions.
_WHITE_SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())


class ConceptMatcher(Protocol):
    """Finds the entries of a bank in captions; `columns`: the columns of captions it reads."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns that `match` and `spans` take, in order."""

    def match(self, columns: Sequence[pa.Array]) -> pa.ListArray:
        """Ids of the entries in each caption, ascending and unique."""

    def spans(self, columns: Sequence[pa.Array]) -> Spans:
        """Every occurrence of an entry, overlapping ones included, as in udfs.text.spans."""


@dataclass(frozen=True)
class MetaclipMatcher:
    """MetaCLIP's rule: an entry between spaces (Xu et al. 2023, section 3.1)."""

    trie: TokenTrie
    columns: Sequence[str] = ("caption",)

    def match(self, columns: Sequence[pa.Array]) -> pa.ListArray:
        """Ids of the entries in each caption, ascending and unique."""
        return match_captions(columns[0], self.trie)

    def spans(self, columns: Sequence[pa.Array]) -> Spans:
        """Every occurrence of an entry."""
        return token_spans(columns[0], self.trie)


@dataclass(frozen=True)
class _Language:
    """A language's entries: those padded at both ends as tokens, the others as substrings.

    `token_ids`, `substring_ids`: ids in the whole bank of the entries in `trie` and `substrings`.
    `padding`: (n_substrings, 2), as in `substring_spans`.
    """

    trie: TokenTrie
    token_ids: NDArray[np.int32]
    substrings: SubstringTrie
    substring_ids: NDArray[np.int32]
    padding: NDArray[np.bool_]

    def match(self, captions: pa.Array) -> pa.ListArray:
        by_token = by_substring = None
        if self.token_ids.size:
            matches = match_captions(pc.utf8_trim(captions, _WHITE_SPACE), self.trie)
            by_token = _renumber(matches, self.token_ids)
        if self.substring_ids.size or by_token is None:
            matches = match_substrings(captions, self.substrings)
            by_substring = _renumber(matches, self.substring_ids)
        if by_token is None or by_substring is None:
            return by_substring if by_token is None else by_token
        return merge_lists(by_token, by_substring)

    def spans(self, captions: pa.Array) -> Spans:
        trimmed = pc.utf8_ltrim(captions, _WHITE_SPACE)
        n_trimmed = pc.subtract(pc.utf8_length(captions), pc.utf8_length(trimmed))
        by_token = token_spans(pc.utf8_rtrim(trimmed, _WHITE_SPACE), self.trie)
        by_token[:, [START, END]] += n_trimmed.to_numpy(False)[by_token[:, ROW], None].astype(int)
        by_token[:, ENTRY_ID] = self.token_ids[by_token[:, ENTRY_ID]]
        by_substring = substring_spans(captions, self.substrings, self.padding)
        by_substring[:, ENTRY_ID] = self.substring_ids[by_substring[:, ENTRY_ID]]
        return np.concatenate([by_token, by_substring])


def _renumber(matches: pa.ListArray, ids: NDArray[np.int32]) -> pa.ListArray:
    """The lists with ids[i] for each i."""
    return pa.ListArray.from_arrays(matches.offsets, pa.array(ids[matches.values.to_numpy()]))


@dataclass(frozen=True)
class Metaclip2Matcher:
    """MetaCLIP 2's rule (Chuang et al. 2025): padded entries of the caption's language."""

    languages: dict[str, _Language]
    columns: Sequence[str] = ("caption", "lang")

    def match(self, columns: Sequence[pa.Array]) -> pa.ListArray:
        """Ids of the entries in each caption; none if the bank has no entries in its language."""
        captions, langs = columns
        parts, rows = [_empty_lists(0)], [np.zeros(0, np.int64)]
        for lang, lang_rows in _rows_by_language(langs):
            language = self.languages.get(lang) if lang is not None else None
            if language is None:
                parts.append(_empty_lists(lang_rows.size))
            else:
                parts.append(language.match(captions.take(pa.array(lang_rows))))
            rows.append(lang_rows)
        order = np.argsort(np.concatenate(rows), kind="stable")
        return pa.concat_arrays(parts).take(pa.array(order))

    def spans(self, columns: Sequence[pa.Array]) -> Spans:
        """Every occurrence of an entry of the caption's language."""
        captions, langs = columns
        parts = [empty_spans()]
        for lang, lang_rows in _rows_by_language(langs):
            if lang is not None and lang in self.languages:
                spans = self.languages[lang].spans(captions.take(pa.array(lang_rows)))
                spans[:, ROW] = lang_rows[spans[:, ROW]]
                parts.append(spans)
        return np.concatenate(parts)


def _rows_by_language(langs: pa.Array) -> Iterator[tuple[str | None, NDArray[np.int64]]]:
    """Each language and its rows, ascending."""
    for lang in pc.unique(langs).to_pylist():
        is_lang = pc.is_null(langs) if lang is None else pc.fill_null(pc.equal(langs, lang), False)
        yield lang, pc.indices_nonzero(is_lang).to_numpy().astype(np.int64)


def _empty_lists(n: int) -> pa.ListArray:
    """An array of n empty lists."""
    offsets = pa.array(np.zeros(n + 1, np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array([], pa.int32()))


def metaclip2_matcher(
    entries: Sequence[str],
    langs: Sequence[str | None],
    *,
    duplicates: Duplicates = "all",
    is_mended: bool = False,
) -> Metaclip2Matcher:
    """Build the matcher of a bank whose entries have languages; an id is the position in the bank.

    `duplicates`: of entries of a language with the same padded form a match reports "all" ids, or
    the "last" one, as published. `is_mended`: kana and hangul need no spaces. An empty entry, or
    one without a language, matches nothing.
    """
    ids_by_lang: dict[str, list[int]] = {}
    for entry_id, lang in enumerate(langs):
        if lang is not None:
            ids_by_lang.setdefault(lang, []).append(entry_id)
    return Metaclip2Matcher(
        {lang: _language(entries, ids, duplicates, is_mended) for lang, ids in ids_by_lang.items()}
    )


def _language(
    entries: Sequence[str], ids: Sequence[int], duplicates: Duplicates, is_mended: bool
) -> _Language:
    padded = {i: padded_entry(entries[i], is_mended=is_mended) for i in ids if entries[i]}
    token_ids = [i for i, text in padded.items() if text == f" {entries[i]} "]
    substring_ids = [i for i, text in padded.items() if text != f" {entries[i]} "]
    tokens = pa.array([entries[i] for i in token_ids], pa.string())
    padding = [needs_padding(entries[i], is_mended=is_mended) for i in substring_ids]
    substrings = pa.array([padded[i] for i in substring_ids], pa.string())
    return _Language(
        build_token_trie(tokens, duplicates=duplicates),
        np.array(token_ids, np.int32),
        build_substring_trie(substrings, duplicates=duplicates),
        np.array(substring_ids, np.int32),
        np.array(padding, np.bool_).reshape(-1, 2),
    )
