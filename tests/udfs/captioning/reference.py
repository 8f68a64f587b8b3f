"""BLEU and CIDEr-D by counting dictionaries, slowly."""

import math
from collections import Counter
from collections.abc import Sequence

Gram = tuple[str, ...]


def grams(words: Sequence[str], order: int) -> Counter[Gram]:
    return Counter(tuple(words[k : k + order]) for k in range(len(words) - order + 1))


def bleu_counts(
    caption: list[str], references: list[list[str]]
) -> tuple[list[int], list[int], int]:
    """(matches, guesses, reference length) of a caption."""
    matches, guesses = [], []
    for order in range(1, 5):
        mine = grams(caption, order)
        best = Counter[Gram]()
        for reference in references:
            best |= grams(reference, order)
        matches.append(sum((mine & best).values()))
        guesses.append(sum(mine.values()))
    length = min((abs(len(r) - len(caption)), len(r)) for r in references)[1]
    return matches, guesses, length


def bleu(matches: list[int], guesses: list[int], reference_length: int) -> list[float]:
    ratio = (guesses[0] + 1e-15) / (reference_length + 1e-9)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    product, scores = 1.0, []
    for order in range(4):
        product *= (matches[order] + 1e-15) / (guesses[order] + 1e-9)
        scores.append(product ** (1 / (order + 1)) * penalty)
    return scores


def cider(captions: list[list[str]], references: list[list[list[str]]]) -> list[float]:
    """CIDEr-D of each caption; document frequencies over the images' references."""
    frequency = Counter[Gram]()
    for texts in references:
        frequency.update({g for text in texts for n in range(1, 5) for g in grams(text, n)})
    scores = []
    for caption, texts in zip(captions, references, strict=True):
        total = 0.0
        for reference in texts:
            off = max(0, len(caption) - 1) - max(0, len(reference) - 1)
            for n in range(1, 5):
                mine, other = (
                    weights(w, n, frequency, len(captions)) for w in (caption, reference)
                )
                product = sum(min(mine[g], other[g]) * other[g] for g in mine if g in other)
                norms = math.hypot(*mine.values()) * math.hypot(*other.values())
                total += (product / norms if norms else product) * math.exp(-(off**2) / 72)
        scores.append(10 * total / 4 / len(texts))
    return scores


def weights(
    words: list[str], order: int, frequency: Counter[Gram], n_images: int
) -> dict[Gram, float]:
    return {
        gram: count * (math.log(n_images) - math.log(max(1, frequency[gram])))
        for gram, count in grams(words, order).items()
    }
