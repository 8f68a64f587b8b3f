"""The tokens of a corpus by which MetaCLIP 2 counts n-grams (Chuang et al. 2025), with hashes.

White space separates tokens. A character of a script without spaces is a token of its own, and so
is a punctuation mark, which is no word and ends a bigram; all else sticks together. Tags such as
`<b>` or `&lt;ref&gt;` are removed first, without leaving a space.
"""

import hashlib
from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.machine import PADDING, load_word
from udfs.text.code_points import N_CODE_POINTS
from udfs.text.metaclip2_match import PUNCTUATION, needs_no_padding
from udfs.text.rewriting import decode
from udfs.text.token_trie import PaddedText
from udfs.text.vocabulary import FIRST_MASKS

STICKS, BLANK, ALONE, MARK = range(4)  # code points: part of a token, a blank, a token ...
NO_TOKEN, WORD_TOKEN, GAP_TOKEN = range(3)  # what `next_token` finds

_LF, _LESS, _GREATER, _AMPERSAND = (ord(sign) for sign in "\n<>&")
_ESCAPED_LESS, _ESCAPED_GREATER = (
    np.uint64(int.from_bytes(escape, "little")) for escape in (b"&lt;", b"&gt;")
)
_LOW_32 = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_FACTORS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_ODD = np.uint64(1)


@cache
def token_kinds() -> NDArray[np.uint8]:
    """The kind of each code point, (N_CODE_POINTS,)."""
    kinds = np.where(needs_no_padding(), ALONE, STICKS).astype(np.uint8)
    kinds[[ord(mark) for mark in PUNCTUATION]] = MARK
    kinds[[code for code in range(N_CODE_POINTS) if chr(code).isspace()]] = BLANK
    return kinds


@compiled
def without_tags(padded: PaddedText) -> PaddedText:
    """The padded texts without what `&lt;.*?&gt;|<.*?>` matches; a tag ends on its own line."""
    offsets, text = padded
    if not _has_tag_start(text, offsets[-1]):
        return offsets, text
    kept = np.empty(text.size, np.uint8)
    kept_offsets = np.zeros(offsets.size, np.int64)
    n = 0
    for row in range(offsets.size - 1):
        position, end = offsets[row], offsets[row + 1]
        may_end = may_end_escaped = True  # False: no tag that begins further on ends on this line
        while position < end:
            tag_end = np.int64(0)
            if text[position] == _LESS and may_end:
                tag_end = _tag_end(text, position + 1, end, False)
                may_end = tag_end > 0
            elif (
                text[position] == _AMPERSAND
                and may_end_escaped
                and _starts(text, position, end, _ESCAPED_LESS)
            ):
                tag_end = _tag_end(text, position + 4, end, True)
                may_end_escaped = tag_end > 0
            elif text[position] == _LF:
                may_end = may_end_escaped = True
            if tag_end:
                position = tag_end
                continue
            kept[n] = text[position]
            n += 1
            position += 1
        kept_offsets[row + 1] = n
    kept[n : n + PADDING] = 0
    return kept_offsets, kept[: n + PADDING]


@inlined
def _has_tag_start(text, end):
    for position in range(end):
        if text[position] == _LESS:
            return True
        if text[position] == _AMPERSAND and _starts(text, position, end, _ESCAPED_LESS):
            return True
    return False


@inlined
def _starts(text, position, end, escape):
    """Whether the four bytes of `escape` stand at the position."""
    return position + 4 <= end and (load_word(text, position) & _LOW_32) == escape


@inlined
def _tag_end(text, position, end, is_escaped):
    """The position behind the first > or &gt; on the line from `position` on; 0 if it has none."""
    while position < end and text[position] != _LF:
        if is_escaped and _starts(text, position, end, _ESCAPED_GREATER):
            return position + 4
        if not is_escaped and text[position] == _GREATER:
            return position + 1
        position += 1
    return np.int64(0)


@inlined
def next_token(text, position, end, kinds):
    """(what comes next in text[position:end], its start, its end).

    It is WORD_TOKEN, NO_TOKEN at the end, or GAP_TOKEN, a punctuation mark.
    """
    start = position
    while position < end:
        first = text[position]
        if first < 0x80:
            kind = kinds[first]
            behind = position + 1
        else:
            code, behind = decode(text, position, end)
            kind = kinds[code] if code < N_CODE_POINTS else np.uint8(STICKS)
        if kind == STICKS:
            position = behind
            continue
        if position > start:
            return WORD_TOKEN, start, position
        if kind == BLANK:
            position = start = behind
            continue
        return (GAP_TOKEN if kind == MARK else WORD_TOKEN), start, behind
    return (WORD_TOKEN if position > start else NO_TOKEN), start, position


@inlined
def token_hash(text, start, end, seed):
    """A hash that is not 0; tokens of one length up to 8 bytes have it in common only if equal."""
    hashed = seed ^ (np.uint64(end - start) * _FACTORS[1])
    position = start
    while position < end:
        word = load_word(text, position) & FIRST_MASKS[min(end - position, 8)]
        hashed = (hashed ^ word) * _FACTORS[0]
        hashed ^= hashed >> _SHIFT
        position += 8
    hashed = hashed * _FACTORS[1]
    hashed ^= hashed >> _SHIFT
    return hashed if hashed else _ODD


def language_seed(lang: str, seed: int) -> int:
    """The seed of a language's hashes, 64 bits, so that a word has another hash in each."""
    digest = hashlib.blake2b(f"{seed} {lang}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def by_language(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.Array]]:
    """Each language of a batch of columns lang, text, neither with nulls, and its texts."""
    langs, texts = batch.columns
    distinct = pc.unique(langs).to_pylist()
    for lang in distinct:
        yield lang, texts if len(distinct) == 1 else texts.filter(pc.equal(langs, lang))
