"""Make captions with a long tail of concepts, from lemmas, glosses and prompt templates."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction

BATCH_ROWS = 50_000
# Shares of captions from a template and with a gloss; the others name two concepts.
PHOTO_SHARE, GLOSS_SHARE = 0.65, 0.2
# Share of template captions with a number, as of stock photos; the others occur repeatedly.
NUMBERED_SHARE = 0.5
CONJUNCTIONS = (" and ", " next to ", " with ", ", ", " on ")


class Concept(NamedTuple):
    """The lemmas and the gloss of a synset."""

    lemmas: Sequence[str]
    gloss: str


def make_captions(
    concepts: Sequence[Concept],
    templates: Sequence[str],
    n_rows: int,
    seed: int,
    *,
    names: Sequence[str],
) -> BatchFunction:
    """For mapInArrow: batch numbers -> url and caption of the batches' rows.

    Concepts are Zipf-distributed: the k-th most frequent has weight 1/k. Batch k has the rows from
    k * BATCH_ROWS on, up to n_rows. `templates`: with one {} each. `names`: of the two columns.
    """
    concept_by_rank = np.random.default_rng(seed).permutation(len(concepts))
    cumulative_weights = np.cumsum(1.0 / np.arange(1, len(concepts) + 1))

    def make(numbers: Batches) -> Iterator[pa.RecordBatch]:
        for number in (n for batch in numbers for n in batch.column(0).to_pylist()):
            rng = np.random.default_rng([seed, number])  # the same batch in whichever task
            start = number * BATCH_ROWS
            n = min(BATCH_ROWS, n_rows - start)
            draws = rng.random((2, n)) * cumulative_weights[-1]
            first, second = concept_by_rank[np.searchsorted(cumulative_weights, draws)]
            captions = _captions(concepts, templates, first, second, rng)
            urls = [f"https://example.org/{row}.jpg" for row in range(start, start + n)]
            columns = [pa.array(urls, pa.string()), pa.array(captions, pa.string())]
            yield pa.RecordBatch.from_arrays(columns, names)

    return make


def _captions(
    concepts: Sequence[Concept],
    templates: Sequence[str],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    rng: np.random.Generator,
) -> list[str]:
    """A caption for each pair of concepts; first, second: (n,) positions in `concepts`."""
    n = len(first)
    kind_draw, lemma_draw = rng.random(n), rng.random(n)
    conjunction = rng.integers(0, len(CONJUNCTIONS), n)
    template, number = rng.integers(0, len(templates), n), rng.integers(1_000, 100_000, n)
    captions = []
    for k in range(n):
        concept, lemma = concepts[first[k]], _lemma(concepts[first[k]], lemma_draw[k])
        if kind_draw[k] < PHOTO_SHARE:
            caption = templates[template[k]].format(lemma)
            is_numbered = lemma_draw[k] < NUMBERED_SHARE
            captions.append(f"{caption} Stock photo {number[k]}" if is_numbered else caption)
        elif kind_draw[k] < PHOTO_SHARE + GLOSS_SHARE:
            captions.append(f"{lemma}, {concept.gloss.partition(';')[0]}")
        else:
            second_lemma = _lemma(concepts[second[k]], lemma_draw[k])
            captions.append(f"a photo of a {lemma}{CONJUNCTIONS[conjunction[k]]}{second_lemma}")
    return captions


def _lemma(concept: Concept, draw: float) -> str:
    """The first lemma for draws below 0.6, above it each of the lemmas with equal share."""
    position = int(max(0.0, draw - 0.6) / 0.4 * len(concept.lemmas))
    return concept.lemmas[position]
