"""match-frequencies: draw rows so that class frequencies match a data set or a shape."""

from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import Field, PositiveInt, model_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.addresses import table_name
from spark_jobs.core.columns import keys, named
from spark_jobs.core.decisions import decisions
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTION, CLASS_NAME, ROWS, SHORT, TAKEN, TAKEN_FROM, TARGET, UID
from spark_jobs.core.settings import InputAddress, InputAddresses, OutputAddress, refuse_both
from spark_jobs.core.unions import union_all
from spark_jobs.formats.class_targets import MAX_ROWS_PER_CLASS, read_targets
from spark_jobs.formats.subset_settings import SubsetSettings
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.tables import read_table
from spark_jobs.subsets.class_list import Class, ClassList
from spark_jobs.subsets.draw import count_classes
from spark_jobs.subsets.frequencies import frequency_rows
from spark_jobs.subsets.key_join import joined_by_key
from spark_jobs.subsets.match import match_frequencies, union_parts
from spark_jobs.subsets.relabel import label_column, with_labels
from spark_jobs.subsets.shapes import Shape, shape_weights
from spark_jobs.subsets.target import Size, Target, target_at

_CLASSES_SHOWN = 5
_CLASS, _TAKEN = "_class", "_taken"
_WITHOUT_SHARE, _WITHOUT_ROWS = "classes_without_share", "classes_without_rows"


class MatchFrequencies(SubsetSettings):
    """Settings of match-frequencies."""

    mutually_exclusive = ("target_counts", "shape")

    sources: InputAddresses = Field(
        description="tables of labelled captions, in order of preference; no uid is taken twice"
    )
    target_counts: InputAddress | None = Field(
        None,
        description="how many rows of each class: a class-frequency file (.txt, a class, a tab and "
        "a count a line), a table of counts, or another labelled data set, whose rows are counted",
    )
    target_column: str | None = Field(
        None, description="its column of counts; default: rows, caption_count or count, if there"
    )
    shape: Shape | None = Field(
        None, description="in place of target_counts, the most frequent class being the head"
    )
    exponent: float = Field(
        1.0,
        ge=0,
        le=100,
        description="zipf: rank ** -exponent; exponential: exp(exponent) times as many rows in the "
        "head as in the tail",
    )
    rows: PositiveInt | None = Field(
        None,
        le=MAX_ROWS_PER_CLASS,
        description="the same proportions at so many rows; default: the target's own numbers, or "
        "largest for a shape",
    )
    largest: bool = Field(
        False,
        description="in place of rows: the same proportions at as many rows as leave no class "
        "short; classes without rows are left out",
    )
    captions: InputAddress | None = Field(
        None, description="table of captions, for sources that hold uid and class alone"
    )
    output: OutputAddress = Field(description="the rows taken, with taken_from")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        refuse_both({"rows": self.rows, "largest": self.largest or None})
        names = [table_name(address) for address in self.sources]
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise ValueError(f"sources: two are called {repeated[0]!r}")
        return self


