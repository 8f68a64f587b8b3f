"""Captions with a long tail of concepts, made from ImageNet-22k's synsets."""

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
# Shares of the three kinds of captions; the rest names two concepts.
PHOTO_SHARE, GLOSS_SHARE = 0.65, 0.2
# Some photos come with a number, as in shops of stock photos; the others repeat each other.
NUMBERED_SHARE = 0.5
JOINTS = (" and ", " next to ", " with ", ", ", " on ")


def demo_captions(numbers: DataFrame, n_rows: int, seed: int) -> DataFrame:
    """Make captions whose concepts are Zipf-distributed: the k-th most frequent has a 1/k share.

    `numbers`: a column of the numbers 0 to n_batches(n_rows) - 1. Gives url (no two alike) and
    caption; the same rows for the same n_rows and seed.
    """
    return map_in_arrow(numbers, making(n_rows, seed), CAPTIONS_WITH_URL)


def n_batches(n_rows: int) -> int:
    """The batches of 50,000 rows that hold all rows."""
    return math.ceil(n_rows / BATCH_ROWS)


def making(n_rows: int, seed: int) -> BatchFunction:
    """The function of mapInArrow behind `demo_captions`."""
    synsets, templates = imagenet_synsets("imagenet22k"), imagenet_templates()
    ranked = np.random.default_rng(seed).permutation(len(synsets))
    cumulative = np.cumsum(1.0 / np.arange(1, len(synsets) + 1))

    def make(numbers: Batches) -> Iterator[pa.RecordBatch]:
        for number in (n for batch in numbers for n in batch.column(0).to_pylist()):
            rng = np.random.default_rng([seed, number])  # a batch is the same in any task
            start = number * BATCH_ROWS
            n = min(BATCH_ROWS, n_rows - start)
            drawn = rng.random((2, n)) * cumulative[-1]
            first, second = ranked[np.searchsorted(cumulative, drawn)]
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
    """One caption for each pair of synsets; first, second: (n,) positions in `synsets`."""
    n = len(first)
    kind, which, joint = rng.random(n), rng.random(n), rng.integers(0, len(JOINTS), n)
    template, number = rng.integers(0, len(templates), n), rng.integers(1_000, 100_000, n)
    captions = []
    for k in range(n):
        synset, lemma = synsets[first[k]], _lemma(synsets[first[k]], which[k])
        if kind[k] < PHOTO_SHARE:
            caption = templates[template[k]].format(lemma)
            is_numbered = which[k] < NUMBERED_SHARE
            captions.append(f"{caption} Stock photo {number[k]}" if is_numbered else caption)
        elif kind[k] < PHOTO_SHARE + GLOSS_SHARE:
            captions.append(f"{lemma}, {synset.gloss.partition(';')[0]}")
        else:
            other = _lemma(synsets[second[k]], which[k])
            captions.append(f"a photo of a {lemma}{JOINTS[joint[k]]}{other}")
    return captions


def _lemma(synset: Synset, draw: float) -> str:
    """The first lemma mostly, as people would say it, now and then another."""
    position = int(max(0.0, draw - 0.6) / 0.4 * len(synset.lemmas))
    return synset.lemmas[position]
