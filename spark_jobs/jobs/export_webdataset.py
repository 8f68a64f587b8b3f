"""export-webdataset: captions and their images as tar shards of one size, for training."""

from pydantic import Field, PositiveInt
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from spark_jobs.core.addresses import join_address
from spark_jobs.core.columns import require_column_type, require_columns
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTION, FAULT, IMAGE, KEY, REASON, UID, UIDS
from spark_jobs.core.settings import InputAddress, OutputFolder, Settings
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.formats.arranged_folder import stored
from spark_jobs.formats.images_at import read_images
from spark_jobs.formats.webdataset_shards import ShardSizes, write_webdataset
from spark_jobs.images.unique import rejected_images
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_of, batches_that_fit, rows_by_size
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.run import Counts, Run
from spark_jobs.training.places import bin_sizes, n_bins_for, with_places
from spark_jobs.training.samples import (
    GIF,
    NO_CAPTION,
    NO_IMAGE,
    NOT_READABLE,
    first_image_of_uids,
    has_list,
    samples,
)
from udfs.images.samples import POSITION, RECORD

_BYTES = "bytes"
_ONE_ROW = "expected one row an image, such as mix-captions writes"


class ExportWebdataset(Settings):
    """Settings of export-webdataset."""

    captions: InputAddress = Field(
        description="table with a row an image: uid, caption, and where it has them entry_ids and "
        "captions, the list with weights of mix-captions"
    )
    images: InputAddress = Field(
        description="table of images (read-images), or what read-images takes, such as the shards "
        "of download-images; joined by uid"
    )
    samples_per_shard: PositiveInt = Field(
        10_000, le=10**7, description="samples of each shard, but for the last, which has the rest"
    )
    seed: int = Field(0, description="decides the shard of each sample, and its place there")
    output: OutputFolder = Field(
        description="folder for the shards, 00000.tar and so on, and sizes.json"
    )

    def folder_content(self) -> str:
        """Names the kind of files, so that those of another kind in the same folder stay."""
        return "export-webdataset"


def run(run: Run, settings: ExportWebdataset) -> Counts:
    """Write each caption that has an image, and reject the others; they add up to the captions."""
    captions = _read_captions(run, settings)
    images = read_images(run, settings.images)
    metadata = run.output_metadata(settings.output)
    content = settings.folder_content()
    with replaced_folder(settings.output, metadata, content=content, is_resumable=True) as folder:
        with batches_that_fit(*images.tables):
            index = stored(_index(images.rows), folder, "images")
        found = samples(captions, first_image_of_uids(index))
        found = stored(found, folder, "samples")
        usable = found.where(F.col(REASON).isNull()).drop(REASON)
        n_usable, sample_bytes = _size_of(usable)
        sizes = ShardSizes(n_usable, settings.samples_per_shard)
        rejected = _refuse_none(settings, found, sizes)
        draw, n_bins = run.draw("export-webdataset", settings.seed), n_bins_for(sizes.n_samples)
        by_bin = [(row[0], row[1]) for row in bin_sizes(usable, draw, n_bins).collect()]
        placed = with_places(usable, draw, by_bin, n_bins)
        n_at_once = rows_by_size(index, F.col(_BYTES))
        with batches_that_fit(*images.tables), batches_of(run.spark, n_at_once):
            shards = write_webdataset(placed, images.rows, folder, sizes, sample_bytes)
        _reject(run, found, rejected)
        n_images = count_rows(index)
    return {
        "rows_in": sizes.n_samples + sum(rejected.values()),
        "samples": sizes.n_samples,
        "shards": len(shards),
        "rejected": sum(rejected.values()),
        **rejected,
        "images": n_images,
        "images_unused": n_images - sizes.n_samples,
    }


def _read_captions(run: Run, settings: ExportWebdataset) -> DataFrame:
    captions, called = run.read(settings.captions, UIDS), f"table {settings.captions}"
    if not has_list(captions):
        require_columns(captions, called, [CAPTION])
    if CAPTION in captions.columns:
        require_column_type(captions, called, CAPTION, (StringType,), "text")
    refuse_repeated_or_null_keys(captions, [UID], settings.captions, _ONE_ROW)
    return captions


def _index(images: DataFrame) -> DataFrame:
    """The images without their bytes: uid, key, position, fault, and how many bytes there are."""
    n_bytes = F.coalesce(F.octet_length(IMAGE), F.lit(0))
    head = F.hex(F.substring(IMAGE, 1, 12))
    # open_clip's loader passes over others without an error.
    is_readable = head.rlike("^(FFD8FF|89504E470D0A1A0A|52494646.{8}57454250)")
    fault = (
        F.when(F.col(FAULT).isNotNull(), F.col(FAULT))
        .when(n_bytes == 0, F.lit(NO_IMAGE))
        .when(head.startswith("47494638"), F.lit(GIF))
        .when(~is_readable, F.lit(NOT_READABLE))
    )
    return images.select(UID, KEY, POSITION, fault.alias(FAULT), n_bytes.alias(_BYTES))


def _size_of(samples: DataFrame) -> tuple[int, int]:
    """The number of samples, and the bytes of their captions and records."""
    n_bytes = F.sum(F.octet_length(CAPTION) + F.octet_length(RECORD))
    sizes = samples.agg(F.count(F.lit(1)), F.coalesce(n_bytes, F.lit(0))).first()
    assert sizes is not None  # an aggregate without groups has one row
    return sizes[0], sizes[1]


def _refuse_none(settings: ExportWebdataset, found: DataFrame, sizes: ShardSizes) -> Counts:
    """Reason -> rows of the samples that cannot be written; InputDataError if all cannot."""
    by_reason = found.groupBy(REASON).agg(F.count(F.lit(1)).alias("n")).collect()
    rejected = {row[REASON]: row["n"] for row in by_reason if row[REASON] is not None}
    rejected = dict(sorted(rejected.items()))
    if sizes.n_samples:
        return rejected
    if [*rejected] == [NO_CAPTION]:
        raise InputDataError(f"table {settings.captions}: none of its rows has a caption")
    why = ", ".join(f"{reason}: {n:,}" for reason, n in rejected.items()) or "it has no rows"
    raise InputDataError(
        f"table {settings.captions}: no row has an image in {settings.images} ({why}); give the "
        "images of these uids"
    )


def _reject(run: Run, found: DataFrame, rejected: Counts) -> None:
    if rejected:
        rows = found.where(F.col(REASON).isNotNull()).drop(RECORD)
        run.write_rejected(rejected_images(rows, F.col(REASON), run_id=run.run_id, job=run.job))


def closing_lines(_spark: SparkSession, settings: ExportWebdataset, counts: Counts) -> list[str]:
    """What trains on the shards, and where the rejected rows are."""
    names = [*ShardSizes(counts["samples"], settings.samples_per_shard).by_name()]
    shards = f"{{{names[0][:-4]}..{names[-1][:-4]}}}.tar"
    lines = [f"  open_clip: --dataset-type webdataset --train-data '{settings.output}/{shards}'"]
    if counts["rejected"]:
        rejected = join_address(settings.workspace_address(), "rejected")
        lines.append(f"  rejected rows with their reasons: captionlake show {rejected}")
    return lines


JOB = Job(
    "export-webdataset",
    "Write captions and their images as shards of one size, for open_clip and webdataset.",
    ExportWebdataset,
    run,
    closing_lines=closing_lines,
    shared_folders=("images", "output"),
    example=(
        "captionlake export-webdataset --captions ./curated/balanced_captions \\\n"
        "  --images ./images --samples-per-shard 10000 --output ./training_shards"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
