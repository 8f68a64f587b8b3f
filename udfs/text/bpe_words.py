"""Write a text's ids by a table of its words, each of which byte-pair encoding splits once.

CLIP's tokeniser cuts a cleaned text into words by a pattern and encodes each word by itself, so the
ids of a text are those of its words, one after the other.
"""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.text.code_points import N_CODE_POINTS

# Kinds of code points in the pattern 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
SPACE, LETTER, DIGIT, OTHER, REFUSED = range(5)
UNKNOWN, NOT_BY_WORDS = 0, -1  # in place of a text's length
LONGEST_WORD = 64  # bytes; a text with a longer word is not written by words
MOST_WORDS = 1 << 18
_FEWEST_SLOTS = 1 << 12
_NO_WORD = -1
_APOSTROPHE = ord("'")
_FNV_START, _FNV_FACTOR = 0xCBF29CE484222325, 0x100000001B3


class WordTable(NamedTuple):
    """Words in lower case and their ids.

    `slots`: word numbers by hash, a power of two of them, at least half of them _NO_WORD. Word k
    is `letters[starts[k]:starts[k + 1]]`, its ids are `ids[id_starts[k]:id_starts[k + 1]]`.
    """

    slots: NDArray[np.int32]
    starts: NDArray[np.int64]
    letters: NDArray[np.uint8]
    id_starts: NDArray[np.int64]
    ids: NDArray[np.int32]


def empty_word_table() -> WordTable:
    """A table without words."""
    zero = np.zeros(1, np.int64)
    slots = np.full(_FEWEST_SLOTS, _NO_WORD, np.int32)
    return WordTable(slots, zero, np.empty(0, np.uint8), zero, np.empty(0, np.int32))


def with_words(table: WordTable, ids_by_word: Mapping[bytes, list[int]]) -> WordTable:
    """The table with further words, none of which it has."""
    lengths = [len(word) for word in ids_by_word]
    id_counts = [len(ids) for ids in ids_by_word.values()]
    starts = np.concatenate([table.starts, table.starts[-1] + np.cumsum(lengths, dtype=np.int64)])
    letters = np.concatenate([table.letters, np.frombuffer(b"".join(ids_by_word), np.uint8)])
    id_starts = np.concatenate(
        [table.id_starts, table.id_starts[-1] + np.cumsum(id_counts, dtype=np.int64)]
    )
    new_ids = np.array([k for ids in ids_by_word.values() for k in ids], np.int32)
    n_slots = max(_FEWEST_SLOTS, 1 << (2 * len(starts)).bit_length())
    is_larger = n_slots > table.slots.size
    slots = np.full(n_slots, _NO_WORD, np.int32) if is_larger else table.slots.copy()
    _fill_slots(slots, starts, letters, 0 if is_larger else len(table.starts) - 1)
    return WordTable(slots, starts, letters, id_starts, np.concatenate([table.ids, new_ids]))


@cache
def kinds_of_cleaned() -> NDArray[np.uint8]:
    """The kind of each code point of a cleaned text, (N_CODE_POINTS,).

    REFUSED is what the pattern, which ignores case, takes for a letter behind an apostrophe beside
    the ASCII ones, or for no kind at all (U+0345). The text names no special token.
    """
    import regex  # comes with open_clip

    all_code_points = "".join(map(chr, range(N_CODE_POINTS)))
    kinds = np.full(N_CODE_POINTS, REFUSED, np.uint8)
    n_kinds = np.zeros(N_CODE_POINTS, np.uint8)
    patterns = {r"\s+": SPACE, r"\p{L}+": LETTER, r"\p{N}+": DIGIT, r"[^\s\p{L}\p{N}]+": OTHER}
    for pattern, kind in patterns.items():
        for run in regex.finditer(pattern, all_code_points, regex.IGNORECASE):
            kinds[run.start() : run.end()] = kind
            n_kinds[run.start() : run.end()] += 1
    kinds[n_kinds != 1] = REFUSED
    for match in regex.finditer("[strevmld]", all_code_points, regex.IGNORECASE):
        if match.start() > 0x7F:
            kinds[match.start()] = REFUSED
    return kinds


@cache
def kinds_of_plain() -> NDArray[np.uint8]:
    """The kind of each code point of a text that cleaning would leave as it is, but for case.

    These are printable ASCII, spaces and line breaks; `&` may begin an HTML entity, `<` a special
    token.
    """
    kinds = np.full(N_CODE_POINTS, REFUSED, np.uint8)
    plain = [ord(c) for c in map(chr, range(127)) if c in "\t\n" or (c >= " " and c not in "&<")]
    kinds[plain] = kinds_of_cleaned()[plain]
    return kinds


