"""Hash tables from 64-bit keys to notes, which kernels fill, each with a rule of its own."""

import numpy as np
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.id_counts import HASH_FACTOR

AHEAD = 12  # keys between the one whose slot is fetched from memory and the one that is entered
_FEWEST = 10  # bits of the slots' numbers


class KeyTable:
    """Keys and their notes, which are not 0; linear probing.

    `slots`: (n_slots, 2), a key and its note in each, a note of 0 where it is free. `n_keys`: how
    many are not, which a kernel that enters keys returns.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Empty the table."""
        self.n_keys = 0
        self.slots = np.zeros((1 << _FEWEST, 2), np.uint64)

    @property
    def room(self) -> int:
        """The new keys that the table takes without being slow."""
        return len(self.slots) // 2 - self.n_keys

    def make_room(self, n_new: int) -> None:
        """Let the table take `n_new` more keys."""
        if n_new > self.room:
            n_slots = 1 << (2 * (self.n_keys + n_new) - 1).bit_length()
            self.slots = np.asarray(_moved(self.slots, n_slots))

    def entries(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """The keys and their notes."""
        kept = self.slots[self.slots[:, 1] != 0]
        return np.ascontiguousarray(kept[:, 0]), np.ascontiguousarray(kept[:, 1])


def table_of_entries(keys: NDArray[np.uint64], notes: NDArray[np.uint64]) -> KeyTable:
    """The table of distinct keys with notes that are not 0."""
    table = KeyTable()
    table.make_room(keys.size)
    _enter(keys, notes, table.slots)
    table.n_keys = keys.size
    return table


@inlined
def first_slot(key, n_slots):
    """Where the search for a key starts; n_slots is a power of two."""
    return np.int64((key * HASH_FACTOR) >> np.uint64(20)) & (n_slots - 1)


@inlined
def slot_of(slots, key):
    """The key's slot, or the free one where it belongs."""
    slot = first_slot(key, slots.shape[0])
    while slots[slot, 1] and slots[slot, 0] != key:
        slot = (slot + 1) & (slots.shape[0] - 1)
    return slot


@compiled
def _enter(keys, notes, slots):
    for k in range(keys.size):
        slot = slot_of(slots, keys[k])
        slots[slot, 0], slots[slot, 1] = keys[k], notes[k]


@compiled
def _moved(slots, n_slots):
    new = np.zeros((n_slots, 2), np.uint64)
    for old in range(slots.shape[0]):
        if slots[old, 1]:
            slot = slot_of(new, slots[old, 0])
            new[slot, 0], new[slot, 1] = slots[old, 0], slots[old, 1]
    return new
