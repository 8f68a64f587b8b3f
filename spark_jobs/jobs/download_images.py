"""download-images: download the images of a table of URLs, with a ledger of what became of each."""

import importlib.util
import logging
import os
import re
from typing import Any, Literal, Self
from urllib.request import getproxies

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.columns import free_name, named, require_columns
from spark_jobs.core.count_words import few_of
from spark_jobs.core.errors import InputDataError, OutputTableError, SettingsError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import DOWNLOADS, EMPTY, KEY, NSFW, SHA256, UID, URL
from spark_jobs.core.settings import (
    InputAddress,
    Names,
    OutputAddress,
    OutputFolder,
    RoleName,
    Settings,
    did_you_mean,
)
from spark_jobs.formats.download_shards import (
    download_on_cluster,
    leave_wanted_rows,
    open_shards,
    plan_shards,
    read_ledgers,
)
from spark_jobs.images.wanted_images import (
    NsfwPolicy,
    first_attempts,
    has_cause,
    is_allowed,
    last_attempts,
    one_row_an_image,
    placeholders,
    rows_for_files,
    rows_to_download,
)
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.conflicts import concurrent_write_error
from spark_jobs.storage.outputs.folders import n_files_for
from spark_jobs.storage.outputs.growing_folder import growing_folder
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.session import reads_local_paths
from spark_jobs.storage.tables import read_table
from udfs.images.download_options import DownloadOptions, ShardFormat
from udfs.images.fetch import CAUSES, FetchLimits
from udfs.images.public_addresses import AllowedHosts
from udfs.images.robots import DISALLOWING
from udfs.images.shard_files import (
    LEDGER,
    n_planned_rows,
    remove_incomplete,
    shard_name,
    shards_in,
    shards_with_images,
)
from udfs.images.shard_process import ShardError
from udfs.images.shard_threads import download_shards
from udfs.images.wandb_reports import reports_to_wandb
from udfs.stores import place_of

_log = logging.getLogger(__name__)
_MAX_PLACEHOLDERS = 3  # that are named
_PASSING = ("dns", "refused", "connection", "timeout", "http", "failed")  # causes that may pass
# What each preset sets unless it is set otherwise; columns that a table lacks are left out.
_PRESETS: dict[str, dict[str, Any]] = {
    "laionet": {
        "format": "webdataset",
        "columns": {
            "nsfw": "NSFW", "similarity": "similarity", "wnid": "wnid", "license": "LICENSE"
        },
        "nsfw": "unlikely",
    },
    "unmet_promise": {
        "format": "files",
        "columns": {"similarity": "similarity", "query": "QUERY"},
        "nsfw": "not_nsfw",
    },
}  # fmt: skip


