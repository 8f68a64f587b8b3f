"""Draws as Spark computes them: xxhash64 of purpose, key and seed as a number in [0, 1)."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.machine import load_word

_P1 = np.uint64(0x9E3779B185EBCA87)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_P4 = np.uint64(0x85EBCA77C2B2AE63)
_P5 = np.uint64(0x27D4EB2F165667C5)
_FIRST = np.uint64(42)  # the seed that Spark starts a hash with
_64 = np.uint64(64)


def uniform(purpose: str, keys: pa.StringArray, seed: int) -> NDArray[np.float64]:
    """`spark_jobs.core.draws.Draw(purpose, seed).of(KEY)` of each key, shape (n,).

    A null key adds nothing to the hash, as in Spark.
    """
    [of_purpose] = _hashes(pa.array([purpose]), _FIRST)
    hashes = _hashes(keys, of_purpose)
    if keys.null_count:
        hashes[keys.is_null().to_numpy(zero_copy_only=False)] = of_purpose
    _add_number(hashes, np.uint64(seed & 0xFFFFFFFFFFFFFFFF))
    return (hashes >> np.uint64(11)) / 2.0**53


def _hashes(texts: pa.StringArray, seed: np.uint64) -> NDArray[np.uint64]:
    _, offset_buffer, text_buffer = texts.buffers()
    n, first = len(texts), texts.offset
    offsets = np.frombuffer(offset_buffer, np.int32)[first : first + n + 1]
    content = np.frombuffer(text_buffer or b"", np.uint8)
    hashes = np.empty(n, np.uint64)
    _hash_texts(content, offsets, seed, hashes)
    return hashes


@inlined
def _rotated(word, bits):
    return (word << np.uint64(bits)) | (word >> (_64 - np.uint64(bits)))


@inlined
def _round(state, word):
    return _rotated(state + word * _P2, 31) * _P1


@inlined
def _merged(hashed, state):
    return (hashed ^ _round(np.uint64(0), state)) * _P1 + _P4


@inlined
def _with_word(hashed, word):
    return _rotated(hashed ^ _round(np.uint64(0), word), 27) * _P1 + _P4


@inlined
def _finished(hashed):
    hashed = (hashed ^ (hashed >> np.uint64(33))) * _P2
    hashed = (hashed ^ (hashed >> np.uint64(29))) * _P3
    return hashed ^ (hashed >> np.uint64(32))


@compiled
def _hash_texts(content, offsets, seed, hashes):
    for row in range(hashes.size):
        position, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        length = np.uint64(end - position)
        if end - position >= 32:
            a, b, c, d = seed + _P1 + _P2, seed + _P2, seed, seed - _P1
            while end - position >= 32:
                a = _round(a, load_word(content, position))
                b = _round(b, load_word(content, position + 8))
                c = _round(c, load_word(content, position + 16))
                d = _round(d, load_word(content, position + 24))
                position += 32
            hashed = _rotated(a, 1) + _rotated(b, 7) + _rotated(c, 12) + _rotated(d, 18)
            hashed = _merged(_merged(_merged(_merged(hashed, a), b), c), d)
        else:
            hashed = seed + _P5
        hashed += length
        while end - position >= 8:
            hashed = _with_word(hashed, load_word(content, position))
            position += 8
        if end - position >= 4:
            half = np.uint64(0)
            for k in range(4):
                half |= np.uint64(content[position + k]) << np.uint64(8 * k)
            hashed = _rotated(hashed ^ (half * _P1), 23) * _P2 + _P3
            position += 4
        while position < end:
            hashed = _rotated(hashed ^ (np.uint64(content[position]) * _P5), 11) * _P1
            position += 1
        hashes[row] = _finished(hashed)


@compiled
def _add_number(hashes, number):
    for row in range(hashes.size):
        hashes[row] = _finished(_with_word(hashes[row] + _P5 + np.uint64(8), number))