def run(run: Run, settings: MatchFrequencies) -> Counts:
    """Take the target's rows of each class from the sources, in their order, and write them."""
    settings, sources, counts_by_source = _read_sources(run, settings)
    keys_by_source = [keys(rows) for rows in sources.values()]
    if any(key != keys_by_source[0] for key in keys_by_source):
        raise InputDataError("sources: some have a caption_id and some have not")
    column = settings.class_column
    if not any(counts_by_source):
        raise InputDataError(f"no row of {', '.join(settings.sources)} has a class in {column!r}")
    first_source = next(iter(sources.values()))
    present_classes = {class_ for counts in counts_by_source for class_ in counts}
    classes = settings.class_list(first_source, present_classes, settings.sources[0])
    wanted = _target(run, settings, classes, sources)
    target = wanted.rows
    draw = run.draw("match-frequencies", settings.seed)
    taken = match_frequencies(sources, column, target, draw=draw)
    rows = _with_captions_and_labels(run, taken.parts, classes, settings)
    n_rows = run.write(rows, settings.output, few_files=True)
    available = [
        {class_: (eligible if class_ in target else counts).get(class_, 0) for class_ in classes}
        for counts, eligible in zip(counts_by_source, taken.available, strict=True)
    ]
    frequencies = frequency_rows(classes, target, available, taken.taken)
    if n_rows != sum(row[ROWS] for row in frequencies):
        raise InputDataError(f"{n_rows:,} rows came: the sources changed meanwhile, run again")
    settings.write_files(run, run.read(settings.output, rows.schema), frequencies)
    if settings.decisions:
        run.write_decisions(_decisions(run, sources, settings))
    missing_rows = [row[SHORT] for row in frequencies]
    rows_in = sum(count_rows(source) for source in sources.values())
    n_classed = sum(n for counts in counts_by_source for n in counts.values())
    counts = {"rows_in": rows_in, "rows": n_rows}
    counts |= {"without_class": rows_in - n_classed} if rows_in > n_classed else {}
    counts |= {"target": sum(target.values()), "short": sum(missing_rows)}
    counts["classes_short"] = sum(n > 0 for n in missing_rows)
    left_out = {_WITHOUT_SHARE: wanted.n_without_share, _WITHOUT_ROWS: wanted.n_without_rows}
    counts |= {name: n for name, n in left_out.items() if n}
    n_taken = [sum(rows_by_class.values()) for rows_by_class in taken.taken]
    return counts | {f"from_{name}": n for name, n in zip(sources, n_taken, strict=True)}


def _read_sources(
    run: Run, settings: MatchFrequencies
) -> tuple[MatchFrequencies, dict[str, DataFrame], list[dict[Class, int]]]:
    """The settings with the class_names to use, the sources by name, and their class counts."""
    sources, column = {}, settings.class_column
    for address in settings.sources:
        rows = run.read(address, StructType([schemas.CAPTIONS[UID]]))
        settings.check_columns(rows, address, [column])
        sources[table_name(address)] = rows
    counts = [count_classes(rows, column) for rows in sources.values()]
    settings = settings.with_class_names({class_ for of_source in counts for class_ in of_source})
    sources = {name: settings.with_current_classes(rows) for name, rows in sources.items()}
    return settings, sources, [settings.current_counts(of_source) for of_source in counts]


def _with_captions_and_labels(
    run: Run, parts: Sequence[DataFrame], classes: ClassList, settings: MatchFrequencies
) -> DataFrame:
    """The rows taken from all sources, with captions and labels.

    Labels are the sources' own where all sources have them, else positions in the class list.
    """
    label = label_column(parts[0], settings.class_column)
    if not all(label in part.columns for part in parts):
        parts = [part.drop(label) for part in parts]
    rows = union_parts(_with_captions(run, part, settings) for part in parts)
    return with_labels(rows, settings.class_column, classes)


def _with_captions(run: Run, rows: DataFrame, settings: MatchFrequencies) -> DataFrame:
    """Add the captions where the source has none; InputDataError if a row's caption is missing."""
    if CAPTION in rows.columns or settings.captions is None:
        return rows
    captions = run.read(settings.captions, schemas.CAPTIONS)
    if not set(keys(captions)) <= set(keys(rows)):
        raise InputDataError(
            f"table {settings.captions}: has several captions of a uid, by caption_id, which the "
            "sources have not"
        )
    by = [named(key) for key in keys(captions)]
    without_caption = joined_by_key(rows, captions.select(*by), how="left_anti").first()
    if without_caption is not None:
        raise InputDataError(
            f"table {settings.captions}: has no caption of {without_caption[UID]!r}"
        )
    added_columns = [named(name) for name in captions.columns if name not in rows.columns]
    return joined_by_key(rows, captions.select(*by, *added_columns), how="inner")


