"""MetaCLIP 2's matcher: whether an entry needs spaces around it depends on its own ends."""

import string
from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.text.code_points import N_CODE_POINTS
from udfs.text.lists import with_more
from udfs.text.pieces import PIECE_BYTES, border_table, long_rows, pieces, without
from udfs.text.rewriting import decode
from udfs.text.substring_trie import ROOT, SubstringTrie, follow
from udfs.text.token_match import BREAKS, MARKS
from udfs.text.token_trie import LAST, Text, padded_text

_SPACE = 32
# Scripts without spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, and Han.
_SCRIPTS = [
    *((0x0E00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x2EFF), (0x2F00, 0x2FDF)),
    *((0x2FF0, 0x2FFF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF)),
    *((0x20000, 0x2A6DF), (0x2A700, 0x2EBEF)),
]
# What the published list leaves out: kana, its marks, hangul.
_KANA_AND_HANGUL = [
    *((0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x1100, 0x11FF), (0x3130, 0x318F)),
    (0xAC00, 0xD7A3),
]
_PUNCTUATION = string.punctuation + "，。、；：？！“”‘’（）【】《》〈〉「」『』～—"


@cache
def without_padding(is_mended: bool = False) -> NDArray[np.bool_]:
    """Code points at an entry's end that need no space beside them, (N_CODE_POINTS,).

    `is_mended`: kana and hangul too, which the published list leaves out, so that entries in them
    match only between spaces.
    """
    table = np.zeros(N_CODE_POINTS, np.bool_)
    for first, last in _SCRIPTS + (_KANA_AND_HANGUL if is_mended else []):
        table[first : last + 1] = True
    table[[ord(sign) for sign in _PUNCTUATION]] = True
    return table


def padded_entry(entry: str, *, is_mended: bool = False) -> str:
    """The entry with a space at each end that needs one; an empty entry stays empty."""
    if not entry:
        return entry
    before, behind = pads(entry, is_mended=is_mended)
    return " " * before + entry + " " * behind


def pads(entry: str, *, is_mended: bool = False) -> tuple[bool, bool]:
    """Whether an entry, not empty, needs a space before it, and behind it."""
    table = without_padding(is_mended)
    return not table[ord(entry[0])], not table[ord(entry[-1])]


def match_substrings(
    captions: pa.Array, trie: SubstringTrie, *, is_stripped: bool = True, is_spaced: bool = True
) -> pa.ListArray:
    """Ids of the padded entries that occur in each spaced caption, ascending and unique.

    captions: string or large_string, (n,). A null caption matches nothing. `is_stripped`: white
    space at both ends is taken off first, as MetaCLIP 2 does. Without `is_spaced` the captions are
    searched as they are, but for a space put at both ends.
    """
    offsets, text = padded_text(captions)
    is_valid = captions.is_valid().to_numpy(zero_copy_only=False)
    kinds = kinds_of_spacing() if is_spaced else np.zeros(0, np.uint8)
    long = long_rows(offsets, is_valid)
    short = without(is_valid, long)
    list_offsets, ids = _match(offsets, text, short, trie, is_stripped, kinds)
    found = pa.ListArray.from_arrays(pa.array(list_offsets), pa.array(ids))
    of_long = [_ids_in((offsets[row : row + 2], text), trie, is_stripped, kinds) for row in long]
    rows = np.repeat(long, [ids.size for ids in of_long])
    return with_more(found, rows, np.concatenate([np.zeros(0, np.int32), *of_long]))


def _ids_in(
    row: Text, trie: SubstringTrie, is_stripped: bool, kinds: NDArray[np.uint8]
) -> NDArray[np.int32]:
    """Ids of the entries in one caption, piece by piece, ascending and unique."""
    ids = np.zeros(0, np.int32)
    for piece in spaced_pieces(row, trie, is_stripped, kinds):
        of_piece = _match(piece, row[1], np.ones(1, np.bool_), trie, False, kinds)[1]
        ids = np.union1d(ids, of_piece)
    return ids


def spaced_pieces(
    row: Text, trie: SubstringTrie, is_stripped: bool, kinds: NDArray[np.uint8]
) -> Iterator[NDArray[np.int64]]:
    """The `pieces` of one caption, stripped already.

    Beside the bytes where it is cut spacing puts what it puts at the ends of a text: a space.
    """
    (start, end), text = row
    if is_stripped:
        start, end = _stripped(text, start, end, kinds)
    borders = border_table(BREAKS + MARKS if kinds.size else " ")
    return pieces(text, start, end, borders, trie.longest + 2)


