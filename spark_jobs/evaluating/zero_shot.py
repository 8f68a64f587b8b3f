"""Zero-shot classification of a table of images: the classifier, predictions, counts by class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, LongType, StructField, StructType

from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import (
    CAPTION,
    CLASS,
    CLASS_ACCURACIES,
    EMBEDDING,
    EMBEDDINGS,
    FAULT,
    IMAGE,
    KEY,
    PREDICTED,
    PREDICTIONS,
    RANK,
    UID,
)
from spark_jobs.embedding.embed import embed, with_item_hash
from udfs.clip_evaluation.by_class import ClassResult, parts_of
from udfs.clip_evaluation.zero_shot import class_means, classify
from udfs.models.spec import ModelSpec
from udfs.vectors import Vectors, matrix

# Of the classifier, which is on the driver and in each task: 24,576 classes of 1,024 numbers.
MOST_CLASSIFIER_BYTES = 96 << 20
_FIRST_FEW = 5
NTH, NUMBER = "nth", "number"  # of a class's names, and of templates
_MEANS = StructType(
    [StructField(CLASS, IntegerType()), EMBEDDINGS[EMBEDDING], StructField("prompts", LongType())]
)


@dataclass(frozen=True)
class Classes:
    """The classes of a classifier, in order: their values, and the names that prompts have."""

    values: Sequence[str]
    names: Sequence[Sequence[str]]


def build_classifier(
    prompts: DataFrame,
    classes: Classes,
    n_templates: int,
    spec: ModelSpec,
    *,
    weights: str,
    n_tasks: int,
) -> Vectors:
    """The unit vector of each class, (classes, dimension).

    prompts: class (its number), nth of its names, number of the template, caption (the prompt).
    Tasks embed the prompts and take the means; the driver gets a vector a class. Raises
    InputDataError if a prompt has no vector, or the classifier takes more than
    MOST_CLASSIFIER_BYTES.
    """
    keys = [CLASS, NTH, NUMBER]
    items = with_item_hash(prompts, keys, CAPTION)
    embedded = embed(items, spec, "text", weights=weights, n_tasks=n_tasks)
    in_order = (
        embedded.where(F.col(FAULT).isNull())
        .repartition(n_tasks, CLASS)
        .sortWithinPartitions(*keys)
        .select(CLASS, EMBEDDING)
    )
    n_classes = len(classes.values)
    classifier: Vectors | None = None
    n_prompts = np.zeros(n_classes, np.int64)
    for batch in record_batches(map_in_arrow(in_order, class_means, _MEANS)):
        vectors = matrix(batch.column(1))
        if classifier is None and len(vectors):
            _refuse_too_large(n_classes, vectors.shape[1])
            classifier = np.zeros((n_classes, vectors.shape[1]), np.float32)
        if classifier is not None:
            numbers = batch.column(0).to_numpy()
            classifier[numbers] = vectors
            n_prompts[numbers] = batch.column(2).to_numpy()
    n_expected = np.array([len(names) * n_templates for names in classes.names])
    is_short = n_prompts < n_expected
    if classifier is None or is_short.any():
        name = classes.names[int(np.argmax(is_short))][0]
        raise InputDataError(f"model {spec.name}: gives no vector for a prompt of class {name!r}")
    return classifier


def _refuse_too_large(n_classes: int, dimension: int) -> None:
    if 4 * n_classes * dimension > MOST_CLASSIFIER_BYTES:
        raise InputDataError(
            f"{n_classes:,} classes of {dimension:,} numbers are more than the "
            f"{MOST_CLASSIFIER_BYTES >> 20} MiB that a classifier may take: give --class-names "
            f"with {MOST_CLASSIFIER_BYTES // (4 * dimension):,} classes at most"
        )


def predict(
    images: DataFrame,
    classifier: Vectors,
    classes: Classes,
    numbers: Mapping[str, int],
    spec: ModelSpec,
    *,
    weights: str,
) -> DataFrame:
    """schemas.PREDICTIONS of images: uid, key, class, image, fault.

    numbers: an image's class as it is given -> its number in the classifier. Images stay in their
    partitions; of equal cosines the class that stands first is predicted.
    """
    keys = [UID, KEY, CLASS]
    items = with_item_hash(images, keys, IMAGE, keeps_faults=True)
    embedded = embed(items, spec, "image", weights=weights, n_tasks=1)
    to_predictions = classify(classifier, dict(numbers), list(classes.values), [UID, KEY])
    rows = embedded.select(*keys, EMBEDDING, FAULT)
    return map_in_arrow(rows, to_predictions, PREDICTIONS)


def class_results(
    predictions: DataFrame, classes: Classes, frequencies: Mapping[str, int] | None
) -> list[ClassResult]:
    """What became of the images of each class of the classifier, in its order.

    predictions: schemas.PREDICTIONS. frequencies: class -> rows in the training set, 0 if absent.
    """
    has_rank = predictions.where(F.col(RANK).isNotNull())
    sums = has_rank.groupBy(CLASS).agg(
        F.count(F.lit(1)), *(F.count(F.when(F.col(RANK) < k, 1)) for k in (1, _FIRST_FEW))
    )
    of_class = {row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in sums.collect()}
    predicted = has_rank.groupBy(PREDICTED).agg(F.count(F.lit(1))).collect()
    n_predicted = {row[0]: int(row[1]) for row in predicted}
    return [
        ClassResult(
            value,
            names[0],
            *of_class.get(value, (0, 0, 0)),
            n_predicted.get(value, 0),
            None if frequencies is None else frequencies.get(value, 0),
        )
        for value, names in zip(classes.values, classes.names, strict=True)
    ]


def class_rows(predictions: DataFrame, results: Sequence[ClassResult]) -> DataFrame:
    """schemas.CLASS_ACCURACIES of the classes; shares are null of one without images."""
    parts = parts_of(results)
    rows = [
        (
            *(result.value, result.name, result.images, result.accuracy),
            result.top5 / result.images if result.images else None,
            *(result.predicted, result.frequency, parts.get(result.value)),
        )
        for result in results
    ]
    return predictions.sparkSession.createDataFrame(rows, CLASS_ACCURACIES)
