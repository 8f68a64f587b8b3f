"""label-synsets: label captions with the synsets whose lemmas they contain."""

import logging
from typing import Literal

from pydantic import Field
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.columns import keys, warn_of_replaced_columns
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTION_COUNT, CLASS_IDX, LEMMA, WNID
from spark_jobs.core.settings import InputAddress, OutputAddress
from spark_jobs.formats.label_file_settings import LabelFileSettings
from spark_jobs.formats.label_files import write_class_frequencies
from spark_jobs.formats.synset_settings import SynsetSettings
from spark_jobs.formats.synsets import NAMED_LISTS, read_synsets
from spark_jobs.labelling.labels import count_labels, label_captions
from spark_jobs.labelling.lemma_table import LemmaTable, lemma_table
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.tables import read_table
from spark_jobs.subsets.imagenet_classes import published_names
from udfs.text.labelling import Several
from udfs.text.lemma_match import LemmaMatcher, laionet_matcher, unpunctuated, yfcc_matcher

_log = logging.getLogger(__name__)


class LabelSynsets(SynsetSettings, LabelFileSettings):
    """Settings of label-synsets."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    synsets: str = Field(
        "imagenet1k",
        description=f"{', '.join(NAMED_LISTS)} (the published LAIONet's 999 classes), a .tsv file "
        "of wnid and lemmas, or a table with wnid and lemma",
    )
    rule: Literal["laionet", "yfcc"] = Field(
        "laionet",
        description="laionet: lemmas of one synset alone, between spaces, ASCII punctuation being "
        "a space; yfcc: every lemma, between word boundaries, ignoring case",
    )
    case_sensitive: bool = Field(True, description="whether rule laionet tells A from a")
    punctuated: bool = Field(
        False,
        description="let lemmas with punctuation match, which the published code hardly does",
    )
    several: Several = Field(
        "rows",
        description="captions of several synsets: a row for each (rows), none (drop), or one "
        "without wnid (keep)",
    )
    spans: bool = Field(
        False,
        description="with a column of where each lemma stands in the caption, from its first code "
        "point to the one behind its last",
    )
    output: OutputAddress = Field(
        description="the captions that hold a lemma, with wnid, class_idx and lemmas"
    )
    counts: OutputAddress | None = Field(
        None, description="captions per synset and per lemma, before `several` is applied"
    )


def run(run: Run, settings: LabelSynsets) -> Counts:
    """Label the captions, count labels, and write files from the stored labels."""
    captions = run.read(settings.captions, schemas.CAPTIONS)
    added_columns = [*schemas.LABELS.names, *schemas.LEMMA_SPANS.names]
    warn_of_replaced_columns(captions, f"table {settings.captions}", added_columns)
    table, matcher = _matcher(run, settings)
    labelled = label_captions(
        captions, matcher, table, several=settings.several, spans=settings.spans
    )
    outputs = {settings.output: labelled.schema, settings.counts: schemas.LABEL_COUNTS}
    run.check_outputs({address: schema for address, schema in outputs.items() if address})
    with batches_that_fit(captions):
        rows = run.write(labelled, settings.output, few_files=True)
        stored = run.read(settings.output, schemas.LABELS)
        if settings.counts is not None:
            all_labels = stored
            if settings.several != "rows":
                all_labels = label_captions(captions, matcher, table, several="rows")
            run.write(count_labels(all_labels, table), settings.counts)
    _write_tsv(settings, stored)
    rows_by_wnid = {row[WNID]: row["n"] for row in _rows_per_class(stored).collect()}
    if settings.frequencies is not None:
        name_by_wnid = published_names() if settings.synsets in ("imagenet1k", "laionet") else {}
        frequencies = [
            (name_by_wnid.get(s.wnid, s.lemmas[0]), rows_by_wnid.get(s.wnid, 0))
            for s in table.synsets
        ]
        write_class_frequencies(frequencies, settings.frequencies)
    counts = {"rows_in": count_rows(captions), "synsets": len(table.synsets)}
    n_labelled = count_rows(stored.select(*keys(stored)).distinct())
    counts |= {"captions": n_labelled, "lemmas": len(table.lemmas)}
    return counts | {"rows": rows, "synsets_found": len(rows_by_wnid)}


def _matcher(run: Run, settings: LabelSynsets) -> tuple[LemmaTable, LemmaMatcher]:
    """The lemmas of the synsets and their matcher.

    Rule laionet (Shirali & Hardt 2023) matches only lemmas of one synset alone; rule yfcc (Fang et
    al. 2022) matches all.
    """
    synsets = read_synsets(run, settings.synsets)
    if settings.rule == "yfcc":
        table = lemma_table(synsets)
        try:
            return table, yfcc_matcher(table.lemmas, is_literal=settings.punctuated)
        except ValueError as fault:
            raise InputDataError(f"{settings.synsets}: {fault}: --punctuated") from None

    def matched_text(lemma: str) -> str:
        text = unpunctuated(lemma) if settings.punctuated else lemma
        return text if settings.case_sensitive else text.lower()

    table = lemma_table(synsets, unique_by=matched_text)
    matcher = laionet_matcher(
        table.lemmas, is_case_sensitive=settings.case_sensitive, is_cleaned=settings.punctuated
    )
    return table, matcher


def _write_tsv(settings: LabelSynsets, stored: DataFrame) -> None:
    """Write the rows with class_idx to the tsv; log a warning with the number of the others."""
    if settings.tsv is None:
        return
    has_label = F.col(CLASS_IDX).isNotNull()
    settings.write_tsv(stored.where(has_label))
    n_without = count_rows(stored.where(~has_label))
    if n_without:
        _log.warning("%s leaves out %s rows without class_idx", settings.tsv, f"{n_without:,}")


def _rows_per_class(stored: DataFrame) -> DataFrame:
    return stored.where(F.col(WNID).isNotNull()).groupBy(WNID).agg(F.count("*").alias("n"))


def closing_lines(spark: SparkSession, settings: LabelSynsets, counts: Counts) -> list[str]:
    """The five lemmas found in most captions."""
    if settings.counts is None:
        return []
    rows = read_table(spark, settings.counts, schemas.LABEL_COUNTS).where(F.col(LEMMA).isNotNull())
    most = rows.where(F.col(CAPTION_COUNT) > 0).orderBy(F.desc(CAPTION_COUNT), LEMMA).limit(5)
    return [f"  {row[LEMMA]:<34}{row[CAPTION_COUNT]:>12,}" for row in most.collect()]


JOB = Job(
    "label-synsets",
    "Label captions with the synsets whose lemmas they contain (LAIONet, YFCC15M-Cls).",
    LabelSynsets,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake label-synsets --captions ./captions --synsets laionet \\\n  --output ./labels"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
