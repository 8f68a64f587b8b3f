"""The entries of a bank with their counts, as arrays on the driver."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CountedEntries:
    """Count and language of each entry, index = entry_id; `languages` may hold None."""

    counts: NDArray[np.int64]
    languages: NDArray[np.object_]

    def by_language(self) -> dict[str, NDArray[np.int64]]:
        """Language -> the counts of its entries."""
        names = sorted({lang for lang in self.languages.tolist() if lang is not None})
        return {lang: self.counts[self.languages == lang] for lang in names}

    def thresholds(self, t_of: Mapping[str, int]) -> NDArray[np.int64]:
        """The t of each entry's language, at least 1, shape (n_entries,)."""
        found = np.ones(self.counts.size, np.int64)
        for lang, t in t_of.items():
            found[self.languages == lang] = max(1, t)
        return found
