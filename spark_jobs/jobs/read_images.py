"""read-images: a table of images, from shards, files, an image folder or parquet."""

from pydantic import Field
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.addresses import join_address, parse_address
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.observed_sums import ObservedSums
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import FAULT, IMAGES, UID
from spark_jobs.core.settings import InputAddress, OutputAddress, Settings
from spark_jobs.formats.image_files import list_image_files, read_image_files
from spark_jobs.images.unique import (
    DUPLICATE_UID,
    first_of_uids,
    later_copies,
    rejected_images,
    repeated_uids,
)
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.conflicts import concurrent_write_error
from spark_jobs.storage.extending import AppendPoint
from spark_jobs.storage.run import Counts, Run
from udfs.images.samples import OTHERS

_OTHERS = "other_files"


class ReadImages(Settings):
    """Settings of read-images."""

    input: InputAddress = Field(
        description="folder, glob or file: webdataset shards, img2dataset's files or parquet, a "
        "folder of images, with a folder per class or without; told apart by their content"
    )
    decode: bool = Field(
        True,
        description="decode each image whole, which finds truncated and damaged ones; else only "
        "headers are looked at",
    )
    output: OutputAddress = Field(
        description="table of images: uid, key, image, width, height, sha256, fault; a row per uid"
    )


def run(run: Run, settings: ReadImages) -> Counts:
    """Write a row per image; of rows that share a uid all but one are rejected."""
    address = parse_address(settings.input)
    if run.reads_table(settings.input):
        raise InputDataError(
            f"{settings.input}: is a table, expected files of images; where it has a column of "
            "images, the other jobs take it as it is"
        )
    files = list_image_files(run.spark, address.location)
    observed = ObservedSums()
    found = read_image_files(run.spark, files, "pixels" if settings.decode else "header")
    observed_rows = observed.observe(found, F.sum(OTHERS).alias(OTHERS))
    rows = observed_rows.where(F.col(UID).isNotNull()).select(*IMAGES.names)
    point = _commit(run, rows, settings.output, run.append_point(settings.output), is_last=False)
    others = len(files.others) + (observed.get().get(OTHERS) or 0)
    stored = run.read(settings.output, IMAGES)
    rows_in = count_rows(stored)
    kept = _one_row_per_uid(run, stored, settings.output, point)
    faults = _faults(run.read(settings.output, IMAGES))
    return {
        "rows_in": rows_in,
        "images": kept - sum(faults.values()),
        "faulty": sum(faults.values()),
        "rejected": rows_in - kept,
        _OTHERS: others,
        **faults,
    }


def _one_row_per_uid(run: Run, stored: DataFrame, output: str, point: AppendPoint) -> int:
    """Reject rows whose uid another one has; the number of rows kept. Ends the output's write."""
    repeated = repeated_uids(stored.select(UID))
    n_repeated = count_rows(repeated)
    if not n_repeated:
        _commit(run, stored.limit(0), output, point, is_last=True)
        return count_rows(stored)
    with batches_that_fit(stored):
        copies = later_copies(stored, repeated)
        reason = F.lit(DUPLICATE_UID)
        run.write_rejected(rejected_images(copies, reason, run_id=run.run_id, job=run.job))
        _commit(run, first_of_uids(stored, repeated), output, point, is_last=True, replace=True)
    return count_rows(run.read(output, IMAGES))


def _commit(
    run: Run,
    rows: DataFrame,
    output: str,
    point: AppendPoint,
    *,
    is_last: bool,
    replace: bool | None = None,
) -> AppendPoint:
    new_point = run.commit_part(
        rows, output, point, is_last=is_last, replace=not is_last if replace is None else replace
    )
    if new_point is None:
        raise concurrent_write_error(parse_address(output))
    return new_point


def _faults(images: DataFrame) -> Counts:
    """Fault -> rows."""
    rows = images.where(F.col(FAULT).isNotNull()).groupBy(FAULT).agg(F.count("*").alias("n"))
    return {row[FAULT]: row["n"] for row in sorted(rows.collect())}


def closing_lines(_spark: SparkSession, settings: ReadImages, counts: Counts) -> list[str]:
    """Where to look for images that cannot be used."""
    lines = []
    if counts["faulty"]:
        lines.append(f"  {counts['faulty']:,} rows have no image, and the reason in `fault`")
    if counts["rejected"]:
        rejected = join_address(settings.workspace_address(), "rejected")
        lines.append(f"  {counts['rejected']:,} rows share a uid with another: see {rejected}")
    return lines


JOB = Job(
    "read-images",
    "Read images from webdataset shards, img2dataset's output or image folders into a table.",
    ReadImages,
    run,
    closing_lines=closing_lines,
    shared_folders=("input",),
    example="captionlake read-images --input ./shards --output ./images",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
