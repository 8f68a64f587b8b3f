"""Classes of a downstream data set, and the boolean query of each class."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from spark_jobs.core.settings import did_you_mean
from spark_jobs.retrieval.query import Query, QueryError, class_expression, parse_query


class ClassFile(BaseModel):
    """The classes of a data set, as a class file lists them.

    `templates`: prompts with one {} for the class. `class_map`: class -> boolean query that
    replaces the class's name. For count-concepts: `alternatives`: class -> names that replace the
    parts of its own name; `negatives`: class -> words that exclude a caption.
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
    """One class and its query."""

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
    """Parse the query of each class; returns the valid queries and a line for each fault.

    `name`: the file's name in these lines. `names_are_phrases`: search a class without class_map by
    its whole name instead of its words.
    """
    faults = class_name_faults(file, name)
    queries = []
    for class_name in dict.fromkeys(file.classes):
        quoted = '"' + class_name.replace('"', '""') + '"'
        default = quoted if names_are_phrases else class_name
        text = class_expression(file.class_map.get(class_name, default))
        try:
            queries.append(ClassQuery(file.dataset, class_name, parse_query(text, tokens_of)))
        except QueryError as fault:
            faults.append(f"{name}: class {class_name!r}: {fault}: {text}")
    return queries, faults


def class_name_faults(file: ClassFile, name: str) -> list[str]:
    """A line for each repeated class, and for each key of a map that is not a class."""
    faults = [
        f"{name}: class {class_name!r}: is there {n} times"
        for class_name, n in Counter(file.classes).items()
        if n > 1
    ]
    maps = {
        "class_map": [*file.class_map],
        "alternatives": [*file.alternatives],
        "negatives": [*file.negatives],
    }
    return faults + [
        f"{name}: {key}: there is no class {class_name!r}{did_you_mean(class_name, file.classes)}"
        for key, class_names in maps.items()
        for class_name in class_names
        if class_name not in file.classes
    ]
