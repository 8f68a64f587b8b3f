"""mix-captions: choose a caption for each image among raw and generated ones."""

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DoubleType,
    FloatType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.captioning.mix import NOT_CHOSEN, REASONS, Mixed, mix
from spark_jobs.captioning.mix_cutoffs import CutoffRule
from spark_jobs.captioning.mix_expression import Mix, parse_mix
from spark_jobs.captioning.mix_presets import mix_text
from spark_jobs.captioning.mix_sources import SourceColumns, SourceTable
from spark_jobs.core.addresses import absolute_address, parse_address
from spark_jobs.core.columns import (
    free_name,
    named,
    require_column_type,
    require_columns,
    warn_of_replaced_columns,
)
from spark_jobs.core.decisions import decisions
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTION, MIXED_CAPTIONS, NEAR_TARGET, SCORE, UID
from spark_jobs.core.settings import InputAddress, OutputAddress, RoleName, Settings
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.filtering.rule_counts import RuleCounts
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run

_REMEDY = "expected one row an image"
_WITH_UID = StructType([StructField(UID, StringType())])


class CaptionSource(BaseModel):
    """Where a source's captions and scores are: columns of the images' table, or other tables."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    captions: str | None = None
    scores: str | None = None
    caption: str | None = None
    score: str | None = None


class MixCaptions(Settings):
    """Settings of mix-captions."""

    captions: InputAddress = Field(description="table with uid, a row for each image")
    sources: dict[str, CaptionSource] = Field(
        min_length=1,
        description="source -> {caption: column, score: column}, by default those called as the "
        "source and source_score; with captions: address, another table's caption and score, by "
        "uid; with scores: address, a table's score",
    )
    mix: str = Field(
        description="a published mix, such as raw_top_synthetic_filtered, or an expression: "
        "'raw top 30% else blip2 >= same where near_target'; steps: source, best(...), "
        "random(...), concat(...), all(...), each with top fraction, >= score or >= same"
    )
    clusters: InputAddress | None = Field(
        None,
        description="table of cluster-images, whose near_target is read as a column of captions",
    )
    fraction: float | None = Field(
        None, ge=0, le=1, description="of a published mix with a top; default: the paper's"
    )
    cluster: str | None = Field(
        None,
        description="of a published mix in clusters: a boolean column of captions; default, with "
        "clusters: near_target",
    )
    top: CutoffRule = Field(
        "value",
        description="which rows are the top: value, DataComp's threshold with all ties; rank, "
        "exactly int(rows * fraction), of equal scores the smallest uids",
    )
    separator: str | None = Field(
        None, description="between captions that concat puts together; default: a space"
    )
    seed: int = Field(0, description="fixes what random picks")
    decisions: bool = Field(False, description="add a row per image to decisions in the workspace")
    output: OutputAddress = Field(
        description="the images with a caption, with its caption_source, score and rule"
    )

    @model_validator(mode="after")
    def _is_a_mix(self) -> Self:
        unknown = [name for name in self.parsed.sources if name not in self.sources]
        if unknown:
            raise ValueError(
                f"mix {self.mix!r} names the source {unknown[0]!r}, and there are "
                f"{', '.join(self.sources)}"
            )
        return self

    @property
    def parsed(self) -> Mix:
        """The mix as its steps; ValueError if it is none."""
        sources = [*self.sources]
        near = None if self.clusters is None else NEAR_TARGET
        text = mix_text(self.mix, sources, self.fraction, self.cluster, near=near)
        try:
            return parse_mix(text)
        except ValueError as fault:
            raise ValueError(f"mix {self.mix!r}: {fault}") from None

    def addresses(self, role: RoleName) -> dict[str, str]:
        """The addresses of all settings, and as inputs the tables of sources."""
        addresses = super().addresses(role)
        if role == "input":
            for name, source in self.sources.items():
                for key in ("captions", "scores"):
                    address = getattr(source, key)
                    if address is not None:
                        addresses[f"sources.{name}.{key}"] = absolute_address(address)
        return addresses


def run(run: Run, settings: MixCaptions) -> Counts:
    """Join the sources to the images, choose, and write the images that have a caption."""
    chosen = settings.parsed
    captions = run.read(settings.captions, _WITH_UID)
    table = f"table {settings.captions}"
    if settings.top == "rank" and not run.has_unique_keys(settings.captions):
        refuse_repeated_or_null_keys(captions, [UID], settings.captions, _REMEDY)
    if settings.clusters is not None:
        captions = _with_clusters(run, captions, settings.clusters)
    if chosen.where is not None:
        require_columns(captions, table, [chosen.where])
        require_column_type(captions, table, chosen.where, (BooleanType,), "true or false")
    sources = {
        name: _source(run, captions, settings, chosen, name, number)
        for number, name in enumerate(chosen.sources)
    }
    mixed = mix(
        captions,
        chosen,
        sources,
        rule=settings.top,
        draw=run.draw("mix-captions", settings.seed),
        separator=" " if settings.separator is None else settings.separator,
    )
    rule_counts = RuleCounts(
        mixed.results,
        REASONS,
        {name: mixed.is_kept & mixed.is_of(name) for name in settings.sources},
        is_observed=parse_address(settings.output).is_path,
    )
    written = _output(rule_counts.kept(), captions, settings, mixed, sources)
    kept = run.write(
        written, settings.output, has_unique_keys=settings.top == "rank", few_files=True
    )
    rows_in = count_rows(captions)
    dropped, by_source = rule_counts.get(rows_in=rows_in, kept=kept)
    if kept + sum(dropped.values()) != rows_in:
        raise InputDataError(
            f"{table}: {rows_in} rows in, but {kept} kept and dropped by reason {dropped}: an "
            "input has changed while it was read; run it again"
        )
    if settings.decisions:
        results = mixed.results
        rule = F.coalesce(results.failed_rule, mixed.why())
        run.write_decisions(
            decisions(
                results.rows,
                kept=results.failed_rule.isNull(),
                rule=rule,
                value=results.value,
                threshold=results.threshold,
            )
        )
    of_sources = {f"from_{name}": n for name, n in by_source.items()}
    return {"rows_in": rows_in, "kept": kept} | of_sources | dropped


def _with_clusters(run: Run, captions: DataFrame, address: str) -> DataFrame:
    """The images with near_target, null for those of no cluster."""
    run.read(address, StructType([StructField(NEAR_TARGET, BooleanType())]))
    other, columns = _table(run, captions, address, [NEAR_TARGET], prefix="_")
    is_same = named(UID) == named(other.uid)
    rows = captions.drop(NEAR_TARGET).join(other.rows, on=is_same, how="left").drop(other.uid)
    return rows.withColumnRenamed(columns[NEAR_TARGET], NEAR_TARGET)


def _source(
    run: Run, captions: DataFrame, settings: MixCaptions, chosen: Mix, name: str, number: int
) -> SourceColumns:
    """Where the columns of a source of the mix are; `number`: its own, for their names.

    Raises MissingColumnError or InputDataError if it has no caption, or no score and needs one.
    """
    source, needs_score = settings.sources[name], name in chosen.scored_sources
    in_table, tables = source.captions is not None, []
    caption = source.caption or (CAPTION if in_table else name)
    score = source.score or (SCORE if in_table or source.scores is not None else f"{name}_score")
    beside = {} if source.scores is not None else {score: needs_score}
    if source.captions is not None:
        rows = run.read(absolute_address(source.captions), _WITH_UID)
        wanted = _wanted(rows, source.captions, caption, beside)
        table, columns = _table(run, captions, source.captions, wanted, prefix=f"_{number}_text_")
        tables.append(table)
    else:
        columns = {c: c for c in _wanted(captions, settings.captions, caption, beside)}
    if source.scores is not None:
        rows = run.read(absolute_address(source.scores), _WITH_UID)
        wanted = _wanted(rows, source.scores, None, {score: True})
        table, of_scores = _table(run, captions, source.scores, wanted, prefix=f"_{number}_score_")
        tables.append(table)
        columns |= of_scores
    return SourceColumns(columns[caption], columns.get(score), tables)


def _wanted(
    rows: DataFrame, address: str, caption: str | None, scores: dict[str, bool]
) -> list[str]:
    """The columns of a caption and of scores, score -> whether it must be there, that are there.

    Raises MissingColumnError or InputDataError if one is missing or of another type.
    """
    table = f"table {address}"
    captions = [] if caption is None else [caption]
    require_columns(rows, table, [*captions, *(name for name, must in scores.items() if must)])
    present = [name for name in scores if name in rows.columns]
    for name in captions:
        require_column_type(rows, table, name, (StringType,), "text for captions")
    for name in present:
        require_column_type(rows, table, name, (FloatType, DoubleType), "floats for scores")
    return captions + present


def _table(
    run: Run, captions: DataFrame, address: str, columns: Sequence[str], *, prefix: str
) -> tuple[SourceTable, dict[str, str]]:
    """A table with a row a uid, its columns called as no column of captions, and column -> name."""
    address = absolute_address(address)
    table = run.read(address, _WITH_UID)
    if not run.has_unique_keys(address):
        refuse_repeated_or_null_keys(table, [UID], address, _REMEDY)
    names = {column: free_name(captions, f"{prefix}{column}") for column in [UID, *columns]}
    rows = table.select(*(named(column).alias(new) for column, new in names.items()))
    return SourceTable(rows, names[UID]), names


def _output(
    kept: DataFrame,
    captions: DataFrame,
    settings: MixCaptions,
    mixed: Mixed,
    sources: dict[str, SourceColumns],
) -> DataFrame:
    """uid, the choice, and the other columns of the images but for those of the sources."""
    columns = mixed.columns(with_list=any(s.pick.kind == "all" for s in settings.parsed.steps))
    of_sources = {name for s in sources.values() for name in (s.caption, s.score)}
    other = captions.drop(UID, *filter(None, of_sources))
    ours = MIXED_CAPTIONS.names
    warn_of_replaced_columns(other, f"table {settings.captions}", ours)
    taken = {name.lower() for name in ours}
    carried: Sequence[str] = [name for name in other.columns if name.lower() not in taken]
    return kept.select(UID, *columns, *map(named, carried))


def closing_lines(_spark: SparkSession, settings: MixCaptions, counts: Counts) -> list[str]:
    """How many images have a caption of each source, and a line where no row was chosen at all."""
    if counts["rows_in"] and counts[NOT_CHOSEN] == counts["rows_in"]:
        return [f"no step of the mix {settings.mix!r} holds a row: are there scores at all?"]
    return [
        f"  {counts[f'from_{name}']:,} captions of {name}"
        for name in settings.sources
        if counts[f"from_{name}"]
    ]


JOB = Job(
    "mix-captions",
    "Choose a caption for each image among raw and generated ones.",
    MixCaptions,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake mix-captions --captions ./images --output ./mixed \\\n"
        "  --mix 'raw top 30% else blip2 >= same' \\\n"
        "  --set 'sources={raw: {}, blip2: {}}'"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
