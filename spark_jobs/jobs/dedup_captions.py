"""dedup-captions: one row of each group of equal captions or urls."""

from typing import Literal

from pydantic import Field
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.decisions import decisions
from spark_jobs.core.errors import MissingColumnError
from spark_jobs.core.schemas import KEPT
from spark_jobs.core.settings import InputAddress, OutputAddress, Settings
from spark_jobs.dedup.exact import keep_smallest_uid, mark_smallest_uid
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run


class DedupCaptions(Settings):
    """Settings of dedup-captions."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    by: Literal["caption", "url", "caption+url"] = Field(
        "caption", description="columns that make two rows copies of each other"
    )
    decisions: bool = Field(
        False, description="add a row per caption to decisions in the workspace"
    )
    output: OutputAddress = Field(description="captions without the copies")


def run(run: Run, settings: DedupCaptions) -> Counts:
    """Keep the smallest uid of each group."""
    captions = run.read(settings.captions, schemas.CAPTIONS)
    by = settings.by.split("+")
    absent = [column for column in by if column not in captions.columns]
    if absent:
        raise MissingColumnError(
            f"table {settings.captions} has no column {absent[0]!r}; use --by caption"
        )
    rows_in = captions.count()
    has_unique_keys = run.has_unique_keys(settings.captions)
    unique = keep_smallest_uid(captions, by=by)
    kept = run.write(unique, settings.output, has_unique_keys=has_unique_keys)
    if settings.decisions:
        rule = F.when(F.col(KEPT), "first_copy").otherwise(f"duplicate_{settings.by}")
        run.decide(decisions(mark_smallest_uid(captions, by=by), kept=F.col(KEPT), rule=rule))
    return {"rows_in": rows_in, "kept": kept, "duplicates": rows_in - kept}


JOB = Job("dedup-captions", "Keep one row of each group of equal captions.", DedupCaptions, run)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
