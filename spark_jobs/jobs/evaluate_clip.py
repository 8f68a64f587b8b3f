"""evaluate-clip: zero-shot accuracy of a CLIP model, by class and frequency, and retrieval."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

from pydantic import Field, model_validator
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTION, CLASS, FAULT, IMAGE, MEASURE, UID, VALUE
from spark_jobs.core.settings import (
    InputAddress,
    OutputAddress,
    RoleName,
    require_one_or_both,
)
from spark_jobs.embedding.embed import embed, with_item_hash
from spark_jobs.embedding.model_settings import ModelSettings
from spark_jobs.evaluating.retrieval import evaluate_retrieval
from spark_jobs.evaluating.zero_shot import (
    build_classifier,
    class_results,
    class_rows,
    predict,
)
from spark_jobs.formats.labelled_images import LabelledImages
from spark_jobs.formats.retrieval_pairs import read_pairs
from spark_jobs.formats.zero_shot_classes import prompt_rows
from spark_jobs.formats.zero_shot_inputs import ZeroShotSettings, read_zero_shot_inputs
from spark_jobs.running.embed_table import n_model_tasks
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.tables import read_table
from udfs.clip_evaluation.by_class import ALL, FREQUENCY, PARTS, ZERO_SHOT, evaluate
from udfs.clip_evaluation.retrieval import RETRIEVAL
from udfs.models.spec import ModelSpec
from udfs.sts.evaluation import Value

_log = logging.getLogger(__name__)
_CLASSES, _PREDICTIONS = "classes", "predictions"
_SHOWN = 3


class EvaluateClip(ModelSettings, ZeroShotSettings):
    """Settings of evaluate-clip."""

    pairs: InputAddress | None = Field(
        None,
        description="images with captions for retrieval: a table with uid, image, and caption or "
        "a list captions, or shards of export-webdataset",
    )
    output: OutputAddress = Field(description="a row for each measure")
    classes: OutputAddress | None = Field(
        None, description="table of the classes, a row each; default: OUTPUT_classes"
    )
    predictions: OutputAddress | None = Field(
        None, description="table of the images, a row each; default: OUTPUT_predictions"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.spec.framework != "open_clip":
            raise ValueError(f"model {self.model} is no CLIP model: --model open_clip:NAME")
        require_one_or_both({"images": self.images, "pairs": self.pairs})
        if self.images is None and self.frequencies is not None:
            raise ValueError("frequencies needs images, whose classes they are of")
        return self

    def addresses(self, role: RoleName) -> dict[str, str]:
        """The addresses of all settings; the tables beside the output where none is given."""
        addresses = super().addresses(role)
        if role == "output" and self.images is not None:
            for name in (_CLASSES, _PREDICTIONS):
                addresses.setdefault(name, f"{self.output.rstrip('/')}_{name}")
        return addresses

    @property
    def as_image_folder(self) -> ModelSpec:
        """The model, with images that become RGB first, as torchvision's ImageFolder reads them."""
        return replace(self.spec, rgb_first=True)


def run(run: Run, settings: EvaluateClip) -> Counts:
    """Classify the images, retrieve the pairs, as far as they are given, and write all measures."""
    weights = settings.weights_digest()
    outputs = settings.addresses("output")
    tables = {
        "output": schemas.EVALUATIONS,
        _CLASSES: schemas.CLASS_ACCURACIES,
        _PREDICTIONS: schemas.PREDICTIONS,
    }
    run.check_outputs({address: tables[name] for name, address in outputs.items()})
    values: list[Value] = []
    counts: Counts = {}
    if settings.images is not None:
        values, counts = _classify(run, settings, weights)
    if settings.pairs is not None:
        recalled, of_pairs = _retrieve(run, settings, settings.pairs, weights)
        values, counts = [*values, *recalled], counts | of_pairs
    rows = [(settings.spec.label, weights, v.task, v.set, v.measure, v.value, v.n) for v in values]
    run.write(run.spark.createDataFrame(rows, schemas.EVALUATIONS), settings.output)
    return counts


