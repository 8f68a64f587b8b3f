"""Which section of a report shows which run, with what it reads from the run's tables."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import table_name
from spark_jobs.core.run_records import RunRecord
from spark_jobs.formats.report_accuracies import evaluation
from spark_jobs.formats.report_banks import bank_blocks, missing_blocks
from spark_jobs.formats.report_comparison import compared_measures
from spark_jobs.formats.report_contamination import contaminated_pairs
from spark_jobs.formats.report_examples import (
    balanced_examples,
    duplicate_examples,
    rejected_examples,
    subset_examples,
    taken_examples,
)
from spark_jobs.formats.report_generated import written_captions
from spark_jobs.formats.report_measures import source_measures
from spark_jobs.formats.report_retrieval import (
    captions_of_classes,
    matching_captions,
    nearest_captions,
)
from spark_jobs.formats.report_tables import (
    class_counts,
    entry_counts,
    matches_after_balancing,
    matches_before_balancing,
    matches_per_caption,
    matches_written,
)
from spark_jobs.formats.report_thresholds import (
    UsedThreshold,
    similarity_plan,
    threshold_examples,
    used_threshold,
)
from spark_jobs.formats.report_training import clip_training_curve, training_curve
from spark_jobs.report.accuracies import accuracy_blocks
from spark_jobs.report.blocks import Block, Examples, Note, Section
from spark_jobs.report.caption_measures import measure_blocks
from spark_jobs.report.captions import matches_blocks
from spark_jobs.report.classes import class_blocks
from spark_jobs.report.contamination import contamination_blocks
from spark_jobs.report.entries import entry_pictures, entry_tables
from spark_jobs.report.model_comparison import comparison_blocks
from spark_jobs.report.retrieved import retrieved_blocks
from spark_jobs.report.similarities import similarity_blocks
from spark_jobs.report.training import TrainingCurve, training_blocks
from spark_jobs.storage.old_versions import default_if_lost

NO_COUNTS = "No run here counts the captions of entries, or none matched: there are no pictures."
LOST = (
    "Left out: a version of a table that this run read or wrote is no longer there (VACUUM, or a "
    "table made again). The counts in the other sections were recorded by the run."
)
PLAN_THRESHOLD = "plan-threshold"
DECONTAMINATE = "decontaminate"
MEASURE_CAPTIONS = "measure-captions"
TRAIN_SENTENCES, TRAIN_CLIP = "train-sentences", "train-clip"
EVALUATE_CLIP, COMPARE_EVALUATIONS = "evaluate-clip", "compare-evaluations"
BUILD_BANK, CHECK_BANK = "build-concept-bank", "check-concept-bank"
GENERATE_CAPTIONS = "generate-captions"
_MATCH_AND_BALANCE = "match-and-balance"
_BALANCING_JOBS = ("balance-captions", _MATCH_AND_BALANCE)
_SUBSET_JOBS = ("sample-subset", "match-frequencies")
_HITS = {"gather-neighbours": nearest_captions, "search-substrings": matching_captions}
ENTRIES_NOTE = (
    "Below a caption its entries, each with the number of captions that it occurs in. Why any "
    "other caption stayed or went: captionlake explain --run {workspace} --uid UID."
)


def result_sections(
    spark: SparkSession, runs: Sequence[RunRecord], workspace: str
) -> Iterator[Section]:
    """The sections between the funnel and the settings, as far as these runs have any."""
    yield from _concept_sections(spark, runs)
    yield from _entries_sections(spark, runs)
    yield from _similarity_sections(spark, runs)
    yield from _class_sections(spark, runs)
    yield from _retrieved_sections(spark, runs)
    yield from _contamination_sections(spark, runs)
    yield from _measure_sections(spark, runs)
    yield from _training_sections(spark, runs)
    yield from _evaluation_sections(spark, runs)
    yield from _comparison_sections(spark, runs)
    yield from _examples_section(spark, runs, workspace)


def _concept_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each run that built or checked a concept bank, or had captions written."""
    readers = {
        BUILD_BANK: ("Concept bank", bank_blocks),
        CHECK_BANK: ("Coverage", missing_blocks),
        GENERATE_CAPTIONS: ("Generated", written_captions),
    }
    for run in runs:
        if run.job in readers:
            title, read = readers[run.job]
            name = table_name(run.outputs["output"])
            yield Section(f"{title}: {name}", default_if_lost(partial(read, spark, run), _lost()))


