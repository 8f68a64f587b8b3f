"""ingest-captions: read captions of any form into one table with a uid per row."""

from pydantic import Field
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.decisions import decisions
from spark_jobs.core.schemas import REASON
from spark_jobs.core.settings import OutputAddress
from spark_jobs.formats.caption_input import (
    CaptionInput,
    Captions,
    count_and_repeated_keys,
    read_captions,
    refuse_too_many_rejected,
    rejected_lines,
    store_rejected_rows,
)
from spark_jobs.formats.match_writing import write_captions, write_unrepeated_captions
from spark_jobs.ingest.accepted_rows import accepted
from spark_jobs.matching.matched_settings import MatchedOutput
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run


class IngestCaptions(MatchedOutput, CaptionInput):
    """Settings of ingest-captions."""

    decisions: bool = Field(
        False, description="add a row per input row to decisions in the workspace"
    )
    output: OutputAddress = Field(description="table of captions, a row per uid")


def run(run: Run, settings: IngestCaptions) -> Counts:
    """Write accepted rows and rejected rows; fails unless together they are all rows read."""
    captions = read_captions(run, settings)
    with captions.reading(by_python=True):
        written = _write_unrepeated(run, settings, captions)
        if written is None:
            rows_in, repeated = count_and_repeated_keys(captions)
            accepted_rows = accepted(captions.rows, repeated)
            kept, match_counts = write_captions(
                run, accepted_rows, settings.output, settings, has_unique_keys=True
            )
        else:
            rows_in, repeated, (kept, match_counts) = captions.source.n_rows or 0, [], written
        reasons = store_rejected_rows(run, settings, captions, repeated, rows_in=rows_in, kept=kept)
    n_rejected = sum(reasons.values())
    rows_in = kept + n_rejected
    if settings.decisions:
        _write_decisions(run, run.read(settings.output, schemas.CAPTIONS), n_rejected)
    refuse_too_many_rejected(settings, rows_in, n_rejected)
    return {"rows_in": rows_in, "kept": kept, "rejected": n_rejected, **reasons, **match_counts}


def _write_unrepeated(
    run: Run, settings: IngestCaptions, captions: Captions
) -> tuple[int, Counts] | None:
    """Write the captions in one pass if the input has uids, of which none repeats; else None.

    Digests of the content repeat where the content does, which is common.
    """
    if captions.source.n_rows is None or not captions.has_uids:
        return None
    return write_unrepeated_captions(run, accepted(captions.rows, []), settings.output, settings)


def _write_decisions(run: Run, kept_rows: DataFrame, n_rejected: int) -> None:
    decision_rows = decisions(kept_rows, kept=F.lit(True), rule=F.lit("accepted"))
    if n_rejected:
        rejections = decisions(run.read_rejected(), kept=F.lit(False), rule=F.col(REASON))
        decision_rows = decision_rows.unionByName(rejections)
    run.write_decisions(decision_rows)


def closing_lines(_spark: SparkSession, settings: IngestCaptions, counts: Counts) -> list[str]:
    """Lines on rejected rows."""
    return rejected_lines(settings, counts)


JOB = Job(
    "ingest-captions",
    "Read captions from parquet, JSON, CSV, TSV or text files into one table.",
    IngestCaptions,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake ingest-captions --input ./laion --preset laion400m \\\n  --output ./captions"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
