"""Accuracy by class, and how it follows the class's frequency in the training set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from udfs.sts.evaluation import Value
from udfs.sts.measures import pearson, spearman

PAPERS = (
    "clip-beyond-tail, accuracy against frequency: correlation by class of accuracy, and of the "
    "number of predictions, with the class's frequency in the training set",
)
ZERO_SHOT, FREQUENCY = "zero_shot", "frequency"
ALL = "all"
PARTS = ("head", "middle", "tail")
TOP1, TOP5, MEAN_CLASS_TOP1 = "top1", "top5", "mean_class_top1"
SPEARMAN, PEARSON_LOG = "spearman", "pearson_log"
PREDICTED_SPEARMAN = "predicted_spearman"


@dataclass(frozen=True)
class ClassResult:
    """What became of a class's images.

    images: those with a vector; top1, top5: of them, those whose class is first, or among the
    first five. predicted: images of any class for which it is first. frequency: rows of the
    training set; None where none was given.
    """

    value: str
    name: str
    images: int
    top1: int
    top5: int
    predicted: int
    frequency: int | None = None

    @property
    def accuracy(self) -> float | None:
        """The share of its images whose class is first; None without images."""
        return self.top1 / self.images if self.images else None


def parts_of(results: Sequence[ClassResult]) -> dict[str, str]:
    """Class -> head, middle or tail: thirds of the classes with images, by falling frequency.

    Classes of equal frequency go by name, then by value. Where three does not divide their number,
    the first parts have one class more. Empty without frequencies.
    """
    counted = [r for r in results if r.images and r.frequency is not None]
    ordered = sorted(counted, key=lambda r: (-(r.frequency or 0), r.name, r.value))
    thirds = np.array_split(np.arange(len(ordered)), len(PARTS))
    return {
        ordered[place].value: part
        for part, places in zip(PARTS, thirds, strict=True)
        for place in places
    }


def evaluate(results: Sequence[ClassResult]) -> list[Value]:
    """Accuracies of all classes and of each part, and correlations with the frequency.

    n: images; of mean_class_top1 and of correlations, classes with images.
    """
    values = [*_accuracies(ALL, results)]
    parts = parts_of(results)
    if not parts:
        return values
    for part in PARTS:
        values += _accuracies(part, [r for r in results if parts.get(r.value) == part])
    return [*values, *_correlations([r for r in results if r.images])]


def _accuracies(name: str, results: Sequence[ClassResult]) -> Iterator[Value]:
    n_images = sum(result.images for result in results)
    for measure, hits in (
        (TOP1, sum(result.top1 for result in results)),
        (TOP5, sum(result.top5 for result in results)),
    ):
        yield Value(ZERO_SHOT, name, measure, hits / n_images if n_images else None, n_images)
    accuracies = [r.accuracy for r in results if r.accuracy is not None]
    mean = float(np.mean(accuracies)) if accuracies else None
    yield Value(ZERO_SHOT, name, MEAN_CLASS_TOP1, mean, len(accuracies))


def _correlations(results: Sequence[ClassResult]) -> Iterator[Value]:
    frequencies = np.array([result.frequency for result in results], np.float64)
    accuracies = np.array([result.accuracy for result in results], np.float64)
    predicted = np.array([result.predicted for result in results], np.float64)
    for measure, value in (
        (SPEARMAN, spearman(accuracies, frequencies)),
        (PEARSON_LOG, pearson(accuracies, np.log10(frequencies + 1))),
        (PREDICTED_SPEARMAN, spearman(predicted, frequencies)),
    ):
        defined = None if np.isnan(value) else value
        yield Value(FREQUENCY, ALL, measure, defined, len(results))
