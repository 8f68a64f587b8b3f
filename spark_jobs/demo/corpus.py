"""Make captions with a long tail of concepts from ImageNet-22k's synsets."""

import math

from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from spark_jobs.concepts.imagenet_prompts import imagenet_templates
from spark_jobs.concepts.synsets import imagenet_synsets
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import CAPTION, CAPTION_COLUMNS, URL
from udfs.arrow import BatchFunction
from udfs.demo_captions import BATCH_ROWS, Concept, make_captions

CAPTIONS_WITH_URL = StructType([CAPTION_COLUMNS[URL], CAPTION_COLUMNS[CAPTION]])


def demo_captions(numbers: DataFrame, n_rows: int, seed: int) -> DataFrame:
    """Make captions with Zipf-distributed concepts: the k-th most frequent has weight 1/k.

    `numbers`: a column of the batch numbers 0 to n_batches(n_rows) - 1. Gives unique urls and
    captions; the same rows for the same n_rows and seed.
    """
    return map_in_arrow(numbers, caption_maker(n_rows, seed), CAPTIONS_WITH_URL)


def caption_maker(n_rows: int, seed: int) -> BatchFunction:
    """`make_captions` with the synsets of ImageNet-22k and the 80 templates of ImageNet."""
    concepts = [Concept(synset.lemmas, synset.gloss) for synset in imagenet_synsets("imagenet22k")]
    names = CAPTIONS_WITH_URL.names
    return make_captions(concepts, imagenet_templates(), n_rows, seed, names=names)


def n_batches(n_rows: int) -> int:
    """Number of batches of 50,000 rows."""
    return math.ceil(n_rows / BATCH_ROWS)
