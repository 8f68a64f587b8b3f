"""measure-captions: how diverse captions are, and how near to their images and references."""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import Field, model_validator
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.captioning.measure_diversity import count_types, curve_rows, type_rows
from spark_jobs.captioning.measure_ngrams import (
    answer_and_count,
    chunks_of,
    n_compared_images,
    noun_rows,
    pack_ngrams,
    text_blobs,
    text_columns,
)
from spark_jobs.captioning.measure_similarity import (
    Scoring,
    caption_score_rows,
    measure_sets,
    refuse_many_replicates,
    score_and_sum,
    sums_are_apart,
)
from spark_jobs.captioning.measure_table import MeasureRow, numbers_of, set_rows
from spark_jobs.captioning.measured_captions import (
    CaptionSet,
    caption_sets,
    cosine_column,
    source_rows,
    with_sets,
)
from spark_jobs.core import schemas
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import keys, named, require_columns
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import AT, ENTRY_IDS, GROUP, MEASURE, SCORE, SOURCE, UID, VALUE
from spark_jobs.core.settings import (
    InputAddress,
    NamedInputs,
    OutputAddress,
    Settings,
    refuse_both,
)
from spark_jobs.core.unions import union_all
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.formats.embeddings import Embeddings, read_embeddings, refuse_other_model
from spark_jobs.formats.entry_counts import counted_entries, read_entry_counts
from spark_jobs.running.job import Job
from spark_jobs.scoring.of_pairs import score_pairs
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.session_settings import cached
from spark_jobs.storage.tables import read_table
from udfs.captioning.concept_deciles import entry_deciles, with_decile
from udfs.captioning.nouns import WITHOUT_MODEL, has_tagger
from udfs.captioning.scored_captions import IMAGE_COSINE, TEXT_COSINE
from udfs.captioning.tokens import TokenRule

_log = logging.getLogger(__name__)
_MOST_SHOWN = 12  # sources in the closing lines
_SHOWN = (
    ("mean_words", ".1f", "words on average"),
    ("vocabulary", ",.0f", "different words"),
    ("unique_trigrams", ",.0f", "different trigrams"),
    ("clip_s", ".3f", "CLIP-S"),
    ("ref_clip_s", ".3f", "RefCLIP-S"),
    ("bleu_4", ".4f", "BLEU-4"),
    ("cider", ".4f", "CIDEr"),
)
_DECILE, _IMAGE, _TEXT = "_decile", "_image_cosine", "_text_cosine"


