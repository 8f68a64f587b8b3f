"""Which module, job and recipe is which method of which paper, from the modules' `PAPERS`."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from spark_jobs.core.conf_files import conf_file, conf_file_names
from spark_jobs.core.papers import CITATIONS
from spark_jobs.running.code_digest import all_modules, module_source, reachable_modules
from spark_jobs.running.job import Job
from spark_jobs.running.registry import all_jobs

_LINE = re.compile(r"(?P<paper>.+?), (?P<place>.+?): (?P<what>.+)")


@dataclass(frozen=True)
class Method:
    """A step of a published method: where its paper has it, what it does, and where it is here."""

    paper: str
    place: str
    what: str
    module: str
    jobs: tuple[str, ...]


def all_methods() -> list[Method]:
    """Every step that a module names in `PAPERS`, by paper in the order of CITATIONS.

    Raises ValueError for a line that names no paper of CITATIONS.
    """
    jobs = _modules_of_jobs()
    methods = [
        _method(line, module, jobs) for module in sorted(all_modules()) for line in _papers(module)
    ]
    papers = list(CITATIONS)
    return sorted(methods, key=lambda method: (papers.index(method.paper), method.module))


def methods_markdown() -> str:
    """docs/methods.md: a table for each paper."""
    methods = all_methods()
    lines = [
        "# Methods by paper",
        "",
        "Printed by `captionlake methods`. Each row is a step of a published method, the module",
        "that does it, and the jobs that run it.",
    ]
    for paper in dict.fromkeys(method.paper for method in methods):
        recipes = [f"`{name}`" for name in recipes_of(paper)]
        cited = f"{CITATIONS[paper]}." + (f" Recipes: {', '.join(recipes)}." if recipes else "")
        lines += ["", f"## {paper}", "", cited, ""]
        lines += ["| where | what | module | jobs |", "| --- | --- | --- | --- |"]
        lines += [_table_row(method) for method in methods if method.paper == paper]
    return "\n".join(lines)


def _table_row(method: Method) -> str:
    module = f"`{method.module.replace('.', '/')}.py`"
    # What has no job is for trainers, in Python.
    jobs = ", ".join(f"`{job}`" for job in method.jobs) or "`captionlake.training`"
    return f"| {method.place} | {method.what} | {module} | {jobs} |"


def recipes_of(paper: str) -> list[str]:
    """The packaged recipes whose first comment names the paper, or its authors and year."""
    authors = re.findall(r"\(([^()]* \d{4})\)$", CITATIONS[paper])
    cited = [rf"(?<![\w-]){re.escape(paper)}(?![\w-]| 2)", *map(re.escape, authors)]
    pattern = re.compile("|".join(cited))
    return [name for name in conf_file_names("recipes") if pattern.search(_first_comment(name))]


def _first_comment(recipe: str) -> str:
    text = conf_file("recipes", f"{recipe}.yml").read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if line.startswith(("#", "summary:"))]
    return " ".join(line.lstrip("# ") for line in lines)


def _papers(module: str) -> Iterator[str]:
    """The lines of a module's PAPERS, without importing it."""
    for node in ast.parse(module_source(module) or b"").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PAPERS":
            yield from ast.literal_eval(node.value)


def _modules_of_jobs() -> dict[str, set[str]]:
    """Job -> the modules behind it; pipelines are left out, as they only chain jobs."""
    return {
        name: reachable_modules([f"spark_jobs.jobs.{name.replace('-', '_')}"])
        for name, job in all_jobs().items()
        if isinstance(job, Job)
    }


def _method(line: str, module: str, jobs: dict[str, set[str]]) -> Method:
    match = _LINE.fullmatch(line)
    if match is None or match["paper"] not in CITATIONS:
        raise ValueError(f"{module}: PAPERS: {line!r}: expected 'paper, place: what'")
    using = tuple(job for job, modules in jobs.items() if module in modules)
    return Method(match["paper"], match["place"], match["what"], module, using)
