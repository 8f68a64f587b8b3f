"""arrange-images: images as files in a folder per class, with a table of what came through."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.addresses import is_inside, join_address
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import ARRANGED_IMAGES, CLASS, KEY, NAME, REASON, UID
from spark_jobs.core.settings import InputAddress, OutputAddress, OutputFolder, Settings
from spark_jobs.formats.arrangeable_images import WRITTEN, read_arrangeable_images
from spark_jobs.formats.arranged_folder import (
    folder_rows,
    stored,
    with_distinct_folders,
    with_unique_names,
    write_class_folders,
    write_metadata,
)
from spark_jobs.images.arranged import metadata_rows
from spark_jobs.images.unique import rejected_images
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.run import Counts, Run
from udfs.images.arranging import Layout, Naming, write_images

_CLASS_COLUMN: Mapping[Layout, str] = {"laionet": "wnid", "classes": "QUERY"}


class ArrangeImages(Settings):
    """Settings of arrange-images."""

    input: InputAddress = Field(
        description="table of images (read-images), or what read-images takes: shards, files ..."
    )
    layout: Layout = Field(
        description="laionet: CLASS/UID.jpg; classes: an ImageFolder as unmet-promise makes it, "
        "CLASS/NUMBER.jpg, with metadata.json"
    )
    labels: InputAddress | None = Field(
        None,
        description="table with the classes, by uid, of which several give the first by name; "
        "default: the input has them",
    )
    class_column: str | None = Field(
        None,
        description="column of the classes, in labels, in the table of images or in the samples' "
        "json; default: wnid, of the layout classes QUERY",
    )
    name_column: str | None = Field(
        None,
        description="column of the files' names; default: uid, of the layout classes shard * 10^9 "
        "+ number where keys are numbers, such as 00001/000000012",
    )
    output: OutputFolder = Field(
        description="folder for the images, seen by every worker or in a store, with no files but "
        "those of an earlier run"
    )
    metadata: OutputAddress = Field(
        description="table of the images written: uid, key, class, path, caption, url ..."
    )

    @model_validator(mode="after")
    def _metadata_is_outside(self) -> Self:
        if is_inside(self.metadata, self.output):
            raise ValueError(
                "metadata: give a table outside of the output, whose files are replaced"
            )
        return self

    @property
    def naming(self) -> Naming:
        """Where classes and names come from."""
        class_column = self.class_column or _CLASS_COLUMN[self.layout]
        return Naming(self.layout, class_column, self.name_column)

    def folder_content(self) -> str:
        """Names the layout, so that images in another one in the same folder stay."""
        return f"arrange-images --layout {self.layout}"


def run(run: Run, settings: ArrangeImages) -> Counts:
    """Write each image that has a class, and reject the others; they add up to the images read."""
    images = read_arrangeable_images(run, settings.input, settings.labels, settings.naming)
    run.check_outputs({settings.metadata: ARRANGED_IMAGES})
    metadata = run.output_metadata(settings.output)
    content = settings.folder_content()
    with replaced_folder(settings.output, metadata, content=content) as folder:
        with batches_that_fit(*images.tables):
            written = stored(images.written(folder), folder, "written")

            def write_again(keys: DataFrame) -> object:
                of_keys = images.rows.join(F.broadcast(keys), on=keys.columns, how="left_semi")
                write = write_images(folder, settings.naming)
                return count_rows(map_in_arrow(of_keys, write, WRITTEN))

            written = with_unique_names(written, folder, write_again)
        folders = with_distinct_folders(written, folder)
        write_class_folders(folder, folders)
        if settings.layout == "classes":
            write_metadata(folder, written)
        rows = metadata_rows(written, folder_rows(written, folders))
        arranged = run.write(rows, settings.metadata, few_files=True)
        reasons = _reject(run, written)
    rejected = sum(reasons.values())
    return {
        "rows_in": arranged + rejected,
        "arranged": arranged,
        "classes": len(folders),
        "rejected": rejected,
        **reasons,
    }


def _reject(run: Run, written: DataFrame) -> Counts:
    """Store the rows that have a reason; reason -> rows."""
    rows = written.where(F.col(REASON).isNotNull())
    counted = rows.groupBy(REASON).agg(F.count("*").alias("n")).collect()
    if counted:
        columns = rows.select(UID, KEY, CLASS, NAME, REASON)
        reason = F.col(REASON)
        run.write_rejected(rejected_images(columns, reason, run_id=run.run_id, job=run.job))
    return {row[REASON]: row["n"] for row in sorted(counted)}


def closing_lines(_spark: SparkSession, settings: ArrangeImages, counts: Counts) -> list[str]:
    """What reads the folder, and where the rejected rows are."""
    lines = [f"  torchvision.datasets.ImageFolder({settings.output!r}) reads them"]
    if counts["rejected"]:
        rejected = join_address(settings.workspace_address(), "rejected")
        lines.append(f"  rejected rows with their reasons: captionlake show {rejected}")
    return lines if counts["arranged"] else lines[1:]


JOB = Job(
    "arrange-images",
    "Write images as files in a folder per class, for torchvision's ImageFolder.",
    ArrangeImages,
    run,
    closing_lines=closing_lines,
    shared_folders=("input", "output"),
    example=(
        "captionlake arrange-images --input ./shards --layout laionet \\\n"
        "  --output ./arranged --metadata ./arranged_images"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