class MeasureCaptions(Settings):
    """Settings of measure-captions."""

    captions: NamedInputs = Field(
        description="tables of captions, each of them a source, such as raw, synthetic and a mix: "
        "{name: table}, or tables, which go by their own names"
    )
    source_column: str | None = Field(
        None,
        description="column whose values are the sources instead, such as caption_source where a "
        "table holds the captions of several captioners",
    )
    references: InputAddress | None = Field(
        None, description="captions to compare with by BLEU and CIDEr, one or more an image (uid)"
    )
    tokens: TokenRule = Field(
        "ptb",
        description="words of captions and references: ptb as pycocoevalcap, Stanford's in lower "
        "case without punctuation; 13a as sacrebleu; none: between white space, as they are",
    )
    score_column: str | None = Field(
        None, description="column of the captions that holds their cosine to the image"
    )
    scores: NamedInputs | None = Field(
        None,
        description="in its place: tables of score-clip, by the names of the tables of captions",
    )
    image_vectors: InputAddress | None = Field(
        None, description="in its place: vectors of the images (embed-images), with caption_vectors"
    )
    caption_vectors: NamedInputs | None = Field(
        None, description="vectors of captions (embed-texts), by the names of their tables"
    )
    reference_vectors: InputAddress | None = Field(
        None, description="vectors of the references, for RefCLIP-S, with caption_vectors"
    )
    by: str | None = Field(
        None, description="column whose values are groups, such as wnid; each is measured too"
    )
    entry_counts: InputAddress | None = Field(
        None,
        description="in its place: the captions' entry_ids are grouped by the decile of their "
        "rarest entry in this table of match-concepts",
    )
    nouns: bool = Field(
        True, description="count unique nouns, where the model of nltk's tagger is installed"
    )
    replicates: int = Field(
        200, ge=0, le=10_000, description="bootstrap replicates for the intervals; 0: no intervals"
    )
    seed: int = Field(0, description="of the bootstrap, the jackknife's groups and the samples")
    output: OutputAddress = Field(description="measures, a row each: value, low, high, n")
    caption_scores: OutputAddress | None = Field(
        None, description="the scores of each caption, and why one has none"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        refuse_both({"by": self.by, "entry_counts": self.entry_counts})
        refuse_both({"score_column": self.score_column, "scores": self.scores})
        refuse_both({"score_column": self.score_column, "image_vectors": self.image_vectors})
        refuse_both({"scores": self.scores, "image_vectors": self.image_vectors})
        for name in ("image_vectors", "reference_vectors"):
            if getattr(self, name) is not None and self.caption_vectors is None:
                raise ValueError(f"{name} needs caption_vectors")
        if self.caption_vectors and not (self.image_vectors or self.reference_vectors):
            raise ValueError("caption_vectors needs image_vectors or reference_vectors")
        return self

    @property
    def has_image_cosines(self) -> bool:
        """Whether captions have cosines to their images."""
        return bool(self.score_column or self.scores or self.image_vectors)


def run(run: Run, settings: MeasureCaptions) -> Counts:
    """Measure the captions of each source, and of its groups (Nguyen et al. 2023, section 5)."""
    tables = {
        name: run.read(address, schemas.CAPTIONS) for name, address in settings.captions.items()
    }
    _refuse_unknown_names(settings)
    references = None
    if settings.references is not None:
        references = run.read(settings.references, schemas.CAPTIONS)
    with batches_that_fit(*tables.values(), *([] if references is None else [references])):
        rows = _all_rows(run, settings, tables, with_cosines=False)
        sets = caption_sets(rows, list(tables), is_split=settings.source_column is not None)
        if not any(part.captions for part in sets):
            raise InputDataError(f"no caption in {', '.join(settings.captions.values())}")
        refuse_many_replicates(len(sets), settings.replicates)
        measures = _measure(run, settings, tables, references, rows, sets)
    return _counts(measures, sets, settings)


def _measure(
    run: Run,
    settings: MeasureCaptions,
    tables: Mapping[str, DataFrame],
    references: DataFrame | None,
    rows: DataFrame,
    sets: Sequence[CaptionSet],
) -> list[MeasureRow]:
    """Measure the sets and write the outputs; `rows`: of all tables, without cosines."""
    has_scores = settings.caption_scores is not None
    n_texts = 0
    if references is not None:
        n_texts = count_rows(references) + sum(part.rows for part in sets if part.group is None)
    n_chunks = chunks_of(n_texts)
    cosines = {IMAGE_COSINE: settings.has_image_cosines, TEXT_COSINE: settings.reference_vectors}
    columns = text_columns([name for name, known in cosines.items() if known], scores=has_scores)
    with contextlib.ExitStack() as stack:
        packed = stack.enter_context(
            cached(
                pack_ngrams(
                    with_sets(_all_rows(run, settings, tables, with_cosines=True), sets),
                    references,
                    settings.tokens,
                    columns,
                    n_chunks=n_chunks,
                )
            )
        )
        n_images = n_compared_images(packed)
        if references is not None:
            _refuse_no_images(n_images, settings)
        nouns = noun_rows(with_sets(rows, sets)) if _counts_nouns(settings) else None
        answered = stack.enter_context(cached(answer_and_count(packed, nouns)))
        texts = text_blobs(packed, None if references is None else answered, n_chunks)
        scoring = Scoring(
            n_images,
            settings.replicates,
            image_cosines=settings.has_image_cosines,
            text_cosines=settings.reference_vectors is not None,
        )
        scored = score_and_sum(texts, columns, scoring, sets, scores=has_scores)
        if has_scores or sums_are_apart(scoring, sets):
            scored = stack.enter_context(cached(scored))
        of_sets = set_rows(sets, measure_sets(scored, scoring, sets))
        types = count_types(answered, n_sources=sum(part.group is None for part in sets))
        measures = [*of_sets, *type_rows(types, sets), *curve_rows(types, sets)]
        run.write(run.spark.createDataFrame(measures, schemas.MEASURES), settings.output)
        if settings.caption_scores is not None:
            per_caption = caption_score_rows(scored, sets, with_references=references is not None)
            run.write(per_caption, settings.caption_scores)
    return measures


def _counts(
    measures: Sequence[MeasureRow], sets: Sequence[CaptionSet], settings: MeasureCaptions
) -> Counts:
    sources = [part for part in sets if part.group is None]
    rows, captions = sum(part.rows for part in sources), sum(part.captions for part in sources)
    counts = {
        "rows_in": rows,
        "measured": captions,
        "null_captions": rows - captions,
        "sources": len(sources),
        "sources_without_captions": sum(not part.captions for part in sources),
    }
    if settings.references is not None:
        counts["without_references"] = captions - sum(numbers_of(measures, "cider").values())
    if settings.has_image_cosines:
        n_scored = sum(numbers_of(measures, "cosine_image").values())
        counts["without_score"] = captions - n_scored
    return counts


def _counts_nouns(settings: MeasureCaptions) -> bool:
    if settings.nouns and not has_tagger():
        _log.warning(WITHOUT_MODEL)
        return False
    return settings.nouns


def _refuse_unknown_names(settings: MeasureCaptions) -> None:
    """Raise InputDataError if scores or vectors are of a name that no table of captions has."""
    for setting in ("scores", "caption_vectors"):
        tables: Mapping[str, str] | None = getattr(settings, setting)
        names = list(settings.captions)
        if tables is None or (len(tables) == len(names) == 1):
            continue
        unknown = [name for name in tables if name not in names]
        if unknown:
            raise InputDataError(
                f"{setting}: no table of captions is called {unknown[0]!r}; name them as those, "
                f"{{{names[0]}: table}}"
            )


def _of_table(tables: Mapping[str, str] | None, name: str, n_tables: int) -> str | None:
    """The address for a table of captions; where there is one of each, they may differ in name."""
    if tables is None:
        return None
    return next(iter(tables.values())) if n_tables == len(tables) == 1 else tables.get(name)


def _all_rows(
    run: Run, settings: MeasureCaptions, tables: Mapping[str, DataFrame], *, with_cosines: bool
) -> DataFrame:
    """The rows of all tables: text, source, group, and the cosines that are known, or none."""
    draw = run.draw("measure-captions", settings.seed)
    images = None
    if with_cosines and settings.image_vectors is not None:
        images = read_embeddings(run, settings.image_vectors)
        refuse_repeated_or_null_keys(
            images.rows, [UID], images.address, "expected one vector an image"
        )
    texts = None
    if with_cosines and settings.reference_vectors is not None:
        texts = read_embeddings(run, settings.reference_vectors)
    frames = []
    for name, table in tables.items():
        called = f"table {settings.captions[name]}"
        for column in (settings.source_column, settings.by, settings.score_column):
            if column is not None:
                require_columns(table, called, [column])
        with_group, group = _with_group(run, settings, table, called)
        rows, columns = with_group, dict[str, Column]()
        if with_cosines:
            rows, columns = _with_cosines(run, settings, with_group, name, images, texts)
        frames.append(
            source_rows(
                rows,
                name=name,
                source_column=settings.source_column,
                is_one_of_several=len(tables) > 1,
                group=group,
                image_cosine=columns.get(_IMAGE),
                text_cosine=columns.get(_TEXT),
                draw=draw,
            )
        )
    return union_all(frames)


def _with_group(
    run: Run, settings: MeasureCaptions, table: DataFrame, called: str
) -> tuple[DataFrame, Column | None]:
    """The table, and its column of groups if they are measured."""
    if settings.by is not None:
        return table, named(settings.by).cast("string")
    if settings.entry_counts is None:
        return table, None
    require_columns(
        table,
        called,
        [ENTRY_IDS],
        remedy="match-concepts --carry writes captions with their entry_ids",
    )
    address = settings.entry_counts
    counts = counted_entries(
        read_entry_counts(run.spark, address, run.inputs.get(address)), address
    ).counts
    columns = StructType([*table.schema, StructField(_DECILE, StringType())])
    deciles = with_decile(entry_deciles(counts), ENTRY_IDS, _DECILE)
    return map_in_arrow(table, deciles, columns), F.col(_DECILE)


def _with_cosines(
    run: Run,
    settings: MeasureCaptions,
    table: DataFrame,
    name: str,
    images: Embeddings | None,
    texts: Embeddings | None,
) -> tuple[DataFrame, dict[str, Column]]:
    """The table joined with its cosines, and the column of each kind that is known."""
    columns: dict[str, Column] = {}
    n_tables = len(settings.captions)
    if settings.score_column is not None:
        columns[_IMAGE] = cosine_column(settings.score_column)
    address = _of_table(settings.scores, name, n_tables)
    if address is not None:
        scores = run.read(address, schemas.UIDS)
        require_columns(scores, f"table {address}", [SCORE])
        cosines = scores.select(*keys(scores), cosine_column(SCORE).alias(_IMAGE))
        refuse_repeated_or_null_keys(
            cosines,
            keys(cosines),
            address,
            f"expected one row for each {' and '.join(keys(cosines))}",
        )
        table = _joined(table, cosines, settings.captions[name], address)
        columns[_IMAGE] = F.col(_IMAGE)
    address = _of_table(settings.caption_vectors, name, n_tables)
    if address is not None:
        vectors = read_embeddings(run, address)
        for others, kind in ((images, _IMAGE), (texts, _TEXT)):
            if others is None:
                continue
            refuse_other_model(others, vectors)
            pairs = score_pairs(others.rows, vectors.rows, names=(others.address, address))
            best = pairs.groupBy(*vectors.key).agg(F.max(SCORE).alias(kind))
            table = _joined(table, best, settings.captions[name], address)
            columns[kind] = named(kind)
    return table, columns


def _joined(table: DataFrame, cosines: DataFrame, captions: str, address: str) -> DataFrame:
    """The captions left joined with cosines, of which each caption has one at most."""
    by = keys(cosines)
    require_columns(
        table,
        f"table {captions}",
        by,
        remedy=f"table {address} is of one row for each {' and '.join(by)}",
    )
    return table.join(cosines, on=by, how="left")


def _refuse_no_images(n_images: int, settings: MeasureCaptions) -> None:
    if not n_images:
        raise InputDataError(
            f"table {settings.references}: none of its uids with a caption is one of "
            f"{', '.join(settings.captions.values())}, so there is nothing to compare"
        )


def closing_lines(spark: SparkSession, settings: MeasureCaptions, counts: Counts) -> list[str]:
    """A line for each source: captions, and some of its measures."""
    rows = read_table(spark, settings.output, schemas.MEASURES)
    names = ["captions", *(measure for measure, *_ in _SHOWN)]
    of_sources = rows.where(F.col(GROUP).isNull() & F.col(AT).isNull())
    shown = of_sources.where(F.col(MEASURE).isin(names)).orderBy(SOURCE)
    of_source: dict[str, dict[str, float]] = {}
    # A source has a row of each of these at most.
    for row in shown.select(SOURCE, MEASURE, VALUE).limit(_MOST_SHOWN * len(names)).collect():
        of_source.setdefault(row[SOURCE], {})[row[MEASURE]] = row[VALUE]
    return [_line(source, values) for source, values in list(of_source.items())[:_MOST_SHOWN]]


def _line(source: str, values: Mapping[str, float]) -> str:
    parts = [f"{values['captions']:,.0f} captions"]
    parts += [
        f"{values[measure]:{form}} {words}" for measure, form, words in _SHOWN if measure in values
    ]
    return f"  {source:<24}{', '.join(parts)}"


JOB = Job(
    "measure-captions",
    "Measure captions: unique n-grams, lengths, CLIP scores, BLEU and CIDEr, by source.",
    MeasureCaptions,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake measure-captions --captions '{raw: ./raw, synthetic: ./blip}' \\\n"
        "  --references ./references --score-column similarity --output ./measures"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
