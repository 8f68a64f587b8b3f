"""Make captions with a long tail of concepts from ImageNet-22k's synsets."""

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from spark_jobs.concepts.imagenet_prompts import imagenet_templates
from spark_jobs.concepts.synsets import Synset, imagenet_synsets
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import CAPTION, CAPTION_COLUMNS, URL
from udfs.arrow import Batches, BatchFunction

CAPTIONS_WITH_URL = StructType([CAPTION_COLUMNS[URL], CAPTION_COLUMNS[CAPTION]])
BATCH_ROWS = 50_000
# Shares of captions from a template and with a gloss; the others name two concepts.
PHOTO_SHARE, GLOSS_SHARE = 0.65, 0.2
# Share of template captions with a number, as of stock photos; the others occur repeatedly.
NUMBERED_SHARE = 0.5
CONJUNCTIONS = (" and ", " next to ", " with ", ", ", " on ")


def demo_captions(numbers: DataFrame, n_rows: int, seed: int) -> DataFrame:
    """Make captions with Zipf-distributed concepts: the k-th most frequent has weight 1/k.

    `numbers`: a column of the batch numbers 0 to n_batches(n_rows) - 1. Gives unique urls and
    captions; the same rows for the same n_rows and seed.
    """
    return map_in_arrow(numbers, make_captions(n_rows, seed), CAPTIONS_WITH_URL)


def n_batches(n_rows: int) -> int:
    """Number of batches of 50,000 rows."""
    return math.ceil(n_rows / BATCH_ROWS)


def make_captions(n_rows: int, seed: int) -> BatchFunction:
    """For mapInArrow: batch numbers -> url, caption of the batches' rows."""
    synsets, templates = imagenet_synsets("imagenet22k"), imagenet_templates()
    synset_by_rank = np.random.default_rng(seed).permutation(len(synsets))
    cumulative_weights = np.cumsum(1.0 / np.arange(1, len(synsets) + 1))

    def make(numbers: Batches) -> Iterator[pa.RecordBatch]:
        for number in (n for batch in numbers for n in batch.column(0).to_pylist()):
            rng = np.random.default_rng([seed, number])  # the same batch in whichever task
            start = number * BATCH_ROWS
            n = min(BATCH_ROWS, n_rows - start)
            draws = rng.random((2, n)) * cumulative_weights[-1]
            first, second = synset_by_rank[np.searchsorted(cumulative_weights, draws)]
            captions = _captions(synsets, templates, first, second, rng)
            urls = [f"https://example.org/{row}.jpg" for row in range(start, start + n)]
            columns = [pa.array(urls, pa.string()), pa.array(captions, pa.string())]
            yield pa.RecordBatch.from_arrays(columns, CAPTIONS_WITH_URL.names)

    return make


def _captions(
    synsets: list[Synset],
    templates: list[str],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    rng: np.random.Generator,
) -> list[str]:
    """A caption for each pair of synsets; first, second: (n,) positions in `synsets`."""
    n = len(first)
    kind_draw, lemma_draw = rng.random(n), rng.random(n)
    conjunction = rng.integers(0, len(CONJUNCTIONS), n)
    template, number = rng.integers(0, len(templates), n), rng.integers(1_000, 100_000, n)
    captions = []
    for k in range(n):
        synset, lemma = synsets[first[k]], _lemma(synsets[first[k]], lemma_draw[k])
        if kind_draw[k] < PHOTO_SHARE:
            caption = templates[template[k]].format(lemma)
            is_numbered = lemma_draw[k] < NUMBERED_SHARE
            captions.append(f"{caption} Stock photo {number[k]}" if is_numbered else caption)
        elif kind_draw[k] < PHOTO_SHARE + GLOSS_SHARE:
            captions.append(f"{lemma}, {synset.gloss.partition(';')[0]}")
        else:
            second_lemma = _lemma(synsets[second[k]], lemma_draw[k])
            captions.append(f"a photo of a {lemma}{CONJUNCTIONS[conjunction[k]]}{second_lemma}")
    return captions


def _lemma(synset: Synset, draw: float) -> str:
    """The first lemma for draws below 0.6, above it each of the lemmas with equal share."""
    position = int(max(0.0, draw - 0.6) / 0.4 * len(synset.lemmas))
    return synset.lemmas[position]
