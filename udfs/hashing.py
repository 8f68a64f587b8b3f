"""64-bit hashes of words, n-grams and other sequences.

Two different texts share a hash with probability 2^-64, so among n distinct n-grams
n^2 / 2^65 pairs are expected to: 0.03 pairs among 10^9. Each pair makes a
number of unique n-grams one too small.
"""

import numpy as np

from udfs.compiled import inlined
from udfs.machine import load_word

_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@inlined
def mixed(word):
    """A bijection of 64 bits whose every output bit depends on every input bit (splitmix64)."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


@inlined
def hash_bytes(text, start, end):
    """Hash of text[start:end], 8 bytes at a time; `text` is padded by machine.PADDING."""
    hashed = np.uint64(end - start) * _ODD
    position = start
    while end - position >= 8:
        hashed = mixed(hashed ^ load_word(text, position)) + _ODD
        position += 8
    if position < end:
        rest = _ALL >> np.uint64(64 - 8 * (end - position))
        hashed = mixed(hashed ^ (load_word(text, position) & rest)) + _ODD
    return mixed(hashed)


@inlined
def extended(ngram, token):
    """Hash of the sequence, such as an n-gram, that a token follows; length and order count."""
    return mixed(ngram * _ODD + (token ^ _FIRST))
