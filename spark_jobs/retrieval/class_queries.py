"""The classes of a data set, and the boolean query of each."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from spark_jobs.core.settings import did_you_mean
from spark_jobs.retrieval.query import Query, QueryError, class_expression, parse_query


class ClassFile(BaseModel):
    """A data set's classes.

    `templates`: prompts with one {} for the class. `class_map`: class -> boolean query, for those
    whose name is not what to search for. `alternatives`: class -> what else it is called, in place
    of the name's own parts; `negatives`: class -> what speaks against it; both for count-concepts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    templates: list[str] = Field(default_factory=list)
    class_map: dict[str, str] = Field(default_factory=dict)
    alternatives: dict[str, list[str]] = Field(default_factory=dict)
    negatives: dict[str, list[str]] = Field(default_factory=dict)
    classes: list[str] = Field(min_length=1)


@dataclass(frozen=True)
class ClassQuery:
    """One class with what is searched for it."""

    dataset: str
    name: str
    query: Query


def class_queries(
    file: ClassFile,
    name: str,
    tokens_of: Callable[[str], Sequence[str]],
    *,
    names_are_phrases: bool = False,
) -> tuple[list[ClassQuery], list[str]]:
    """The queries that can be read, and a line for each class that is faulty.

    `names_are_phrases`: a class that is not mapped is searched by its whole name, not its words.
    """
    faults = faults_of_names(file, name)
    queries = []
    for known in dict.fromkeys(file.classes):
        searched = '"' + known.replace('"', '""') + '"' if names_are_phrases else known
        text = class_expression(file.class_map.get(known, searched))
        try:
            queries.append(ClassQuery(file.dataset, known, parse_query(text, tokens_of)))
        except QueryError as fault:
            faults.append(f"{name}: class {known!r}: {fault}: {text}")
    return queries, faults


def faults_of_names(file: ClassFile, name: str) -> list[str]:
    """A line for each class that comes twice, and for each that is told of but is none."""
    faults = [
        f"{name}: class {known!r}: is there {n} times"
        for known, n in Counter(file.classes).items()
        if n > 1
    ]
    maps = {
        "class_map": [*file.class_map],
        "alternatives": [*file.alternatives],
        "negatives": [*file.negatives],
    }
    return faults + [
        f"{name}: {key}: there is no class {told!r}{did_you_mean(told, file.classes)}"
        for key, classes in maps.items()
        for told in classes
        if told not in file.classes
    ]
