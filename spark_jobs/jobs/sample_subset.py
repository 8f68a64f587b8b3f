"""sample-subset: draw a subset of labelled rows, by threshold, class or number."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import IntegralType, StringType, StructField, StructType

from spark_jobs.core.columns import named
from spark_jobs.core.decisions import decisions
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import UID
from spark_jobs.core.settings import InputAddress, OutputAddress, RoleName, refuse_both
from spark_jobs.formats.subset_settings import SubsetSettings
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.small_files import read_text
from spark_jobs.subsets.class_list import Class, ClassList, UnknownClassError
from spark_jobs.subsets.draw import class_table, count_classes
from spark_jobs.subsets.frequencies import frequency_rows
from spark_jobs.subsets.imagenet_classes import imagenet1k, imagenet100
from spark_jobs.subsets.relabel import relabelled, with_labels
from spark_jobs.subsets.sample import Sample, refuse_other_count, sample
from spark_jobs.subsets.sample_lines import promise_counts, promise_lines
from spark_jobs.subsets.sampling import Sampling

_IMAGENET100 = "imagenet100"
_PURPOSE = "sample-subset"


def _as_texts(value: Any) -> Any:
    """One class or a list of them, names or numbers, as a list of texts."""
    items = value if isinstance(value, list) else [value]
    return [str(item) if isinstance(item, int) else item for item in items]


class SampleSubset(SubsetSettings):
    """Settings of sample-subset."""

    input: InputAddress = Field(description="table of labelled captions, with uid and classes")
    threshold: float | None = Field(
        None,
        description="rows whose `column` is at least this, as the column's type stores it, and "
        "those of `keep_every_class`",
    )
    column: str | None = Field(None, description="column of similarities for the threshold")
    classes: Annotated[list[str], Field(min_length=1), BeforeValidator(_as_texts)] | None = Field(
        None,
        description="the classes to keep, by value, name or ImageNet index; imagenet100; or a .txt "
        "file with one a line. Their labels become 0..k-1, label_ori holds the old ones",
    )
    random_classes: PositiveInt | None = Field(
        None, description="how many classes to draw and keep, relabelled likewise"
    )
    tail_classes: NonNegativeInt = Field(
        0, description="how many of the rarest classes are cut to tail_rows"
    )
    tail_rows: NonNegativeInt = Field(0, description="rows of such a class; 0: zero-shot")
    max_per_class: PositiveInt | None = Field(None, description="rows of a class at most")
    min_per_class: NonNegativeInt = Field(
        0, description="classes with fewer rows are left out; with max_per_class: balanced"
    )
    n: PositiveInt | None = Field(None, description="rows to draw")
    fraction: float | None = Field(None, gt=0, le=1, description="share of the rows to draw (0-1)")
    stratified: bool = Field(
        False,
        description="draw n from the classes in proportion, or fraction of each class to the "
        "nearest whole row, in place of drawing of all rows",
    )
    keep_every_class: bool = Field(
        True,
        description="give a class that threshold, n or fraction emptied one row back: of a "
        "fraction on top, of n in place of rows of the largest classes; stratified, take one row "
        "of a class at least",
    )
    restore_by: str | None = Field(
        None,
        description="column whose smallest value tells which row that is (published: the row's "
        "number); default: the most similar row, else the first drawn",
    )
    output: OutputAddress = Field(description="the subset, as it was, with labels")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.threshold is None) != (self.column is None):
            raise ValueError("threshold and column go together")
        refuse_both({"n": self.n, "fraction": self.fraction})
        refuse_both({"classes": self.classes, "random_classes": self.random_classes})
        if self.stratified and self.n is None and self.fraction is None:
            raise ValueError("stratified needs n or fraction")
        limits = (self.threshold, self.classes, self.random_classes, self.max_per_class, self.n)
        if (*limits, self.fraction) == (None,) * 6 and not self.tail_classes + self.min_per_class:
            raise ValueError(
                "nothing tells what to keep: give threshold, classes, random_classes, "
                "tail_classes, max_per_class, min_per_class, n or fraction"
            )
        return self

    @property
    def class_file(self) -> str | None:
        """The file of classes if `classes` names one, else None."""
        only_item = self.classes[0] if self.classes and len(self.classes) == 1 else ""
        return only_item if only_item.endswith(".txt") else None

    def addresses(self, role: RoleName) -> dict[str, str]:
        """The addresses of all settings, and as input the file of classes."""
        addresses = super().addresses(role)
        if role == "input" and self.class_file is not None:
            addresses["classes"] = self.class_file
        return addresses


def run(run: Run, settings: SampleSubset) -> Counts:
    """Choose the classes, draw their rows, and write the subset."""
    rows = run.read(settings.input, StructType([StructField(UID, StringType())]))
    columns = (settings.class_column, settings.column, settings.restore_by)
    settings.check_columns(rows, settings.input, filter(None, columns))
    column = settings.class_column
    class_counts = count_classes(rows, column)
    if not class_counts:
        raise InputDataError(f"table {settings.input}: no row has a class in {column!r}")
    has_named_classes = settings.class_names is not None
    settings = settings.with_class_names(class_counts)
    rows, class_counts = settings.with_current_classes(rows), settings.current_counts(class_counts)
    if not has_named_classes:
        _refuse_draw_of_unclear_classes(settings, n_with_rows=len(class_counts))
    classes = settings.class_list(rows, class_counts, settings.input)
    draw = run.draw(_PURPOSE, settings.seed)
    kept_classes = _kept_classes(run, rows, classes, settings, draw=draw.step("classes"))
    sampling = _sampling(settings, draw=draw)
    drawn = sample(rows, kept_classes, sampling)
    is_relabelled = kept_classes is not classes
    subset = (
        relabelled(drawn.subset, column, classes, kept_classes)
        if is_relabelled
        else with_labels(drawn.subset, column, classes)
    )
    n_rows = run.write(subset, settings.output, few_files=True)
    refuse_other_count(n_rows, sum(drawn.kept.values()))
    stored = run.read(settings.output, subset.schema)
    frequencies = frequency_rows(kept_classes, None, [drawn.available], [drawn.kept])
    settings.write_files(run, stored, frequencies)
    if settings.decisions:
        _write_decisions(run, drawn)
    rows_in = count_rows(rows)
    counts = {"rows_in": rows_in, "kept": n_rows, "dropped": rows_in - n_rows}
    n_classes = sum(n > 0 for n in drawn.kept.values())
    counts |= {"restored": len(drawn.restored), "classes": n_classes}
    return counts | promise_counts(drawn, sampling, are_chosen=is_relabelled)


def _refuse_draw_of_unclear_classes(settings: SampleSubset, *, n_with_rows: int) -> None:
    """Raise InputDataError if classes are drawn or cut and the default has classes without rows."""
    draws = {"random_classes": settings.random_classes, "tail_classes": settings.tail_classes}
    n_classes = len(imagenet1k(by_index=False))
    if settings.class_names == "imagenet1k" and n_with_rows < n_classes and any(draws.values()):
        name = next(name for name, n in draws.items() if n)
        raise InputDataError(
            f"{name}: column {settings.class_column!r} holds {n_with_rows:,} of ImageNet's "
            f"{n_classes:,} classes; give --class-names column to choose among those, imagenet1k "
            "among all"
        )


def _kept_classes(
    run: Run, rows: DataFrame, classes: ClassList, settings: SampleSubset, *, draw: Draw
) -> ClassList:
    """The classes to keep: chosen, drawn, or `classes` itself where all are kept."""
    if settings.random_classes is not None:
        return classes.only(_drawn_classes(rows, classes, settings, draw=draw))
    if settings.classes is None:
        return classes
    names = settings.classes
    if settings.class_file is not None:
        names = read_text(run.spark, settings.class_file).split("\n")
        names = [line.strip() for line in names if line.strip()]
    elif names == [_IMAGENET100]:
        is_index = isinstance(rows.schema[settings.class_column].dataType, IntegralType)
        return classes.only(imagenet1k(by_index=is_index).find(imagenet100()))
    try:
        return classes.only(classes.find(names))
    except UnknownClassError as fault:
        raise InputDataError(f"classes: {fault}") from None


def _drawn_classes(
    rows: DataFrame, classes: ClassList, settings: SampleSubset, *, draw: Draw
) -> list[Class]:
    n = settings.random_classes or 0
    if n > len(classes):
        raise InputDataError(f"random_classes = {n}, but there are only {len(classes)} classes")
    column = settings.class_column
    all_classes = class_table(rows, column, dict.fromkeys(classes, ()), [])
    drawn = all_classes.orderBy(draw.of(column), named(column)).limit(n)
    return [row[0] for row in drawn.collect()]


def _sampling(settings: SampleSubset, *, draw: Draw) -> Sampling:
    return Sampling(
        column=settings.class_column,
        draw=draw,
        similarity=settings.column,
        threshold=settings.threshold,
        tail_classes=settings.tail_classes,
        tail_rows=settings.tail_rows,
        most_per_class=settings.max_per_class,
        least_per_class=settings.min_per_class,
        n=settings.n,
        fraction=settings.fraction,
        is_stratified=settings.stratified,
        keeps_every_class=settings.keep_every_class,
        restore_by=settings.restore_by,
    )


def _write_decisions(run: Run, drawn: Sample) -> None:
    run.write_decisions(
        decisions(
            drawn.rows,
            kept=drawn.is_kept,
            rule=drawn.rule,
            value=drawn.value,
            threshold=drawn.threshold,
        )
    )


def closing_lines(spark: SparkSession, settings: SampleSubset, counts: Counts) -> list[str]:
    """Lines on conflicts between keeping every class, a minimum per class, and a wanted number."""
    draw = Draw(_PURPOSE, settings.seed)  # required, but no line depends on it
    return promise_lines(_sampling(settings, draw=draw), counts)


JOB = Job(
    "sample-subset",
    "Draw a subset by similarity, class or number of rows (LAIONet, ImageNet-Captions).",
    SampleSubset,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake sample-subset --input ./pairs --fraction 0.25 \\\n  --output ./a_quarter"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