def write_ids(
    texts: pa.LargeStringArray,
    kinds: NDArray[np.uint8],
    table: WordTable,
    ends: tuple[int, int],
    tokens: NDArray[np.int32],
    lengths: NDArray[np.int32],
) -> set[bytes]:
    """Write the ids of the texts whose length is UNKNOWN; return words that the table lacks.

    tokens: (n, context), zeros; `ends`: the first and the last id of each text. A text of more ids
    is cut, its last one stays. lengths: (n,), ids of each text, UNKNOWN if a word is not in the
    table, NOT_BY_WORDS if a code point is REFUSED or a word too long.
    """
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset :][: len(texts) + 1]
    content = texts.buffers()[2]
    data = np.frombuffer(content, np.uint8) if content else np.empty(0, np.uint8)
    missing = np.empty((len(texts) * tokens.shape[1], 2), np.int64)
    n_missing = _write_ids(data, offsets, kinds, table, ends, tokens, lengths, missing)
    spans = missing[:n_missing].tolist()
    return {data[start:end].tobytes().lower() for start, end in spans}


@compiled
def _write_ids(data, offsets, kinds, table, ends, tokens, lengths, missing):
    n_missing = 0
    context = tokens.shape[1]
    for row in range(lengths.size):
        if lengths[row] != UNKNOWN:
            continue
        at, end = offsets[row], offsets[row + 1]
        n = 1
        is_known = True
        status = UNKNOWN
        while at < end:
            kind, next_at = _code_point(data, at, kinds)
            if kind == SPACE:
                at = next_at
                continue
            if kind == REFUSED:
                status = NOT_BY_WORDS
                break
            start = at
            at = _word_end(data, start, end, kinds, kind, next_at)
            if at - start > LONGEST_WORD:
                status = NOT_BY_WORDS
                break
            if n >= context:
                continue
            word = _look_up(data, start, at, table)
            if word == _NO_WORD:
                is_known = False
                missing[n_missing, 0], missing[n_missing, 1] = start, at
                n_missing += 1
                n += 1
                continue
            for k in range(table.id_starts[word], table.id_starts[word + 1]):
                if n < context:
                    tokens[row, n] = table.ids[k]
                    n += 1
        if status == UNKNOWN and is_known:
            tokens[row, 0] = ends[0]
            n = min(n, context - 1)
            tokens[row, n] = ends[1]
            status = n + 1
        else:
            tokens[row, :] = 0
        lengths[row] = status
    return n_missing


@inlined
def _word_end(data, start, end, kinds, kind, next_at):
    """End of the word that starts with a code point of such a kind, which ends at next_at."""
    at = next_at
    if kind == DIGIT:
        return at
    if data[start] == _APOSTROPHE:
        length = _contraction(data, start, end)
        if length:
            return start + length
    while at < end:
        next_kind, next_at = _code_point(data, at, kinds)
        if next_kind != kind:
            return at
        at = next_at
    return at


@inlined
def _contraction(data, start, end):
    """Bytes of 's, 't, 're, 've, 'm, 'll or 'd at the apostrophe at start; 0 if there is none."""
    first = data[start + 1] | 0x20 if start + 1 < end else 0
    if first == ord("s") or first == ord("t") or first == ord("m") or first == ord("d"):
        return 2
    second = data[start + 2] | 0x20 if start + 2 < end else 0
    if (first == ord("r") or first == ord("v")) and second == ord("e"):
        return 3
    return 3 if first == ord("l") and second == ord("l") else 0


@inlined
def _code_point(data, at, kinds):
    """(kind of the code point at a byte of valid UTF-8, the byte behind it)."""
    byte = np.int64(data[at])
    if byte < 0x80:
        return kinds[byte], at + 1
    if byte < 0xE0:
        return kinds[(byte & 0x1F) << 6 | data[at + 1] & 0x3F], at + 2
    if byte < 0xF0:
        code = (byte & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | data[at + 2] & 0x3F
        return kinds[code], at + 3
    code = (byte & 0x07) << 18 | (data[at + 1] & 0x3F) << 12
    return kinds[code | (data[at + 2] & 0x3F) << 6 | data[at + 3] & 0x3F], at + 4


@inlined
def _lower(byte):
    """The byte, in lower case if it is an ASCII letter."""
    return byte | 0x20 if 65 <= byte <= 90 else byte


@inlined
def _look_up(data, start, end, table):
    """Number of the word data[start:end], of any case; _NO_WORD if the table lacks it."""
    mask = table.slots.size - 1
    slot = np.int64(_hash(data, start, end) & np.uint64(mask))
    while table.slots[slot] != _NO_WORD:
        word = table.slots[slot]
        first = table.starts[word]
        if table.starts[word + 1] - first == end - start:
            k = 0
            while k < end - start and _lower(data[start + k]) == table.letters[first + k]:
                k += 1
            if k == end - start:
                return word
        slot = (slot + 1) & mask
    return _NO_WORD


@inlined
def _hash(data, start, end):
    """FNV-1a of the bytes in lower case, its high bits folded down."""
    value = np.uint64(_FNV_START)
    for k in range(start, end):
        value = (value ^ np.uint64(_lower(data[k]))) * np.uint64(_FNV_FACTOR)
    return value ^ (value >> np.uint64(32))


@compiled
def _fill_slots(slots, starts, letters, first_word):
    """Enter the words from first_word on."""
    mask = slots.size - 1
    for word in range(first_word, starts.size - 1):
        slot = np.int64(_hash(letters, starts[word], starts[word + 1]) & np.uint64(mask))
        while slots[slot] != _NO_WORD:
            slot = (slot + 1) & mask
        slots[slot] = word
