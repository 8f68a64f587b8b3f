"""build-concept-bank: a concept bank from lists, WordNet, ImageNet, or the n-grams of a corpus."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import pyarrow as pa
from pydantic import Field, field_validator, model_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.concepts.bank import concept_bank
from spark_jobs.concepts.choosing import BIGRAMS, COUNTED, NUMBERS, TITLES, UNIGRAMS
from spark_jobs.concepts.ngrams import bigram_rows, title_rows, unigram_rows, with_reasons
from spark_jobs.concepts.rule_settings import EntryRules
from spark_jobs.concepts.titles import title_views
from spark_jobs.concepts.union import Counted, united_bank
from spark_jobs.core import schemas
from spark_jobs.core.addresses import absolute_address
from spark_jobs.core.bank_names import FROM_FILE, FROM_FOLDER, PACKAGED
from spark_jobs.core.schemas import ENTRY, FAULT, LANG, REASON, RUN_ID, UID
from spark_jobs.core.settings import (
    InputAddress,
    OutputAddress,
    OutputFile,
    RoleName,
    did_you_mean,
)
from spark_jobs.core.unions import union_all
from spark_jobs.formats.bank_sources import read_source
from spark_jobs.formats.caption_input import CaptionInput
from spark_jobs.formats.counted_entries import (
    all_bigrams,
    bigram_candidates,
    title_candidates,
    unigram_candidates,
)
from spark_jobs.formats.page_views import read_page_views, reject_faulty_lines
from spark_jobs.formats.text_corpus import CountedWords, counted_words
from spark_jobs.ingest.presets import PRESET_HELP, InputFormat, PresetName
from spark_jobs.running.job import Job
from spark_jobs.storage.outputs.files import write_output_file
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.session_settings import cached

_WITHOUT_PATH = (*PACKAGED, NUMBERS, *COUNTED)
_FAULTS = ("duplicate", "empty", "never_matches")
_MARGIN = 1_000  # candidates beyond a limit, for those that turn out to be no entries


class BuildConceptBank(EntryRules):
    """Settings of build-concept-bank."""

    sources: list[str] = Field(
        min_length=1,
        description="metaclip_json:FILE, lines:FILE, json_lines:FILE, imagenet1k, imagenet22k, "
        "wordnet:FOLDER (its lemmas), wordnet_names:FOLDER (MetaCLIP's entries), numbers (0 to "
        "99), unigrams and bigrams (of texts), titles (of page_views); in bank order",
    )
    texts: InputAddress | None = Field(
        None,
        description="with unigrams or bigrams: file, folder, glob or table of captions or articles",
    )
    preset: PresetName | None = Field(None, description=f"of the texts: {PRESET_HELP}")
    format: InputFormat | None = Field(None, description="of the texts")
    columns: dict[str, str] | None = Field(
        None, description="map from our column names to the texts': {caption: text, lang: language}"
    )
    page_views: InputAddress | None = Field(
        None,
        description="with titles: Wikimedia's hourly files of page views, or a table of their "
        "lines in a column line",
    )
    lang: str = Field(
        "en",
        min_length=1,
        description="of texts and lists that name none; with metaclip of all, and the project "
        "whose titles count",
    )
    parity: bool = Field(
        True,
        description="keep duplicate, empty and never-matching entries, so that ids are positions "
        "in the source as in MetaCLIP; false puts them into rejected. With unigrams, bigrams or "
        "titles the bank is a union of the sources, in which each entry is once",
    )
    output: OutputAddress = Field(description="the concept bank")
    ngrams: OutputAddress | None = Field(
        None,
        description="with unigrams, bigrams or titles: all that was counted, whether it is an "
        "entry, and which threshold kept it out; needs a pass over the texts for all bigrams",
    )
    metadata: OutputFile | None = Field(
        None,
        description="the entries as MetaCLIP's metadata.json: a list, with metaclip2 a map from "
        "language to list",
    )

    @field_validator("sources", mode="before")
    @classmethod
    def _one_source_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("sources")
    @classmethod
    def _have_valid_kinds(cls, sources: list[str]) -> list[str]:
        kinds = [*_WITHOUT_PATH, *FROM_FOLDER, *FROM_FILE]
        for source in sources:
            kind, _, path = source.partition(":")
            if kind not in kinds:
                raise ValueError(
                    f"unknown kind {kind!r}{did_you_mean(kind, kinds)}; there are "
                    f"{', '.join(kinds)}"
                )
            if bool(path) == (kind in _WITHOUT_PATH):
                path_kind = "FILE" if kind in FROM_FILE else "FOLDER"
                expected = (
                    f"{kind} without a file" if kind in _WITHOUT_PATH else f"{kind}:{path_kind}"
                )
                raise ValueError(f"{source!r}: expected {expected}")
        return sources

    @model_validator(mode="after")
    def _has_inputs(self) -> Self:
        needs = {"texts": {UNIGRAMS, BIGRAMS}, "page_views": {TITLES}}
        for name, kinds in needs.items():
            wanted = [source for source in self.sources if source in kinds]
            if wanted and getattr(self, name) is None:
                raise ValueError(f"the source {wanted[0]} needs {name}")
            if getattr(self, name) is not None and not wanted:
                raise ValueError(f"{name} needs a source {' or '.join(sorted(kinds))}")
        if self.ngrams is not None and not set(COUNTED).intersection(self.sources):
            raise ValueError(f"ngrams needs a source {', '.join(COUNTED)}")
        return self

    def addresses(self, role: RoleName) -> dict[str, str]:
        """The addresses of all settings, and as inputs the files of the sources."""
        if role != "input":
            return super().addresses(role)
        files = [path for source in self.sources if (path := source.partition(":")[2])]
        numbered = {f"sources.{i}": absolute_address(path) for i, path in enumerate(files)}
        return super().addresses(role) | numbered

    def corpus_input(self) -> CaptionInput:
        """The settings that read the texts."""
        return CaptionInput(
            input=self.texts or "",
            preset=self.preset,
            format=self.format,
            columns=self.columns,
            carry=False,
            workspace=self.workspace_address(),
        )

    def look_ahead(self) -> None:
        """Look at the first file of the texts, which must have a text."""
        if self.texts is not None:
            self.corpus_input().look_ahead()


def run(run: Run, settings: BuildConceptBank) -> Counts:
    """Read and count the sources, write the bank, and count faulty entries by fault.

    Without parity faulty entries go into rejected.
    """
    outputs = {settings.output: schemas.CONCEPT_BANK}
    if settings.ngrams is not None:
        outputs[settings.ngrams] = schemas.NGRAM_DECISIONS
    run.check_outputs(outputs)
    given = {
        source: read_source(run.spark, source)
        for source in settings.sources
        if source not in COUNTED
    }
    with _corpus(run, settings) as (words, counts), _titles(run, settings) as (titles, n_lines):
        tables = [given[source] for source in settings.sources if source in given]
        counted = _counted_sources(settings, words, titles, sum(map(len, given.values())))
        if counted:
            united = united_bank(
                *(given, counted, settings.sources),
                rule=settings.rule,
                lang=settings.lang,
                for_all=[NUMBERS],
            )
            tables = [united]
        bank, left_out = concept_bank(tables, parity=settings.parity)
        run.write(_frame(run, bank), settings.output)
        if settings.ngrams is not None:
            run.write(_ngram_decisions(run, settings, words, titles), settings.ngrams)
    if left_out.num_rows:
        _reject(run, left_out)
    if settings.metadata is not None:
        write_output_file(settings.metadata, [_metadata_json(bank, settings.rule)])
    faulty = left_out if left_out.num_rows else bank.filter(pa.compute.is_valid(bank[FAULT]))
    faults = faulty[FAULT].to_pylist()
    fault_counts = {fault: faults.count(fault) for fault in _FAULTS}
    n_entries = {"entries": bank.num_rows, "left_out": left_out.num_rows}
    return counts | n_lines | n_entries | fault_counts


def _counted_sources(
    settings: BuildConceptBank,
    words: CountedWords | None,
    titles: DataFrame | None,
    n_given: int,
) -> dict[str, Counted]:
    """What the corpus and the page views offer, by source in the order of the settings."""
    counted: dict[str, Counted] = {}

    def margin(lang: str) -> int:
        offered = (len(candidates.get(lang, [])) for candidates, _ in counted.values())
        return _MARGIN + n_given + sum(offered)

    thresholds = settings.thresholds()
    for source in settings.sources:
        if source == UNIGRAMS and words is not None:
            counted[source] = unigram_candidates(words, thresholds, margin)
        elif source == BIGRAMS and words is not None:
            counted[source] = bigram_candidates(words, thresholds, settings.rule, margin)
        elif source == TITLES and titles is not None:
            counted[source] = title_candidates(titles, thresholds, margin)
    return counted


def _ngram_decisions(
    run: Run, settings: BuildConceptBank, words: CountedWords | None, titles: DataFrame | None
) -> DataFrame:
    """schemas.NGRAM_DECISIONS of all n-grams and titles of the sources that were counted."""
    parts = []
    if words is not None and UNIGRAMS in settings.sources:
        parts.append(unigram_rows(words.words))
    if words is not None and BIGRAMS in settings.sources:
        parts.append(bigram_rows(all_bigrams(words, settings.thresholds()), rule=settings.rule))
    if titles is not None:
        parts.append(title_rows(titles))
    bank = run.read(settings.output, schemas.ENTRIES)
    return with_reasons(
        union_all(parts),
        bank,
        settings.thresholds(),
        rule=settings.rule,
    )


@contextmanager
def _titles(run: Run, settings: BuildConceptBank) -> Iterator[tuple[DataFrame | None, Counts]]:
    """Context in which the titles' views are cached; and the number of lines by fate."""
    if settings.page_views is None:
        yield None, {}
        return
    lines = read_page_views(run, settings.page_views)
    counts = reject_faulty_lines(run, lines, settings.page_views)
    titles = title_views(
        lines.where(F.col(FAULT).isNull()),
        min_hour_views=settings.thresholds().min_hour_views,
        project=settings.lang if settings.rule == "metaclip" else None,
    )
    with cached(titles):
        yield titles, counts


@contextmanager
def _corpus(run: Run, settings: BuildConceptBank) -> Iterator[tuple[CountedWords | None, Counts]]:
    if settings.texts is None:
        yield None, {}
        return
    by_language = settings.rule == "metaclip2"
    with counted_words(
        run, settings.corpus_input(), lang=settings.lang, by_language=by_language
    ) as counted:
        yield counted


def _metadata_json(bank: pa.Table, rule: str) -> bytes:
    """The entries in order of their ids, as MetaCLIP reads them."""
    entries = bank[ENTRY].to_pylist()
    content: Any = entries
    if rule == "metaclip2":
        content = {}
        for lang, entry in zip(bank[LANG].to_pylist(), entries, strict=True):
            content.setdefault(lang, []).append(entry)
    return json.dumps(content).encode()


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
    run.write_rejected(rows, part="entries")


JOB = Job(
    "build-concept-bank",
    "Build a concept bank from lists, WordNet, ImageNet, or the n-grams of texts, as MetaCLIP.",
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