def _target(
    run: Run, settings: MatchFrequencies, classes: ClassList, sources: Mapping[str, DataFrame]
) -> Target:
    """The rows wanted of each class, by the target or the shape, and the size."""
    is_largest = settings.largest or (settings.rows is None and settings.shape is not None)
    size: Size = "largest" if is_largest else settings.rows
    available: dict[Class, int] = {}
    if is_largest or settings.shape is not None:
        available = _count_available(sources, settings.class_column)
        available = {class_: available.get(class_, 0) for class_ in classes}  # in their order
    if settings.target_counts is not None:
        column, counts = settings.class_column, settings.target_column
        target_counts = read_targets(run, settings.target_counts, column, counts, classes)
        return target_at(target_counts, available, size)
    assert settings.shape is not None  # mutually_exclusive: one of the two is set
    weights = shape_weights(settings.shape, available, settings.exponent)
    return target_at(weights, available, size)


def _count_available(sources: Mapping[str, DataFrame], column: str) -> dict[Class, int]:
    """Rows of each class in all sources together; a row in several sources counts once."""
    tables = [rows.select(*keys(rows), named(column)) for rows in sources.values()]
    if len(tables) == 1:
        return count_classes(tables[0], column)
    return count_classes(union_all(tables).distinct(), column)


def _decisions(run: Run, sources: Mapping[str, DataFrame], settings: MatchFrequencies) -> DataFrame:
    """A decision for each row of each source: whether the output has it from there."""
    stored = run.read(settings.output, schemas.EMPTY)
    decisions_by_source = []
    for name, source in sources.items():
        key_and_class = source.select(*keys(source), named(settings.class_column).alias(_CLASS))
        taken = stored.where(F.col(TAKEN_FROM) == name)
        taken_keys = taken.select(
            *keys(source), named(settings.class_column).alias(_CLASS), F.lit(True).alias(_TAKEN)
        )
        with_taken = joined_by_key(key_and_class, taken_keys, how="left", also=[_CLASS])
        is_taken = F.coalesce(F.col(_TAKEN), F.lit(False))
        rule = F.when(is_taken, f"taken_from_{name}").otherwise(f"left_in_{name}")
        decisions_by_source.append(decisions(with_taken, kept=is_taken, rule=rule))
    return union_all(decisions_by_source)


def closing_lines(spark: SparkSession, settings: MatchFrequencies, counts: Counts) -> list[str]:
    """Lines on classes whose share rounds to no row, and on those short of the most rows."""
    lines = []
    if _WITHOUT_SHARE in counts:
        share = f"their share of {counts['target']:,} rows is none"
        lines = [f"  {counts[_WITHOUT_SHARE]:,} classes get no row: {share}"]
    if _WITHOUT_ROWS in counts:
        lines.append(
            f"  {counts[_WITHOUT_ROWS]:,} classes of the target have no rows, and are left out: "
            "the others are as large as leaves none of them short"
        )
    if counts["short"]:
        lines.append(f"  {counts['classes_short']:,} classes are short of {counts['short']:,} rows")
        lines += _lines_of_shortest(spark, settings)
    return lines


def _lines_of_shortest(spark: SparkSession, settings: MatchFrequencies) -> list[str]:
    """The classes short of the most rows, if the table of counts was written."""
    if settings.counts is None:
        return []
    rows = read_table(spark, settings.counts, schemas.CLASS_FREQUENCIES).where(F.col(SHORT) > 0)
    lines = []
    for row in rows.orderBy(F.desc(SHORT), CLASS_NAME).limit(_CLASSES_SHOWN).collect():
        rows_taken = " + ".join(f"{n:,}" for n in row[TAKEN])
        lines.append(f"  {row[CLASS_NAME]:<34}{rows_taken} of {row[TARGET]:,}")
    return lines


JOB = Job(
    "match-frequencies",
    "Draw as many rows of each class as another data set has, or as a shape asks for.",
    MatchFrequencies,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake match-frequencies --sources ./pairs --shape zipf \\\n"
        "  --exponent 1.2 --rows 1000000 --output ./long_tailed"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
