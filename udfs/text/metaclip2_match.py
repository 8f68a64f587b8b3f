"""MetaCLIP 2's matcher: an entry needs a space at an end unless its script or punctuation has none.

Chuang et al. 2025. Entries are padded with the spaces they need and searched as substrings of the
spaced caption, code point by code point (`substring_trie.py`).
"""

import string
from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.text.code_points import N_CODE_POINTS
from udfs.text.lists import add_ids
from udfs.text.pieces import PIECE_BYTES, border_table, is_valid_except, long_rows, pieces
from udfs.text.rewriting import decode
from udfs.text.substring_trie import SubstringTrie, find_entries
from udfs.text.token_match import BREAKS, MARKS
from udfs.text.token_trie import PaddedText, padded_text

_SPACE = 32
# Scripts without spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, and Han.
_SCRIPTS = [
    *((0x0E00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x2EFF), (0x2F00, 0x2FDF)),
    *((0x2FF0, 0x2FFF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF)),
    *((0x20000, 0x2A6DF), (0x2A700, 0x2EBEF)),
]
# Missing in the published list: kana with its marks, and hangul.
_KANA_AND_HANGUL = [
    *((0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x1100, 0x11FF), (0x3130, 0x318F)),
    (0xAC00, 0xD7A3),
]
PUNCTUATION = string.punctuation + "，。、；：？！“”‘’（）【】《》〈〉「」『』～—"


@cache
def needs_no_padding(is_mended: bool = False) -> NDArray[np.bool_]:
    """Whether a code point at an entry's end needs no space beside it, (N_CODE_POINTS,).

    `is_mended`: True for kana and hangul too. The published list lacks them, so that entries in
    these scripts match only between spaces.
    """
    table = np.zeros(N_CODE_POINTS, np.bool_)
    for first, last in _SCRIPTS + (_KANA_AND_HANGUL if is_mended else []):
        table[first : last + 1] = True
    table[[ord(sign) for sign in PUNCTUATION]] = True
    return table


def padded_entry(entry: str, *, is_mended: bool = False) -> str:
    """The entry with a space at each end that needs one; an empty entry stays empty."""
    if not entry:
        return entry
    before, behind = needs_padding(entry, is_mended=is_mended)
    return " " * before + entry + " " * behind


def needs_padding(entry: str, *, is_mended: bool = False) -> tuple[bool, bool]:
    """Whether a non-empty entry needs a space before it, and behind it."""
    table = needs_no_padding(is_mended)
    return not table[ord(entry[0])], not table[ord(entry[-1])]


def match_substrings(
    captions: pa.Array, trie: SubstringTrie, *, is_stripped: bool = True, is_spaced: bool = True
) -> pa.ListArray:
    """Ids of the padded entries that occur in each spaced caption, ascending and unique.

    captions: string or large_string, (n,). A null caption matches nothing. `is_stripped`: remove
    white space at both ends first, as MetaCLIP 2 does. Without `is_spaced` the captions are
    searched as they are, except for a space added at both ends.
    """
    offsets, text = padded_text(captions)
    is_valid = captions.is_valid().to_numpy(zero_copy_only=False)
    kinds = spacing_kinds() if is_spaced else np.zeros(0, np.uint8)
    long = long_rows(offsets, is_valid)
    is_short = is_valid_except(is_valid, long)
    list_offsets, ids = _match(offsets, text, is_short, trie, is_stripped, kinds)
    lists = pa.ListArray.from_arrays(pa.array(list_offsets), pa.array(ids))
    long_ids = [
        _match_in_pieces((offsets[row : row + 2], text), trie, is_stripped, kinds) for row in long
    ]
    rows = np.repeat(long, [ids.size for ids in long_ids])
    return add_ids(lists, rows, np.concatenate([np.zeros(0, np.int32), *long_ids]))


def _match_in_pieces(
    caption: PaddedText, trie: SubstringTrie, is_stripped: bool, kinds: NDArray[np.uint8]
) -> NDArray[np.int32]:
    """Ids of the entries in one caption, ascending and unique."""
    ids = np.zeros(0, np.int32)
    for piece in spaced_pieces(caption, trie, is_stripped, kinds):
        piece_ids = _match(piece, caption[1], np.ones(1, np.bool_), trie, False, kinds)[1]
        ids = np.union1d(ids, piece_ids)
    return ids


def spaced_pieces(
    caption: PaddedText, trie: SubstringTrie, is_stripped: bool, kinds: NDArray[np.uint8]
) -> Iterator[NDArray[np.int64]]:
    """The `pieces` of one caption, after stripping.

    They are cut at bytes beside which spacing writes a space, which is also what it writes at the
    ends of a text, so that each piece is spaced as in the whole caption.
    """
    (start, end), text = caption
    if is_stripped:
        start, end = _stripped_range(text, start, end, kinds)
    borders = border_table(BREAKS + MARKS if kinds.size else " ")
    return pieces(text, start, end, borders, trie.longest + 2)


