"""BLEU and CIDEr-D of captions against references, as pycocoevalcap computes them.

BLEU: Papineni et al. 2002, with the reference length closest to the caption's. CIDEr-D: Vedantam et
al. 2015, with clipped counts and a Gaussian penalty on the difference in length.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from udfs.captioning.ngrams import ORDERS, Ngrams
from udfs.compiled import compiled

_SIGMA = 6.0  # of CIDEr-D's penalty, in bigrams
_TINY, _SMALL = 1e-15, 1e-9  # pycocoevalcap adds these to counts, so that no ratio is 0 / 0


class Similarity(NamedTuple):
    """What n captions share with their references.

    `matches`: (n, 4), n-grams of each order that a reference has too, clipped to its count.
    `guesses`: (n, 4), the caption's n-grams. `reference_length`: (n,), of the reference closest in
    length, the shorter of two equally close. `cider`: (n,), from 0 to 10.
    """

    matches: NDArray[np.int64]
    guesses: NDArray[np.int64]
    reference_length: NDArray[np.int64]
    cider: NDArray[np.float64]


def compare(
    texts: Ngrams,
    weights: NDArray[np.float64],
    captions: NDArray[np.int64],
    references: NDArray[np.int64],
) -> Similarity:
    """Compare each of n captions with its references, of which it has at least one.

    `weights`: of each n-gram in the texts' keys, its inverse document frequency. `captions`: (n,),
    which of the texts. `references`: (n, 2), the first of its references among the texts, and the
    one behind the last.
    """
    return Similarity(*_compare(*texts, weights, captions, references))


def bleu(
    matches: NDArray[np.float64],
    guesses: NDArray[np.float64],
    reference_length: NDArray[np.float64],
) -> NDArray[np.float64]:
    """BLEU-1 to BLEU-4, (..., 4), of counts of shape (..., 4) and lengths of shape (...,).

    Counts of one caption, or sums over a corpus, whose BLEU is no mean of its captions'.
    """
    logs = np.log((matches + _TINY) / (guesses + _SMALL))
    precision = np.exp(np.cumsum(logs, axis=-1) / np.arange(1, ORDERS + 1))
    ratio = (guesses[..., 0] + _TINY) / (reference_length + _SMALL)
    penalty = np.exp(np.minimum(0.0, 1.0 - 1.0 / ratio))
    return np.asarray(precision * penalty[..., np.newaxis])


@compiled
def _compare(
    starts,
    keys,
    counts,
    lengths,
    weights,
    captions,
    references,
):
    """The arrays of Similarity."""
    n = captions.size
    matches = np.zeros((n, ORDERS), np.int64)
    guesses = np.zeros((n, ORDERS), np.int64)
    closest = np.zeros(n, np.int64)
    cider = np.zeros(n)
    most = 0
    for k in range(starts.size - 1):
        most = max(most, starts[k + 1] - starts[k])
    best = np.zeros(most, np.int64)
    for row in range(n):
        text = captions[row]
        first, last = references[row, 0], references[row, 1]
        length = lengths[text]
        closest[row] = lengths[first]
        for reference in range(first + 1, last):
            other, now = lengths[reference], closest[row]
            off, off_now = abs(other - length), abs(now - length)
            if off < off_now or (off == off_now and other < now):
                closest[row] = other
        total = 0.0
        for order in range(ORDERS):
            guesses[row, order] = max(0, length - order)
            start, end = starts[ORDERS * text + order], starts[ORDERS * text + order + 1]
            norm = 0.0
            for k in range(start, end):
                norm += (counts[k] * weights[k]) ** 2
                best[k - start] = 0
            norm = np.sqrt(norm)
            for reference in range(first, last):
                at = starts[ORDERS * reference + order]
                stop = starts[ORDERS * reference + order + 1]
                k = start
                product = 0.0
                reference_norm = 0.0
                while at < stop:
                    weight = counts[at] * weights[at]
                    reference_norm += weight * weight
                    while k < end and keys[k] < keys[at]:
                        k += 1
                    if k < end and keys[k] == keys[at]:
                        product += min(counts[k] * weights[k], weight) * weight
                        best[k - start] = max(best[k - start], counts[at])
                    at += 1
                norms = norm * np.sqrt(reference_norm)
                if norms != 0.0:
                    product /= norms
                # The lengths that are compared are numbers of bigrams.
                off = max(0, length - 1) - max(0, lengths[reference] - 1)
                total += product * np.exp(-(off * off) / (2.0 * _SIGMA * _SIGMA))
            for k in range(start, end):
                matches[row, order] += min(np.int64(counts[k]), best[k - start])
        cider[row] = 10.0 * total / (ORDERS * (last - first))
    return matches, guesses, closest, cider