def _entries_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each balancing run, else for the last run that counted entries."""
    balancing_runs = [run for run in runs if run.job in _BALANCING_JOBS]
    counting_runs = [run for run in runs if "entry_counts" in run.outputs]
    shown_runs = balancing_runs or counting_runs[-1:]
    if not shown_runs and any(map(_has_other_pictures, runs)):
        return
    if not shown_runs:
        yield Section("Entries", [Note(NO_COUNTS)])
    for run in shown_runs:
        title = f"Entries, t = {run.counts['t']:,}" if len(shown_runs) > 1 else "Entries"
        no_tables: list[Block] = []
        pictures, tables = default_if_lost(partial(_entry_blocks, spark, run), (_lost(), no_tables))
        matches = default_if_lost(partial(_matches_blocks, spark, run), _lost())
        yield Section(title, [*pictures, *matches, *tables])


def _entry_blocks(spark: SparkSession, run: RunRecord) -> tuple[list[Block], list[Block]]:
    counts = entry_counts(spark, run)
    if counts is None:
        return [Note(NO_COUNTS)], []
    return [*entry_pictures(counts)], [*entry_tables(counts)]


def _matches_blocks(spark: SparkSession, run: RunRecord) -> list[Block]:
    if run.job == "balance-captions":
        before = matches_per_caption(matches_before_balancing(spark, run))
        return matches_blocks(before, matches_per_caption(matches_after_balancing(spark, run)))
    if run.job == _MATCH_AND_BALANCE:
        return matches_blocks(None, matches_per_caption(matches_after_balancing(spark, run)))
    written = matches_written(spark, run)
    return [] if written is None else matches_blocks(matches_per_caption(written), None)


def _similarity_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each plan-threshold run, with the threshold that a filter then used."""
    scoring_runs = [run for run in runs if run.job == "score-definitions"]
    for run in runs:
        if run.job == PLAN_THRESHOLD:
            used = used_threshold(run, runs)
            wrote_scores = (r for r in scoring_runs if run.settings["scores"] in r.outputs.values())
            read = partial(_similarity_blocks, spark, run, used, next(wrote_scores, None))
            title = f"Similarity: {run.settings['column']}"
            yield Section(title, default_if_lost(read, _lost()))


def _similarity_blocks(
    spark: SparkSession, run: RunRecord, used: UsedThreshold | None, scoring: RunRecord | None
) -> list[Block]:
    blocks = [*similarity_blocks(similarity_plan(spark, run, used))]
    if used is None:
        return blocks
    above, below = threshold_examples(spark, run, used, scoring)
    examples = [
        Examples(f"Just above the threshold, {used.value:g}", above),
        Examples(f"Just below the threshold, {used.value:g}", below),
    ]
    return [*blocks, *(block for block in examples if block.examples)]


def _class_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each subset drawn by class whose table of counts was written."""
    for run in runs:
        if _has_class_counts(run):
            title = f"Classes: {table_name(run.outputs['output'])}"
            yield Section(title, default_if_lost(partial(_class_blocks, spark, run), _lost()))


def _class_blocks(spark: SparkSession, run: RunRecord) -> list[Block]:
    return [*class_blocks(*class_counts(spark, run))]


def _retrieved_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each search for the classes of data sets."""
    for run in runs:
        if run.job in _HITS:
            title = f"Classes: {table_name(run.outputs['output'])}"
            yield Section(title, default_if_lost(partial(_retrieved_blocks, spark, run), _lost()))


def _retrieved_blocks(spark: SparkSession, run: RunRecord) -> list[Block]:
    classes = captions_of_classes(spark, run)
    hits = _HITS[run.job](spark, run) if classes else []
    return [*retrieved_blocks(classes, run.counts["classes"], hits)]


def _contamination_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each run that dropped rows of benchmarks."""
    for run in runs:
        if run.job == DECONTAMINATE:
            rows = {name: run.counts[f"in_{name}"] for name in run.settings["benchmarks"]}
            pairs = default_if_lost(partial(contaminated_pairs, spark, run), None)
            blocks = contamination_blocks(run.counts["rows_in"], rows, pairs or [])
            title = f"Benchmarks: {table_name(run.outputs['contaminated'])}"
            yield Section(title, [*blocks, *(_lost() if pairs is None else [])])


def _measure_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each run that measured captions."""
    return _sections_of(runs, MEASURE_CAPTIONS, "Captions", partial(_measure_blocks, spark))


