"""build-concept-bank: a concept bank from one or more sources, entry ids in their order."""

import pyarrow as pa
from pydantic import Field, field_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.concepts.bank import concept_bank
from spark_jobs.concepts.sources import (
    imagenet,
    json_lines,
    lines,
    metaclip_json,
    wordnet,
    wordnet_names,
)
from spark_jobs.core import schemas
from spark_jobs.core.addresses import absolute_address
from spark_jobs.core.redaction import redacted
from spark_jobs.core.schemas import FAULT, REASON, RUN_ID, UID
from spark_jobs.core.settings import OutputAddress, RoleName, Settings, did_you_mean
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.small_files import read_folder, read_text

_FROM_FILE = {"metaclip_json": metaclip_json, "lines": lines, "json_lines": json_lines}
_FROM_FOLDER = {"wordnet": wordnet, "wordnet_names": wordnet_names}
_PACKAGED = ("imagenet1k", "imagenet22k")  # come with a Python package, so without a path
_FAULTS = ("duplicate", "empty", "never_matches")


class BuildConceptBank(Settings):
    """Settings of build-concept-bank."""

    sources: list[str] = Field(
        min_length=1,
        description="metaclip_json:FILE, lines:FILE, json_lines:FILE, imagenet1k, imagenet22k, "
        "wordnet:FOLDER (its lemmas), wordnet_names:FOLDER (MetaCLIP's entries); in bank order",
    )
    parity: bool = Field(
        True,
        description="keep duplicate, empty and never-matching entries, so that ids are positions "
        "in the source as in MetaCLIP; false puts them into rejected",
    )
    output: OutputAddress = Field(description="the concept bank")

    @field_validator("sources", mode="before")
    @classmethod
    def _one_source_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("sources")
    @classmethod
    def _have_valid_kinds(cls, sources: list[str]) -> list[str]:
        kinds = [*_FROM_FILE, *_FROM_FOLDER, *_PACKAGED]
        for source in sources:
            kind, _, path = source.partition(":")
            if kind not in kinds:
                raise ValueError(f"unknown kind {kind!r}{did_you_mean(kind, kinds)}")
            if bool(path) == (kind in _PACKAGED):
                path_kind = "FILE" if kind in _FROM_FILE else "FOLDER"
                expected = f"{kind} without a file" if kind in _PACKAGED else f"{kind}:{path_kind}"
                raise ValueError(f"{source!r}: expected {expected}")
        return sources

    def addresses(self, role: RoleName) -> dict[str, str]:
        """The addresses of all settings, and as inputs the files of the sources."""
        if role != "input":
            return super().addresses(role)
        files = [path for source in self.sources if (path := source.partition(":")[2])]
        return {f"sources.{i}": absolute_address(path) for i, path in enumerate(files)}


def run(run: Run, settings: BuildConceptBank) -> Counts:
    """Read the sources, write the bank, and count faulty entries by fault.

    Without parity faulty entries go into rejected.
    """
    source_tables = [_read_source(run, source) for source in settings.sources]
    bank, left_out = concept_bank(source_tables, parity=settings.parity)
    faulty = left_out if left_out.num_rows else bank.filter(pa.compute.is_valid(bank[FAULT]))
    faults = faulty[FAULT].to_pylist()
    run.write(_frame(run, bank), settings.output)
    if left_out.num_rows:
        _reject(run, left_out)
    fault_counts = {fault: faults.count(fault) for fault in _FAULTS}
    return {"entries": bank.num_rows, "left_out": left_out.num_rows, **fault_counts}


def _read_source(run: Run, source: str) -> pa.Table:
    kind, _, path = source.partition(":")
    name = redacted(path)  # value of the column source
    if kind in _PACKAGED:
        return imagenet(kind)  # type: ignore[arg-type]
    if kind in _FROM_FOLDER:
        return _FROM_FOLDER[kind](read_folder(run.spark, path, ("data.*", "index.*")), name)
    return _FROM_FILE[kind](read_text(run.spark, path), name)


def _frame(run: Run, bank: pa.Table) -> DataFrame:
    rows = bank.to_pandas(integer_object_nulls=True)  # or a class_idx with nulls becomes float
    return run.spark.createDataFrame(rows, schemas.CONCEPT_BANK)


def _reject(run: Run, left_out: pa.Table) -> None:
    rows = _frame(run, left_out).select(
        F.lit(run.run_id).alias(RUN_ID),
        F.lit(run.job).alias("job"),
        F.col(FAULT).alias(REASON),
        F.lit(None).cast("string").alias(UID),
        F.to_json(F.struct(*schemas.CONCEPT_BANK.names)).alias("row"),
        F.lit(None).cast("binary").alias("raw"),
    )
    run.write_rejected(rows)


JOB = Job(
    "build-concept-bank",
    "Build a concept bank from metadata.json, text files, ImageNet or WordNet synsets.",
    BuildConceptBank,
    run,
    example=(
        "captionlake build-concept-bank \\\n"
        "  --sources '[imagenet22k, \"lines:my_entries.txt\"]' --output ./bank"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