def _classify(run: Run, settings: EvaluateClip, weights: str) -> tuple[list[Value], Counts]:
    """Write the predictions and the classes; returns the measures and counts."""
    outputs = settings.addresses("output")
    inputs = read_zero_shot_inputs(run, settings)
    images, classes = inputs.images, inputs.classes
    n_prompts = len(inputs.templates) * sum(map(len, classes.names))
    classifier = build_classifier(
        prompt_rows(run.spark, classes, inputs.templates),
        classes,
        len(inputs.templates),
        settings.spec,
        weights=weights,
        n_tasks=n_model_tasks(run, n_prompts),
    )
    spec = settings.as_image_folder
    with batches_that_fit(*images.tables):
        rows = predict(images.rows, classifier, classes, inputs.numbers, spec, weights=weights)
        run.write(rows, outputs[_PREDICTIONS])
    predictions = run.read(outputs[_PREDICTIONS], schemas.PREDICTIONS)
    results = class_results(predictions, classes, inputs.frequencies)
    run.write(class_rows(predictions, results).coalesce(1), outputs[_CLASSES])
    return evaluate(results), {
        "images": sum(images.counts.values()) + images.n_without_class,
        "classified": sum(result.images for result in results),
        "without_vector": _n_without_vector(run, outputs[_PREDICTIONS], images),
        "without_class": images.n_without_class,
        "classes": len(classes.values),
        "classes_without_images": sum(not result.images for result in results),
    }


def _n_without_vector(run: Run, address: str, images: LabelledImages) -> int:
    """The images that have a class and a fault, whose reasons are logged."""
    predictions = run.read(address, schemas.PREDICTIONS)
    faulty = predictions.where(F.col(FAULT).isNotNull() & F.col(CLASS).isNotNull())
    if not (n := count_rows(faulty)):
        return 0
    reasons = faulty.groupBy(FAULT).agg(F.count(F.lit(1)).alias("n")).orderBy(F.desc("n"), FAULT)
    words = [f"{row[FAULT]} {row['n']:,}" for row in reasons.limit(_SHOWN).collect()]
    _log.warning("images without a vector, left out: %s", ", ".join(words))
    return n


def _retrieve(
    run: Run, settings: EvaluateClip, address: str, weights: str
) -> tuple[list[Value], Counts]:
    pairs = read_pairs(run, address)
    with batches_that_fit(*pairs.tables):
        images = embed(
            with_item_hash(pairs.images, [UID], IMAGE, keeps_faults=True),
            settings.as_image_folder,
            "image",
            weights=weights,
            n_tasks=1,
        )
        captions = embed(
            with_item_hash(pairs.captions, [UID], CAPTION),
            settings.spec,
            "text",
            weights=weights,
            n_tasks=n_model_tasks(run, count_rows(pairs.captions)),
        )
        recalled = evaluate_retrieval(images, captions, address)
    return recalled.values, {
        "retrieval_images": recalled.images,
        "retrieval_captions": recalled.captions,
        "retrieval_without_vector": recalled.without_vector,
    }


def closing_lines(spark: SparkSession, settings: EvaluateClip, _counts: Counts) -> list[str]:
    """Accuracies in percent, of the parts by frequency too, correlations and recalls."""
    rows = read_table(spark, settings.output, schemas.EVALUATIONS).collect()
    values = {(row["task"], row["set"], row[MEASURE]): row[VALUE] for row in rows}
    lines = []
    for part in (ALL, *PARTS):
        shown = {name: values.get((ZERO_SHOT, part, name)) for name in ("top1", "top5")}
        if any(value is not None for value in shown.values()):
            name = "zero-shot" if part == ALL else part
            lines.append(f"  {name}: {_percent(shown)}")
    if (FREQUENCY, ALL, "spearman") in values:
        lines.append(f"  accuracy against frequency: {_correlations(values)}")
    for direction, words in (
        ("image_to_text", "image to text"),
        ("text_to_image", "text to image"),
    ):
        recalls = {
            f"R@{k}": values.get((RETRIEVAL, ALL, f"{direction}_recall@{k}")) for k in (1, 5, 10)
        }
        if any(value is not None for value in recalls.values()):
            lines.append(f"  {words}: {_percent(recalls)}")
    return lines


def _percent(shares: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {100 * (value or 0):.2f}" for name, value in shares.items())


def _correlations(values: Mapping[tuple[str, str, str], float | None]) -> str:
    names = {"spearman": "Spearman", "pearson_log": "Pearson with its logarithm"}
    parts: Sequence[str] = [
        f"{words} none: all are equal"
        if (value := values.get((FREQUENCY, ALL, name))) is None
        else f"{words} {value:.3f}"
        for name, words in names.items()
    ]
    return ", ".join(parts)


JOB = Job(
    "evaluate-clip",
    "Measure a CLIP model: zero-shot accuracy by class and by frequency, and retrieval.",
    EvaluateClip,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake evaluate-clip --images ./imagenet/val --class-names imagenet \\\n"
        "  --frequencies ./class_frequency.txt --output ./evaluation \\\n"
        "  --model open_clip:ViT-B-32 --weights openai"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
