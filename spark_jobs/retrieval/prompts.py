"""Prompts of classes: each template with each class, as queries of semantic search."""

from collections.abc import Sequence

from spark_jobs.retrieval.class_queries import ClassFile

_BARE = "{}"  # what a class file without templates searches for


def prompts(file: ClassFile, templates: Sequence[str] | None = None) -> list[tuple[str, str, str]]:
    """(query_id, class, text) of each class and template; `templates` in place of the file's.

    The id tells data set, class and template, so that it stays when classes are added.
    """
    told = templates if templates is not None else file.templates or [_BARE]
    return [
        (f"{file.dataset}/{name}/{number}", name, template.replace("{}", name))
        for name in dict.fromkeys(file.classes)
        for number, template in enumerate(told)
    ]
