"""train-sentences: a sentence encoder trained on captions alone, by unsupervised SimCSE."""

import importlib.util
import shutil
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core import schemas
from spark_jobs.core.addresses import absolute_if_path
from spark_jobs.core.columns import named
from spark_jobs.core.errors import InputDataError, SettingsError
from spark_jobs.core.schemas import CAPTION
from spark_jobs.core.settings import InputAddress, OutputAddress, OutputFolder, RoleName, Settings
from spark_jobs.formats.scored_pairs import read_pair_sets
from spark_jobs.formats.training_captions import write_captions
from spark_jobs.formats.training_folder import events_folder, mark_as_begun, training_folder
from spark_jobs.running.job import Job
from spark_jobs.running.torch_processes import refuse_impossible_workers, run_training
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.outputs.local_copies import local_copy
from spark_jobs.storage.run import Counts, Run
from udfs.models.spec import Device, ModelError, weights_digest
from udfs.simcse.loop import TrainingOptions
from udfs.simcse.model_files import bert_folder, load_bert, write_model
from udfs.simcse.process import (
    CAPTIONS,
    MODEL,
    START,
    TrainingResult,
    TrainingTask,
    read_result,
    train_in_folder,
    write_dev,
)
from udfs.simcse.small_bert import SMALL, make_small_bert
from udfs.simcse.snapshot_rows import Reader, captions_in_order
from udfs.sts.pair_files import STS_BENCHMARK, PairSet

_DEV = "dev"


class TrainSentences(Settings):
    """Settings of train-sentences."""

    captions: InputAddress = Field(
        description="table of captions; filter-captions --rules '[long_captions]' leaves those of "
        "at least 40 characters, as the captions' own training did"
    )
    column: str = Field(CAPTION, description="its column of captions")
    model: str = Field(
        "bert-base-uncased",
        description="to begin with: a BERT-like model, as a folder or a name on the Hugging Face "
        f"hub; {SMALL}: a small BERT with random weights and a vocabulary made from the captions",
    )
    revision: str | None = Field(None, description="of a model on the hub")
    output: OutputFolder = Field(
        description="folder for the encoder, as sentence-transformers and transformers load it"
    )
    training: OutputAddress | None = Field(
        None, description="table of the steps, a row each; default: OUTPUT_training"
    )
    dev: InputAddress | None = Field(
        None,
        description="scored pairs to choose the best model by: a file with lines "
        "score<TAB>sentence<TAB>sentence, or SentEval's folder, of which STS-B's dev set is taken",
    )
    epochs: PositiveInt = Field(1, le=10_000, description="passes over the captions")
    batch_size: PositiveInt = Field(16, ge=2, le=65_536, description="captions a step, of a worker")
    learning_rate: PositiveFloat = Field(
        3e-5, le=1, description="of AdamW at the first step; it falls to 0 in a line"
    )
    max_length: int = Field(
        10, ge=3, le=512, description="tokens of a caption in training, with [CLS] and [SEP]"
    )
    temperature: float = Field(0.05, ge=1e-4, le=100, description="that cosines are divided by")
    eval_steps: PositiveInt = Field(125, description="steps between evaluations by dev")
    checkpoint_steps: PositiveInt = Field(
        500, description="steps between checkpoints, where an interrupted run goes on"
    )
    seed: int = Field(0, ge=0, le=2**31, description="of the order of captions, and of dropout")
    reader: Reader = Field("arrow", description="what reads the captions' snapshot")
    workers: PositiveInt = Field(
        1,
        le=1024,
        description="processes that train together, as Spark tasks on a cluster; captions of all "
        "are each other's negatives",
    )
    device: Device = Field("auto", description="auto: a GPU, or cpu where there is none")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 on a GPU, fp32 on a CPU"
    )

    @field_validator("model")
    @classmethod
    def _folder_is_absolute(cls, value: str) -> str:
        return absolute_if_path(value)

    def addresses(self, role: RoleName) -> dict[str, str]:
        """The addresses of all settings; the table beside the output where none is given."""
        addresses = super().addresses(role)
        if role == "output" and self.training is None:
            addresses["training"] = f"{self.output.rstrip('/')}_training"
        return addresses

    def folder_content(self) -> str:
        """What lies in the folder."""
        return "train-sentences"

    def look_ahead(self) -> None:
        """Look at the model's folder; InputDataError if it is none to begin with."""
        if self.model.startswith("/"):
            self.start_folder()

    def start_folder(self) -> Path | None:
        """The folder of the model to begin with, fetched if it is on the hub; None of `small`."""
        for package in ("torch", "transformers"):
            if importlib.util.find_spec(package) is None:
                raise SettingsError(
                    f"train-sentences needs {package}: pip install 'captionlake[clip]'"
                )
        if self.model == SMALL:
            return None
        try:
            return bert_folder(self.model, self.revision)
        except ModelError as fault:
            raise InputDataError(str(fault)) from None

    def own_files(self) -> dict[str, str]:
        """Count the model's files among the input files."""
        folder = self.start_folder()
        digests = {} if folder is None else {f"models/{self.model}": weights_digest(folder)}
        return super().own_files() | digests

    @property
    def options(self) -> TrainingOptions:
        """How the loop trains."""
        return TrainingOptions(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            max_length=self.max_length,
            temperature=self.temperature,
            seed=self.seed,
            eval_steps=self.eval_steps,
            checkpoint_steps=self.checkpoint_steps,
            precision=self.precision,
        )


