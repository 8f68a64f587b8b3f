"""Class names and prompt templates of a zero-shot classifier: those that come along, or files."""

from collections.abc import Iterable, Sequence

from pydantic import Field, field_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

from spark_jobs.concepts.imagenet_prompts import (
    imagenet_names,
    imagenet_templates,
    simple_templates,
)
from spark_jobs.core.addresses import absolute_address, is_unknown_word
from spark_jobs.core.count_words import few_of
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION, CLASS, NAME
from spark_jobs.core.settings import RoleName, Settings, did_you_mean
from spark_jobs.evaluating.zero_shot import NTH, NUMBER, Classes
from spark_jobs.storage.small_files import read_text
from spark_jobs.subsets.class_list import Class, ClassList, UnknownClassError
from spark_jobs.subsets.imagenet_classes import imagenet1k

IMAGENET = "imagenet"
_TEMPLATES = {"openai": imagenet_templates, "simple": simple_templates}
_SHOWN = 3
_BEFORE, _AFTER = "before", "after"
_NAMES = StructType(
    [
        StructField(CLASS, IntegerType()),
        StructField(NTH, IntegerType()),
        StructField(NAME, StringType()),
    ]
)
_HALVES = StructType(
    [
        StructField(NUMBER, IntegerType()),
        StructField(_BEFORE, StringType()),
        StructField(_AFTER, StringType()),
    ]
)


class PromptSettings(Settings):
    """Settings of the names and templates that prompts are made of."""

    class_names: str | None = Field(
        None,
        description="imagenet: folders are wnids, or indices from 0 to 999, and the classifier has "
        "open_clip's 1,000 names; or a file with a line folder<TAB>name for each class, with "
        "further names behind further tabs; default: the folders' names",
    )
    templates: str = Field(
        "openai",
        description="openai: the 80 of CLIP for ImageNet; simple: 7 of them; or a file with a "
        "template a line, with {} for the name",
    )

    @field_validator("class_names", "templates")
    @classmethod
    def _is_absolute(cls, value: str | None) -> str | None:
        words = (IMAGENET, *_TEMPLATES)
        if value is None or value in words:
            return value
        if is_unknown_word(value):
            raise ValueError(
                f"no such list{did_you_mean(value, words)}; give a file, or imagenet for "
                "--class-names, openai or simple for --templates"
            )
        return absolute_address(value)

    def addresses(self, role: RoleName) -> dict[str, str]:
        """Addresses by setting, with files of names and templates among the inputs."""
        addresses = super().addresses(role)
        if role == "input":
            files = {"class_names": self.class_names, "templates": self.templates}
            words = (IMAGENET, *_TEMPLATES)
            addresses |= {k: v for k, v in files.items() if v is not None and v not in words}
        return addresses


def read_templates(spark: SparkSession, templates: str) -> list[str]:
    """The templates of a name or file, each with one {}; InputDataError naming a line without."""
    if templates in _TEMPLATES:
        return _TEMPLATES[templates]()
    read = []
    for number, line in enumerate(_lines(spark, templates), start=1):
        if line.count("{}") != 1:
            raise InputDataError(
                f"{templates}, line {number}: expected one {{}} for the class's name, found "
                f"{line!r}"
            )
        read.append(line)
    if not read:
        raise InputDataError(f"{templates}: has no template")
    return read


def prompt_rows(spark: SparkSession, classes: Classes, templates: Sequence[str]) -> DataFrame:
    """Class (its number), nth (of its names), number (of the template), caption (the prompt)."""
    names = [
        (number, nth, name)
        for number, own_names in enumerate(classes.names)
        for nth, name in enumerate(own_names)
    ]
    halves = [(number, *template.split("{}")) for number, template in enumerate(templates)]
    templates_of_names = spark.createDataFrame(names, _NAMES).crossJoin(
        F.broadcast(spark.createDataFrame(halves, _HALVES))
    )
    prompt = F.concat(_BEFORE, NAME, _AFTER).alias(CAPTION)
    return templates_of_names.select(CLASS, NTH, NUMBER, prompt)


def read_classes(
    spark: SparkSession, class_names: str | None, folders: Iterable[str]
) -> tuple[Classes, ClassList, dict[str, int]]:
    """(classes of the classifier, how else they may be called, folder -> number of its class).

    folders: the classes that images have, as folders or a column give them. Names without a folder
    are classes too. Raises InputDataError if a folder has no name, or two have one class.
    """
    folders = sorted(folders)
    if class_names is None:
        classes = Classes(folders, [[name] for name in folders])
        called = ClassList(folders, {name: name for name in folders})
    elif class_names == IMAGENET:
        published = imagenet1k(by_index=False)
        values = [str(value) for value in published]
        classes = Classes(values, [[name] for name in imagenet_names()])
        called = published
    else:
        names = _read_names(spark, class_names)
        classes = Classes(list(names), list(names.values()))
        called = ClassList(list(names), {value: own[0] for value, own in names.items()})
    return classes, called, _numbers(folders, called, class_names)


def _numbers(folders: Iterable[str], called: ClassList, class_names: str | None) -> dict[str, int]:
    place: dict[Class, int] = {value: number for number, value in enumerate(called)}
    numbers: dict[str, int] = {}
    missing: list[str] = []
    fault = ""
    for folder in folders:
        try:
            numbers[folder] = place[_value_of(folder, called, class_names)]
        except UnknownClassError as error:
            missing.append(folder)
            fault = fault or str(error)
    if missing:
        raise InputDataError(
            f"class names {class_names}: {len(missing):,} classes of the images are not there: "
            f"{few_of(missing, _SHOWN)}; {fault}"
        )
    folder_of: dict[int, str] = {}
    for folder, number in numbers.items():
        other = folder_of.setdefault(number, folder)
        if other != folder:
            raise InputDataError(f"images: {other} and {folder} are folders of the same class")
    return numbers


def _value_of(folder: str, called: ClassList, class_names: str | None) -> Class:
    """The class of a folder, by its value; of ImageNet by wnid or index, 7 or 0007, too."""
    if class_names != IMAGENET:
        if folder in called.names:
            return folder
        raise UnknownClassError(
            f"there is no class {folder!r}{did_you_mean(folder, map(str, called.values))}"
        )
    is_index = folder.isascii() and folder.isdecimal()
    return called.value_of(str(int(folder)) if is_index else folder)


def _read_names(spark: SparkSession, address: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for number, line in enumerate(_lines(spark, address), start=1):
        folder, *own_names = (part.strip() for part in line.split("\t"))
        if not folder or not own_names or not all(own_names):
            raise InputDataError(
                f"{address}, line {number}: expected a class, a tab and its name, found {line!r}"
            )
        if folder in names:
            raise InputDataError(f"{address}, line {number}: class {folder!r} stands there twice")
        names[folder] = own_names
    if not names:
        raise InputDataError(f"{address}: has no class")
    return names


def _lines(spark: SparkSession, address: str) -> list[str]:
    """The lines of a file that are not empty."""
    lines = (line.rstrip("\r") for line in read_text(spark, address).split("\n"))
    return [line for line in lines if line.strip()]
