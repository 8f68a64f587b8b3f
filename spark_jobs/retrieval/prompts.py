"""Prompts for semantic search: each template filled with each class."""

from collections.abc import Sequence

from spark_jobs.retrieval.class_queries import ClassFile

PAPERS = ("unmet-promise, semantic retrieval: a query of each class in each template",)

_DEFAULT_TEMPLATE = "{}"  # for a class file without templates: the class's name alone


def prompts(file: ClassFile, templates: Sequence[str] | None = None) -> list[tuple[str, str, str]]:
    """(query_id, class, text) for each class and template; `templates` replace the file's own.

    The id is `dataset/class/number of the template`, so that it stays when classes are added.
    """
    if templates is None:
        templates = file.templates or [_DEFAULT_TEMPLATE]
    return [
        (f"{file.dataset}/{name}/{number}", name, template.replace("{}", name))
        for name in dict.fromkeys(file.classes)
        for number, template in enumerate(templates)
    ]