class DownloadImages(Settings):
    """Settings of download-images."""

    captions: InputAddress = Field(description="table of pairs, with uid and url")
    output: OutputFolder = Field(
        description="folder for the shards, seen by every worker or in a store; what is there stays"
    )
    downloads: OutputAddress | None = Field(
        None, description="the ledger, a row per attempt; default: OUTPUT_downloads"
    )
    preset: Literal["laionet", "unmet_promise"] | None = Field(
        None, description="format, columns and nsfw as published, unless they are set"
    )
    retry: Names = Field(
        [],
        description="causes of failed rows to try again: timeout, dns, http ..., or statuses such "
        "as 5xx and 429",
    )
    format: ShardFormat = Field("webdataset", description="of the shards, as img2dataset has them")
    columns: dict[str, str] = Field(
        {}, description="map from further columns to their names in the files: {wnid: wnid}"
    )
    nsfw: NsfwPolicy = Field(
        "any",
        description="rows to download by the column nsfw: any, not_nsfw (all but NSFW), unlikely "
        "(UNLIKELY alone)",
    )
    image_size: PositiveInt = Field(256, le=16_384, description="pixels of the side resized to")
    resize_mode: Literal["no", "keep_ratio", "center_crop", "border", "keep_ratio_largest"] = Field(
        "keep_ratio", description="how, as img2dataset does: keep_ratio: of the shorter side"
    )
    only_if_bigger: bool = Field(True, description="leave smaller images as they are")
    skip_reencode: bool = Field(True, description="leave the bytes of JPEG that is not resized")
    encode_format: Literal["jpg", "png", "webp"] = Field("jpg", description="of resized images")
    encode_quality: NonNegativeInt = Field(95, le=100, description="of them; png: 0 to 9")
    min_image_size: NonNegativeInt = Field(0, description="of the shorter side; smaller fail")
    max_aspect_ratio: PositiveFloat | None = Field(None, description="narrower images fail")
    exif: bool = Field(True, description="keep EXIF data in the files' columns")
    rows_per_shard: int = Field(10_000, ge=10, le=10**6, description="rows of a shard at most")
    processes: PositiveInt | None = Field(
        None, le=1024, description="shards at a time on this machine; default: its CPUs"
    )
    threads: PositiveInt = Field(256, le=4096, description="connections of a process at a time")
    timeout: PositiveFloat = Field(10, le=3600, description="seconds to connect, and for each read")
    deadline: PositiveFloat = Field(30, le=86_400, description="seconds for all of an image")
    max_bytes: PositiveInt = Field(20_000_000, le=10**9, description="of an image as it is sent")
    max_pixels: PositiveInt = Field(
        50_000_000,
        le=178_956_970,  # where Pillow refuses
        description="of an image as it is sent; of one that may be transparent a quarter",
    )
    allow_hosts: Names = Field(
        [],
        description="hosts, addresses and networks to download from though they are not public: "
        "127.0.0.1, 10.0.0.0/8",
    )
    user_agent_token: str | None = Field(
        None, description="a name for X-Robots-Tag and the log of servers"
    )
    robots: bool = Field(True, description="obey X-Robots-Tag: " + ", ".join(DISALLOWING))
    placeholder_urls: PositiveInt = Field(
        10, description="URLs of one image at which it is told as a placeholder"
    )
    enable_wandb: bool = Field(False, description="report to Weights & Biases, as img2dataset does")
    wandb_project: str = Field("img2dataset", description="its project there")

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, values: Any) -> Any:
        preset = _PRESETS.get(str(values.get("preset"))) if isinstance(values, dict) else None
        return values if preset is None else {**preset, **values}

    @field_validator("allow_hosts")
    @classmethod
    def _are_hosts(cls, hosts: list[str]) -> list[str]:
        AllowedHosts(hosts)
        return hosts

    @field_validator("retry")
    @classmethod
    def _are_causes(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in CAUSES and not re.fullmatch(r"[1-5]\d\d|[1-5]xx", name):
                raise ValueError(
                    f"{name!r} is no cause{did_you_mean(name, CAUSES)}; there are "
                    f"{', '.join(CAUSES)}, 4xx, 5xx and statuses such as 429"
                )
        return names

    @model_validator(mode="after")
    def _can_encode(self) -> Self:
        if self.encode_format == "png" and self.encode_quality > 9:
            raise ValueError("encode_quality of png is 0 to 9: give --encode-quality")
        return self

    @model_validator(mode="after")
    def _can_report(self) -> Self:
        if self.enable_wandb and place_of(self.output) is not None:
            raise ValueError("enable_wandb: img2dataset reports only from a folder on a disk")
        return self

    def addresses(self, role: RoleName) -> dict[str, str]:
        """The addresses of all settings; the ledger beside the output where none is given."""
        addresses = super().addresses(role)
        if role == "output" and self.downloads is None:
            addresses["downloads"] = f"{self.output.rstrip('/')}_downloads"
        return addresses

    def folder_content(self) -> str:
        """Names all that shapes the files, since those of one folder shall be alike."""
        shape = {
            "format": self.format,
            "image-size": self.image_size,
            "resize-mode": self.resize_mode,
            "only-if-bigger": self.only_if_bigger,
            "skip-reencode": self.skip_reencode,
            "encode-format": self.encode_format,
            "encode-quality": self.encode_quality,
            "rows-per-shard": self.rows_per_shard,
            "columns": self.columns,
            "exif": self.exif,
            "min-image-size": self.min_image_size,
            "max-aspect-ratio": self.max_aspect_ratio,
        }
        defaults = {name: type(self).model_fields[name.replace("-", "_")].default for name in shape}
        own = [f"--{name} {value}" for name, value in shape.items() if value != defaults[name]]
        return " ".join(["download-images", *own])


def run(run: Run, settings: DownloadImages) -> Counts:
    """Download what the ledger does not have, after what an interrupted run has left open."""
    if importlib.util.find_spec("img2dataset") is None:
        raise SettingsError("download-images needs img2dataset: pip install 'captionlake[images]'")
    if proxies := [name for name in ("http", "https") if name in getproxies()]:
        _log.warning(
            "the environment's proxy for %s is not used: what addresses it would connect to cannot "
            "be checked; this machine and the workers must reach the hosts themselves",
            " and ".join(proxies),
        )
    rows, counts = _wanted(run, settings)
    ledger = settings.addresses("output")["downloads"]
    metadata = run.output_metadata(settings.output)
    with growing_folder(settings.output, metadata, content=settings.folder_content()) as folder:
        remove_incomplete(folder)
        present = shards_with_images(folder, settings.format)
        _check_folder_and_ledger(_read_ledger(run, ledger), ledger, folder, present)
        options = _options(settings, folder)
        leave_wanted_rows(rows, folder)
        with reports_to_wandb(folder, settings.wandb_project if settings.enable_wandb else None):
            fetched = _download(run, settings, options)
            _take_into_ledger(run, folder, ledger, is_last=False)
            _plan(run, settings, rows, counts["images"], folder, ledger)
            fetched += _download(run, settings, options)
        done = sorted(shards_in(folder, LEDGER))
        last = last_attempts(rows, read_ledgers(run.spark, folder, done))
        outcomes = _outcomes(last)
        # Rows that may be tried again are never up to date: the same command tries them again.
        is_last = not settings.retry or last.where(has_cause(settings.retry)).isEmpty()
        _take_into_ledger(run, folder, ledger, is_last=is_last)
    _refuse_lost_rows(settings, counts["images"], outcomes)
    return counts | {"fetched": fetched} | outcomes


def _wanted(run: Run, settings: DownloadImages) -> tuple[DataFrame, Counts]:
    """The rows whose images are wanted, as their files shall have them, and counts of all."""
    captions, called = run.read(settings.captions, EMPTY), f"table {settings.captions}"
    require_columns(captions, called, [UID, URL])
    if settings.nsfw != "any":
        remedy = f"which --nsfw {settings.nsfw} needs; give --nsfw any, or captions that have it"
        require_columns(captions, called, [NSFW], remedy=remedy)
    columns = _columns_of(settings, captions)
    require_columns(captions, called, columns)
    allowed = captions.where(is_allowed(settings.nsfw))
    n_urls = free_name(captions, "_n_urls")
    images = one_row_an_image(allowed, n_urls)
    is_several = F.count(F.when(named(n_urls) > 1, 1))
    n_images, n_several, n_null = _numbers(
        images, is_several, F.count(F.when(F.col(UID).isNull(), 1))
    )
    if n_several or n_null:
        fault = (
            "a uid is null" if n_null else f"rows of a uid have different urls ({n_several:,} uids)"
        )
        raise InputDataError(f"{called}: {fault}; ingest-captions gives each pair a uid of its own")
    is_counted = F.when(is_allowed(settings.nsfw), F.lit(1))
    rows_in, n_allowed = _numbers(captions, F.count(is_counted))
    counts = {"rows_in": rows_in, "images": n_images, "dropped_nsfw": rows_in - n_allowed}
    further = n_allowed - n_images
    rows = rows_for_files(images, called, columns)
    return rows, counts | ({"further_rows": further} if further else {})


def _numbers(rows: DataFrame, *counted: Column) -> list[int]:
    """The number of rows, and further numbers, in one pass."""
    row = rows.agg(F.count(F.lit(1)), *counted).first()
    assert row is not None
    return [int(number) for number in row]


def _columns_of(settings: DownloadImages, captions: DataFrame) -> dict[str, str]:
    """The further columns; of a preset's, those that the captions have."""
    published = _PRESETS[settings.preset]["columns"] if settings.preset else None
    if settings.columns != published:
        return settings.columns
    return {column: name for column, name in settings.columns.items() if column in captions.columns}


def _options(settings: DownloadImages, folder: str) -> DownloadOptions:
    token = settings.user_agent_token
    limits = FetchLimits(
        timeout_s=settings.timeout,
        deadline_s=settings.deadline,
        max_bytes=settings.max_bytes,
        max_pixels=settings.max_pixels,
        allow_hosts=tuple(settings.allow_hosts),
        agent=None if token is None else token.strip().lower(),
        disallowing=DISALLOWING if settings.robots else (),
    )
    return DownloadOptions(
        folder=folder,
        format=settings.format,
        image_size=settings.image_size,
        resize_mode=settings.resize_mode,
        resize_only_if_bigger=settings.only_if_bigger,
        skip_reencode=settings.skip_reencode,
        encode_format=settings.encode_format,
        encode_quality=settings.encode_quality,
        min_image_size=settings.min_image_size,
        max_aspect_ratio=settings.max_aspect_ratio or 0.0,
        exif=settings.exif,
        rows_per_shard=settings.rows_per_shard,
        threads=settings.threads,
        limits=limits,
    )


def _check_folder_and_ledger(
    ledger: DataFrame | None, address: str, folder: str, present: set[int]
) -> None:
    """Raise OutputTableError for a ledger of another folder's shards.

    Says which shards with images have gone, perhaps to where they are needed. Their rows are in the
    ledger, so that they are not downloaded again.
    """
    if ledger is None:
        return
    by_shard = ledger.groupBy("shard").agg(F.count(KEY).alias("images")).collect()
    images = {row["shard"]: row["images"] for row in by_shard}
    done = shards_in(folder, LEDGER)
    if others := sorted(images.keys() - done):
        raise OutputTableError(
            f"downloads {address}: has shards that {folder} never had, such as "
            f"{shard_name(others[0])}: it is of another folder; give another --downloads"
        )
    names = sorted(shard_name(shard) for shard in done - present if images.get(shard))
    if names:
        _log.warning(
            "output %s: shards that were written are not there, and not downloaded again: %s",
            *(folder, few_of(names, 3)),
        )


def _download(run: Run, settings: DownloadImages, options: DownloadOptions) -> int:
    """Download the open shards, here or in the tasks of a cluster; the number of their rows."""
    shards = open_shards(options.folder)
    n_rows = sum(n_planned_rows(options.folder, shard) for shard in shards)
    try:
        if shards and reads_local_paths():
            n_processes = settings.processes or os.cpu_count() or 1
            download_shards(shards, options, n_processes=n_processes)
        elif shards:
            download_on_cluster(run.spark, shards, options)
    except ShardError as fault:
        raise OutputTableError(f"output {options.folder}: cannot be written ({fault})") from None
    return n_rows


def _plan(
    run: Run, settings: DownloadImages, rows: DataFrame, n_images: int, folder: str, ledger: str
) -> None:
    """Write new shards of the rows to be tried, for the first time or again."""
    known = _read_ledger(run, ledger)
    if known is None:
        new_rows, n_rows = first_attempts(rows), n_images
    else:
        new_rows = rows_to_download(rows, known, settings.retry)
        n_rows = count_rows(new_rows)
    if n_rows:
        with batches_that_fit(new_rows):
            plan_shards(new_rows, folder, n_files_for(n_rows, settings.rows_per_shard))


def _read_ledger(run: Run, ledger: str) -> DataFrame | None:
    version = run.append_point(ledger).version
    if version is None:
        return None
    return read_table(run.spark, ledger, DOWNLOADS, version=version)


def _take_into_ledger(run: Run, folder: str, ledger: str, *, is_last: bool) -> None:
    """Append the rows of shards that are done and not in the ledger yet."""
    point = run.append_point(ledger)
    shards, known = shards_in(folder, LEDGER), _read_ledger(run, ledger)
    if shards and known is not None:
        shards -= {row["shard"] for row in known.select("shard").distinct().collect()}
    if not shards and not is_last:
        return
    rows = read_ledgers(run.spark, folder, sorted(shards))
    if run.commit_part(rows, ledger, point, is_last=is_last) is None:
        raise concurrent_write_error(parse_address(ledger))


def _outcomes(last: DataFrame) -> Counts:
    """How many of the last attempts have succeeded, and failed by cause."""
    by_cause = last.groupBy("cause").agg(F.count(F.lit(1)).alias("n")).collect()
    counts = {row["cause"]: row["n"] for row in by_cause}
    downloaded = counts.pop(None, 0)
    failed = {f"failed_{cause}": counts[cause] for cause in CAUSES if cause in counts}
    return {"downloaded": downloaded, "failed": sum(failed.values()), **failed}


def _refuse_lost_rows(settings: DownloadImages, n_images: int, outcomes: Counts) -> None:
    n_tried = outcomes["downloaded"] + outcomes["failed"]
    if n_tried != n_images:
        raise InputDataError(
            f"table {settings.captions}: {n_images:,} images, but {n_tried:,} are downloaded or "
            "failed: it has changed while it was read; run it again"
        )


def closing_lines(spark: SparkSession, settings: DownloadImages, counts: Counts) -> list[str]:
    """Why images failed, how to try them again, and images that stand for others."""
    causes = [name for name in CAUSES if f"failed_{name}" in counts]
    lines = [f"  {counts[f'failed_{cause}']:,} {cause}: {CAUSES[cause]}" for cause in causes]
    if again := [cause for cause in causes if cause in _PASSING]:
        lines.append(f"  try again: --retry {','.join(again)}")
    ledger = read_table(spark, settings.addresses("output")["downloads"], DOWNLOADS)
    repeated = placeholders(ledger, settings.placeholder_urls).limit(_MAX_PLACEHOLDERS)
    return lines + [
        f"  {row['urls']:,} URLs sent one image, perhaps a placeholder: sha256 {row[SHA256]}"
        for row in repeated.collect()
    ]


JOB = Job(
    "download-images",
    "Download the images of a table of URLs by img2dataset, with a ledger of each attempt.",
    DownloadImages,
    run,
    closing_lines=closing_lines,
    shared_folders=("output",),
    example=(
        "captionlake download-images --captions ./laionet/pairs \\\n"
        "  --output ./laionet/images --preset laionet"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