# What spacing does to a code point; of BLANK and above, stripping takes it off.
KIND_PLAIN, KIND_BREAK, KIND_MARK, BLANK = range(4)


@cache
def kinds_of_spacing() -> NDArray[np.uint8]:
    """What spacing does to a code point, and whether stripping takes it off (+ BLANK).

    (0x3001,): beyond that nothing is done to any.
    """
    kinds = np.zeros(0x3001, np.uint8)
    for code in range(kinds.size):
        if chr(code).isspace():
            kinds[code] = BLANK
    kinds[[ord(sign) for sign in BREAKS]] = BLANK + KIND_BREAK
    kinds[[ord(sign) for sign in MARKS]] = KIND_MARK
    return kinds


@compiled
def _match(offsets, data, is_valid, trie, is_stripped, kinds):
    n_rows = offsets.size - 1
    firsts, slots = trie.firsts, trie.slots
    entry_of, next_equal = trie.entry_of, trie.next_equal
    codes = np.empty(room_for_codes(offsets, data, is_valid, kinds), np.int32)
    marked = np.zeros(next_equal.size // 64 + 1, np.uint64)
    found = np.empty(max(64, 8 * n_rows), np.int32)
    list_offsets = np.zeros(n_rows + 1, np.int32)
    n_found = 0
    row = 0
    while row < n_rows:
        n = 0
        if is_valid[row]:
            n = spaced(data, offsets[row], offsets[row + 1], is_stripped, kinds, codes)
        end = _collect(codes, n, firsts, slots, entry_of, next_equal, marked, found, n_found)
        for k in range(n_found, min(end, found.size)):
            marked[found[k] >> 6] = 0
        if end > found.size:
            larger = np.empty(2 * found.size, np.int32)
            larger[:n_found] = found[:n_found]
            found = larger
            continue  # the same row again
        found[n_found:end].sort()
        n_found = end
        row += 1
        list_offsets[row] = n_found
    return list_offsets, found[:n_found].copy()


@inlined
def _collect(codes, n, firsts, slots, entry_of, next_equal, marked, found, n_found):
    """Write the ids of a spaced caption, each once, and mark them; give where they end.

    That is beyond `found` where it has no room for all of them.
    """
    for start in range(n):
        low = codes[start] & 0xFFFF
        if (firsts[low >> 3] >> (low & 7)) & 1 == 0:
            continue
        node = ROOT
        at = start
        while at < n:
            node = follow(slots, node, codes[at])
            if node == 0:
                break
            at += 1
            entry = entry_of[node]
            while entry != LAST:
                bit = np.uint64(1) << np.uint64(entry & 63)
                if marked[entry >> 6] & bit == 0:
                    if n_found == found.size:
                        return found.size + 1
                    marked[entry >> 6] |= bit
                    found[n_found] = entry
                    n_found += 1
                entry = next_equal[entry]
    return n_found


@compiled
def room_for_codes(offsets, data, is_valid, kinds):
    """Code points of the longest text once it is spaced and padded, or more."""
    most = 0
    for row in range(is_valid.size):
        size = offsets[row + 1] - offsets[row] if is_valid[row] else 0
        if size <= PIECE_BYTES:
            most = max(most, 3 * size)
            continue
        for at in range(offsets[row], offsets[row + 1]):
            size += 2 * np.int64(data[at] < kinds.size and kinds[data[at]] == KIND_MARK)
        most = max(most, size)
    return most + 2


@compiled
def _stripped(data, start, end, kinds):
    """Where a text begins and ends without the white space at its ends."""
    first = end
    last = start
    at = start
    while at < end:
        code, behind = decode(data, at, end)
        if not (code < kinds.size and kinds[code] >= BLANK):
            first = min(first, at)
            last = behind
        at = behind
    return min(first, last), last


@compiled
def spaced(data, start, end, is_stripped, kinds, codes):
    """Write the code points of a caption, spaced and padded as by MetaCLIP; give their number."""
    codes[0] = _SPACE
    n = 1
    solid = 1  # the number up to the last that stripping leaves
    at = start
    while at < end:
        code, at = decode(data, at, end)
        kind = kinds[code] if code < kinds.size else KIND_PLAIN
        if kind >= BLANK:
            if is_stripped and solid == 1:
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
        solid = n
    if is_stripped:
        n = solid
    codes[n] = _SPACE
    return n + 1
