"""Pairs of 64-bit hashes within a Hamming distance, all of them, by the pigeonhole principle.

If the bits are cut into d + 1 bands, two hashes that differ in at most d bits agree in all bits of
some band. So only hashes with an equal band are compared; where very many agree in one band, these
are cut into bands again, by their other bits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.compiled import compiled, inlined
from udfs.forest import Parents, forest_batches, link, no_edges

N_BITS = 64
Hashes = NDArray[np.uint64]
_MANY = 1024  # hashes that agree in a band, from which on they are cut into bands again
_CHUNK = 64  # hashes compared together


def band_masks(bits: Sequence[int], n_bands: int) -> list[int]:
    """Masks of n_bands bands of the given bits, which they share as evenly as they can."""
    bands = np.array_split(np.array(bits), n_bands)
    return [sum(1 << int(bit) for bit in band) for band in bands]


def all_masks(distance: int) -> list[int]:
    """The masks of the distance + 1 bands of a whole hash."""
    return band_masks(range(N_BITS), distance + 1)


def link_bands(distance: int) -> BatchFunction:
    """The forest (node, root) of hashes within the distance that agree in a band.

    batches: columns band (its number) and hash; all hashes of equal bits in a band are in the task.
    """

    def linked(batches: Batches) -> Iterator[pa.RecordBatch]:
        parts = [(batch["band"].to_numpy(), batch["hash"].to_numpy()) for batch in batches]
        if not parts:
            return
        band_of_row = np.concatenate([part[0] for part in parts])
        hash_of_row = np.concatenate([part[1] for part in parts])
        nodes, node_of_row = np.unique(hash_of_row, return_inverse=True)
        hashes = nodes.view(np.uint64)
        parents = no_edges(len(nodes))
        for band, mask in enumerate(all_masks(distance)):
            runs = _runs(hashes, node_of_row[band_of_row == band], mask)
            _link_agreeing(hashes, runs, ((1 << N_BITS) - 1) & ~mask, distance, parents)
        yield from forest_batches(pa.array(nodes), parents)

    return linked


@dataclass(frozen=True)
class _Runs:
    """Rows in an order in which those that agree in a band stand together."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def n_pairs(self) -> int:
        """Pairs of rows that agree, each twice and with itself."""
        return int((self.lengths**2).sum())


def _runs(hashes: Hashes, rows: NDArray[np.int64], mask: int) -> _Runs:
    values = hashes[rows] & np.uint64(mask)
    order = np.argsort(values, kind="stable")
    rows, values = rows[order], values[order]
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]][: len(rows)])
    return _Runs(rows, starts, np.diff(np.r_[starts, len(rows)]))


def _link_agreeing(hashes: Hashes, runs: _Runs, free: int, distance: int, parents: Parents) -> None:
    """Link the rows within the distance in each run; free: the bits in which those may differ."""
    is_compared = runs.lengths > 1
    left = [bit for bit in range(N_BITS) if free >> bit & 1]
    for number in np.flatnonzero(runs.lengths > _MANY) if len(left) > distance else ():
        start, length = runs.starts[number], runs.lengths[number]
        rows = runs.rows[start : start + length]
        masks = band_masks(left, distance + 1)
        cuts = [_runs(hashes, rows, mask) for mask in masks]
        # Hashes that are all much alike agree in each band: to cut them would multiply the work.
        if 2 * sum(cut.n_pairs for cut in cuts) < length**2:
            is_compared[number] = False
            for cut, mask in zip(cuts, masks, strict=True):
                _link_agreeing(hashes, cut, free & ~mask, distance, parents)
    starts, lengths = runs.starts[is_compared], runs.lengths[is_compared]
    _link_runs(hashes[runs.rows], runs.rows, starts, lengths, distance, parents)


@compiled
def _link_runs(hashes, rows, starts, lengths, distance, parents):
    """Link all hashes within the distance of each other in each run [start, start + length)."""
    for run in range(starts.size):
        stop = starts[run] + lengths[run]
        for first in range(starts[run], stop - 1):
            for start in range(first + 1, stop, _CHUNK):
                end = min(stop, start + _CHUNK)
                if not _any_within(hashes, first, start, end, distance):
                    continue
                for second in range(start, end):
                    if popcount(hashes[first] ^ hashes[second]) <= distance:
                        link(parents, rows[first], rows[second])


@inlined
def _any_within(hashes, first, start, end, distance):
    """Whether any hash is within the distance; counted without a branch, so that it vectorises."""
    n = 0
    for second in range(start, end):
        n += popcount(hashes[first] ^ hashes[second]) <= distance
    return n > 0


@inlined
def popcount(word):
    """Number of ones among 64 bits, in a form for which compilers know an instruction."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))
