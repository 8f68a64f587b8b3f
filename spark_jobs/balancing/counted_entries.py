"""Entry counts and languages of a concept bank, as arrays on the driver."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CountedEntries:
    """entry_count and language of each entry, index = entry_id; a language may be None."""

    counts: NDArray[np.int64]
    languages: NDArray[np.object_]

    def by_language(self) -> dict[str, NDArray[np.int64]]:
        """Counts of the entries of each language, languages in ascending order."""
        names = sorted({lang for lang in self.languages.tolist() if lang is not None})
        return {lang: self.counts[self.languages == lang] for lang in names}

    def thresholds(self, t_by_language: Mapping[str, int]) -> NDArray[np.int64]:
        """The t of each entry's language, shape (n_entries,); at least 1, and 1 without one."""
        thresholds = np.ones(self.counts.size, np.int64)
        for lang, t in t_by_language.items():
            thresholds[self.languages == lang] = max(1, t)
        return thresholds
