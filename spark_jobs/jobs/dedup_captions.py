"""dedup-captions: keep one row of each group of equal captions or urls."""

from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.columns import require_columns
from spark_jobs.core.decisions import decisions
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import KEPT
from spark_jobs.dedup.dedup_settings import DedupCaptions
from spark_jobs.dedup.exact import keep_smallest_uid, mark_smallest_uid
from spark_jobs.formats.match_writing import write_captions
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run


def run(run: Run, settings: DedupCaptions) -> Counts:
    """Keep the row with the smallest uid of each group."""
    captions = run.read(settings.captions, schemas.CAPTIONS)
    by = settings.by.split("+")
    require_columns(captions, f"table {settings.captions}", by, remedy="use --by caption")
    rows_in = count_rows(captions)
    has_unique_keys = run.has_unique_keys(settings.captions)
    unique = keep_smallest_uid(captions, by=by)
    with batches_that_fit(*([captions] if settings.bank is not None else [])):
        kept, match_counts = write_captions(
            run, unique, settings.output, settings, has_unique_keys=has_unique_keys
        )
    if settings.decisions:
        rule = F.when(F.col(KEPT), "first_copy").otherwise(f"duplicate_{settings.by}")
        run.write_decisions(
            decisions(mark_smallest_uid(captions, by=by), kept=F.col(KEPT), rule=rule)
        )
    return {"rows_in": rows_in, "kept": kept, "duplicates": rows_in - kept, **match_counts}


JOB = Job(
    "dedup-captions",
    "Keep one row of each group of rows with the same caption, url, or both.",
    DedupCaptions,
    run,
    example=(
        "captionlake dedup-captions --captions ./captions --by caption \\\n"
        "  --output ./unique_captions"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
