"""Bins of the histograms of cosines."""

from pyspark.sql import Column
from pyspark.sql import functions as F

BIN_WIDTH = 0.02


def bin_number(cosine: Column) -> Column:
    """The number of a cosine's bin, whose lower end is BIN_WIDTH times that; null for null.

    A cosine on the border of two bins, such as the float32 0.7, counts in the upper one.
    """
    return F.floor(F.round(cosine.cast("double") / F.lit(BIN_WIDTH), 5))