def run(run: Run, settings: TrainSentences) -> Counts:
    """Train on the captions that are not empty, and write the encoder and the table of steps."""
    folders = {"output": settings.output}
    refuse_impossible_workers(run.spark, settings.workers, settings.device, folders)
    column = StructType([StructField(settings.column, StringType())])
    table = run.read(settings.captions, column)
    captions = table.select(named(settings.column).alias(CAPTION))
    counts = _counts(captions)
    _refuse_too_few(settings, counts["captions"])
    pairs = _dev_pairs(run, settings)
    with training_folder(settings.output, run.run_id) as (folder, goes_on):
        if not goes_on:
            with batches_that_fit(table):
                _prepare(run, settings, captions, counts["captions"], folder, pairs)
        result = _train(run, settings, folder, goes_on)
        metadata = run.output_metadata(settings.output)
        content = settings.folder_content()
        with (
            replaced_folder(settings.output, metadata, content=content) as staging,
            local_copy(staging) as path,
        ):
            shutil.copytree(folder / MODEL, path, dirs_exist_ok=True)
        rows = [
            (r.step, r.rows, r.loss, r.learning_rate, r.rows_per_s, r.dev_score)
            for r in result.steps
        ]
        steps = run.spark.createDataFrame(rows, schemas.TRAINING)
        run.write(steps, settings.addresses("output")["training"])
    counts |= {"steps": len(result.steps), "trained": result.rows}
    return counts | ({} if result.best_step is None else {"best_step": result.best_step})


def _has_text() -> Column:
    return F.trim(F.regexp_replace(F.col(CAPTION), r"\s+", " ")) != ""


def _counts(captions: DataFrame) -> Counts:
    row = captions.agg(
        F.count(F.lit(1)),
        F.count(F.when(F.col(CAPTION).isNull(), 1)),
        F.count(F.when(_has_text(), 1)),
    ).first()
    assert row is not None
    rows_in, n_null, n_usable = (int(number) for number in row)
    return {
        "rows_in": rows_in,
        "null_captions": n_null,
        "empty_captions": rows_in - n_null - n_usable,
        "captions": n_usable,
    }


def _refuse_too_few(settings: TrainSentences, n_captions: int) -> None:
    n_batch = settings.batch_size * settings.workers
    if n_captions < n_batch:
        workers = "" if settings.workers == 1 else f" of {settings.workers} workers"
        raise InputDataError(
            f"table {settings.captions}: {n_captions:,} captions that are not empty, fewer than "
            f"the {n_batch:,} of a step{workers}: give more captions, or a smaller --batch-size"
        )


def _dev_pairs(run: Run, settings: TrainSentences) -> PairSet | None:
    """The pairs to evaluate with: those of the one file, or STS-B's dev set."""
    if settings.dev is None:
        return None
    sets = read_pair_sets(run.spark, [settings.dev])
    chosen = [part for part in sets if (part.task, part.name) == (STS_BENCHMARK, _DEV)]
    if not chosen and len(sets) == 1:
        chosen = sets
    if not chosen:
        raise InputDataError(
            f"dev {settings.dev}: {len(sets)} sets of pairs, expected one file, or SentEval's "
            "folder with STSBenchmark/sts-dev.csv"
        )
    return chosen[0]


def _prepare(
    run: Run,
    settings: TrainSentences,
    captions: DataFrame,
    n_captions: int,
    folder: Path,
    pairs: PairSet | None,
) -> None:
    """Put into the folder what the processes need: captions, the model to begin with, pairs."""
    manifest = write_captions(captions.where(_has_text()), folder, n_captions, settings.workers)
    if manifest.rows != n_captions:
        raise InputDataError(
            f"table {settings.captions}: {n_captions:,} captions, but {manifest.rows:,} were read: "
            "it has changed while it was read; run it again"
        )
    start = settings.start_folder()
    if start is None:
        bert, tokenizer = make_small_bert(captions_in_order(str(folder / CAPTIONS)), settings.seed)
    else:
        try:
            bert, tokenizer = load_bert(start, settings.model)
        except ModelError as fault:
            raise InputDataError(str(fault)) from None
    write_model(bert, tokenizer, folder / START)
    if pairs is not None:
        write_dev(folder, pairs)
    mark_as_begun(folder, run.run_id)


def _train(run: Run, settings: TrainSentences, folder: Path, goes_on: bool) -> TrainingResult:
    """Train, unless that was done before; CurationError for what ends it."""
    result = read_result(folder) if goes_on else None
    if result is not None:
        return result
    events = events_folder(settings.output)
    task = TrainingTask(str(folder), settings.options, settings.reader, settings.device, events)
    run_training(
        run.spark,
        train_in_folder,
        task,
        folder,
        workers=settings.workers,
        device=settings.device,
    )
    result = read_result(folder)
    assert result is not None
    return result


def closing_lines(_spark: SparkSession, settings: TrainSentences, _counts: Counts) -> list[str]:
    """How the encoder is used."""
    return [f"  embed with it: --model sentence_transformers:{settings.output}"]


JOB = Job(
    "train-sentences",
    "Train a sentence encoder on captions alone, by unsupervised SimCSE.",
    TrainSentences,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake train-sentences --captions ./long_captions \\\n"
        "  --model small --learning-rate 0.001 --output ./encoder"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