def _measure_blocks(spark: SparkSession, run: RunRecord) -> list[Block]:
    return measure_blocks(source_measures(spark, run))


def _training_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each training."""
    for job, curve_of in ((TRAIN_SENTENCES, training_curve), (TRAIN_CLIP, clip_training_curve)):
        yield from _sections_of(runs, job, "Training", partial(_training_blocks, spark, curve_of))


def _training_blocks(
    spark: SparkSession,
    curve_of: Callable[[SparkSession, RunRecord], TrainingCurve],
    run: RunRecord,
) -> list[Block]:
    return training_blocks(curve_of(spark, run))


def _comparison_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each comparison of models."""
    return _sections_of(runs, COMPARE_EVALUATIONS, "Models", partial(_comparison_blocks, spark))


def _comparison_blocks(spark: SparkSession, run: RunRecord) -> list[Block]:
    return comparison_blocks(compared_measures(spark, run))


def _evaluation_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each evaluation of a CLIP model."""
    return _sections_of(runs, EVALUATE_CLIP, "Evaluation", partial(_evaluation_blocks, spark))


def _evaluation_blocks(spark: SparkSession, run: RunRecord) -> list[Block]:
    return accuracy_blocks(evaluation(spark, run))


def _sections_of(
    runs: Sequence[RunRecord], job: str, what: str, blocks_of: Callable[[RunRecord], list[Block]]
) -> Iterator[Section]:
    """A section for each run of a job, titled by its output; a note where its rows are lost."""
    for run in runs:
        if run.job == job:
            title = f"{what}: {table_name(run.outputs['output'])}"
            yield Section(title, default_if_lost(partial(blocks_of, run), _lost()))


def _lost() -> list[Block]:
    return [Note(LOST)]


def _has_other_pictures(run: RunRecord) -> bool:
    has_section = run.job in (
        *(PLAN_THRESHOLD, DECONTAMINATE, MEASURE_CAPTIONS, BUILD_BANK, CHECK_BANK),
        *(
            GENERATE_CAPTIONS,
            TRAIN_SENTENCES,
            TRAIN_CLIP,
            EVALUATE_CLIP,
            COMPARE_EVALUATIONS,
            *_HITS,
        ),
    )
    return has_section or _has_class_counts(run)


def _has_class_counts(run: RunRecord) -> bool:
    return run.job in _SUBSET_JOBS and "counts" in run.outputs


def _examples_section(
    spark: SparkSession, runs: Sequence[RunRecord], workspace: str
) -> Iterator[Section]:
    examples_by_run = [
        default_if_lost(partial(_examples, spark, run, workspace), None) for run in reversed(runs)
    ]
    nonempty = [block for blocks in examples_by_run for block in blocks or [] if block.examples]
    lost = [Note(LOST)] if None in examples_by_run else []
    balanced = [run for run in runs if run.job == "balance-captions"]
    note = [Note(ENTRIES_NOTE.format(workspace=workspace))] if balanced else []
    if nonempty or lost:
        yield Section("Examples", [*note, *lost, *nonempty])


def _examples(spark: SparkSession, run: RunRecord, workspace: str) -> list[Examples]:
    if run.job == "balance-captions":
        kept, dropped = balanced_examples(spark, run)
        return [Examples("Kept by balancing", kept), Examples("Dropped by balancing", dropped)]
    if run.job == "sample-subset":
        kept, left_out = subset_examples(spark, run)
        name = table_name(run.outputs["output"])
        return [Examples(f"Kept: {name}", kept), Examples(f"Left out: {name}", left_out)]
    if run.job == "match-frequencies":
        return [Examples("Taken", taken_examples(spark, run))]
    if run.job == "dedup-captions":
        return [Examples("Dropped as copies", duplicate_examples(spark, run))]
    if run.job in ("ingest-captions", _MATCH_AND_BALANCE):
        return [Examples("Rejected", rejected_examples(spark, run, workspace))]
    return []
