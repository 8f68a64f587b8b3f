"""A session with a small driver, tables of the corpus, and a call to run a job."""

import importlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks import inputs
from spark_jobs.running.launch import Summary, execute
from spark_jobs.storage.session import open_session


def small_session(**conf: str) -> SparkSession:
    """A session in local mode; the heap of driver and executor is 1.5 GB."""
    return open_session({"spark.driver.memory": "1500m", **conf})


def raw_captions(spark: SparkSession, folder: Path, rows: int) -> str:
    """Path of Parquet files of `rows` captions: copies of the corpus's million under other uids."""
    corpus_file = inputs.corpus(folder, 1_000_000) / "captions.parquet"
    address = folder / f"raw_{rows}"
    if not (address / "_SUCCESS").exists():
        copies = spark.range(-(-rows // 1_000_000)).withColumnRenamed("id", "copy")
        captions = spark.read.parquet(str(corpus_file)).crossJoin(copies).limit(rows)
        uid = F.md5(F.concat("uid", "copy")).alias("uid")
        shutil.rmtree(address, ignore_errors=True)
        if rows <= 2:
            captions = captions.repartition(rows)  # a file each
        captions.select(uid, "caption").write.parquet(str(address))
    return str(address)


def caption_table(spark: SparkSession, folder: Path, rows: int) -> str:
    """Path of a Delta table with the captions of `raw_captions`."""
    address = folder / f"captions_{rows}"
    if not (address / "_delta_log").exists():
        raw = spark.read.parquet(raw_captions(spark, folder, rows))
        raw.write.format("delta").save(str(address))
    return str(address)


def run_job(name: str, **settings: Any) -> Summary:
    """Run a job by its module's name, even if its outputs are up to date."""
    job = importlib.import_module(f"spark_jobs.jobs.{name}").JOB
    return execute(job, job.settings(**settings), force=True, say=lambda _line: None)


def compute_all_rows(frame: DataFrame) -> None:
    """Compute all rows of a frame without storing them."""
    frame.write.format("noop").mode("overwrite").save()


def reading_pass(spark: SparkSession, captions: str) -> None:
    """Pass the captions through mapInArrow, one row per batch back: what every job has to do."""

    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_arrays([pa.array([batch.num_rows])], ["n"])

    frame = spark.read.format("delta").load(captions).select("caption")
    compute_all_rows(frame.mapInArrow(count, "n long"))