# What spacing does to a code point: nothing, replace it by a space, put a space on both sides.
# Kinds of BLANK and above are white space, which stripping removes.
KIND_PLAIN, KIND_BREAK, KIND_MARK, BLANK = range(4)


@cache
def spacing_kinds() -> NDArray[np.uint8]:
    """The kind of each code point, plus BLANK if it is white space.

    (0x3001,): code points beyond that are KIND_PLAIN.
    """
    kinds = np.zeros(0x3001, np.uint8)
    for code in range(kinds.size):
        if chr(code).isspace():
            kinds[code] = BLANK
    kinds[[ord(sign) for sign in BREAKS]] = BLANK + KIND_BREAK
    kinds[[ord(sign) for sign in MARKS]] = KIND_MARK
    return kinds


@compiled
def _match(offsets, text, is_valid, trie, is_stripped, kinds):
    """(list offsets (n + 1,), ids) of n captions.

    Each caption is decoded and spaced into `codes` (int32) and searched from every code point on.
    `marked`, a bit set of all entries, keeps ids unique within a caption.
    """
    n_rows = offsets.size - 1
    codes = np.empty(max_codes(offsets, text, is_valid, kinds), np.int32)
    marked = np.zeros(trie.next_equal.size // 64 + 1, np.uint64)
    ids = np.empty(max(64, 8 * n_rows), np.int32)
    list_offsets = np.zeros(n_rows + 1, np.int32)
    n_ids = 0
    row = 0
    while row < n_rows:
        n_codes = 0
        if is_valid[row]:
            n_codes = space_caption(text, offsets[row], offsets[row + 1], is_stripped, kinds, codes)
        end = _collect_ids(codes, n_codes, trie, marked, ids, n_ids)
        for k in range(n_ids, min(end, ids.size)):
            marked[ids[k] >> 6] = 0
        if end > ids.size:
            larger = np.empty(2 * ids.size, np.int32)
            larger[:n_ids] = ids[:n_ids]
            ids = larger
            continue  # the same row again
        ids[n_ids:end].sort()
        n_ids = end
        row += 1
        list_offsets[row] = n_ids
    return list_offsets, ids[:n_ids].copy()


@inlined
def _collect_ids(codes, n_codes, trie, marked, ids, n_ids):
    """Append the ids of a spaced caption to `ids`, each once, and mark them; give where they end.

    That is beyond `ids` if they may not fit.
    """
    for start in range(n_codes):
        n_ids = find_entries(codes, start, n_codes, trie, _write_id_once, (ids, marked), n_ids)
        if n_ids > ids.size:
            break
    return n_ids


@inlined
def _write_id_once(out, n, entry, _start, _end):
    """Write an id and mark it; one marked before does not count, and the next overwrites it."""
    ids, marked = out
    if n >= ids.size:
        return n + 1
    word, bit = marked[entry >> 6], np.uint64(1) << np.uint64(entry & 63)
    marked[entry >> 6] = word | bit
    ids[n] = entry
    return n + np.int64(word & bit == 0)


@compiled
def max_codes(offsets, text, is_valid, kinds):
    """Upper bound of the code points of any valid text after spacing and padding.

    3 per byte; of long texts the exact number of marks is counted, to need less memory.
    """
    most = 0
    for row in range(is_valid.size):
        size = offsets[row + 1] - offsets[row] if is_valid[row] else 0
        if size <= PIECE_BYTES:
            most = max(most, 3 * size)
            continue
        for position in range(offsets[row], offsets[row + 1]):
            size += 2 * np.int64(text[position] < kinds.size and kinds[text[position]] == KIND_MARK)
        most = max(most, size)
    return most + 2


@compiled
def _stripped_range(text, start, end, kinds):
    """(start, end) of a text without the white space at its ends."""
    first = end
    last = start
    position = start
    while position < end:
        code, behind = decode(text, position, end)
        if not (code < kinds.size and kinds[code] >= BLANK):
            first = min(first, position)
            last = behind
        position = behind
    return min(first, last), last


@compiled
def space_caption(text, start, end, is_stripped, kinds, codes):
    """Write a caption's code points, spaced and padded by MetaCLIP's rule; give their number."""
    codes[0] = _SPACE
    n = 1
    n_unstripped = 1  # number up to the last code point that is no white space
    position = start
    while position < end:
        code, position = decode(text, position, end)
        kind = kinds[code] if code < kinds.size else KIND_PLAIN
        if kind >= BLANK:
            if is_stripped and n_unstripped == 1:
                continue
            codes[n] = _SPACE if kind == BLANK + KIND_BREAK else code
            n += 1
            continue
        if kind == KIND_MARK:
            codes[n], codes[n + 1], codes[n + 2] = _SPACE, code, _SPACE
            n += 3
        else:
            codes[n] = code
            n += 1
        n_unstripped = n
    if is_stripped:
        n = n_unstripped
    codes[n] = _SPACE
    return n + 1
