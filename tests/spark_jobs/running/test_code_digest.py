"""Which code a job's digest is over."""

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from spark_jobs.running import code_digest as module
from spark_jobs.running.code_digest import (
    code_digest,
    imported_names,
    module_source,
    reachable_modules,
)
from spark_jobs.running.registry import all_jobs


def behind(job: str) -> set[str]:
    return reachable_modules([f"spark_jobs.jobs.{job.replace('-', '_')}"])


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import udfs.text.lists as x, os", {"udfs.text.lists", "os"}),
        ("from spark_jobs import schemas, tables as t", {"schemas", "tables"}),
        ("from . import keep\nfrom .law import draw\nfrom ..job import Run",
         {"balancing", "balancing.keep", "balancing.law", "balancing.law.draw", "job", "job.Run"}),
        ("def f():\n  from udfs import a\nclass C:\n  def g(self):\n    import udfs.b",
         {"udfs", "udfs.a", "udfs.b"}),
        ("try:\n  import udfs.a\nexcept ImportError:\n  import udfs.b", {"udfs.a", "udfs.b"}),
        ("if __name__ == '__main__':\n  from spark_jobs.cli import f\nelse:\n  import udfs.a",
         {"udfs.a"}),
        ("if TYPE_CHECKING:\n  import udfs.a\nimport udfs.b", {"udfs.b"}),
        ("if x:\n  import udfs.a", {"udfs.a"}),
        ("# import udfs.a\n'import udfs.b'", set()),
    ],
)  # fmt: skip
def test_imports_that_can_run_are_found(source: str, names: set[str]) -> None:
    found = set(imported_names(ast.parse(source), "spark_jobs.balancing"))
    short = {name.removeprefix("spark_jobs.") for name in found} - {"spark_jobs"}
    assert short == names


def test_every_job_has_a_module_of_its_name() -> None:
    assert [
        n for n in all_jobs() if module_source(f"spark_jobs.jobs.{n.replace('-', '_')}") is None
    ] == []
    assert code_digest("no-such-job") == code_digest("none-either") != code_digest("diff")


# Imports the packages that jobs need, which takes seconds, and then each module in a child of its
# own, whose modules of ours it prints.
_IMPORTS = """
import os, sys
import numpy, pandas, pyarrow.compute, pyarrow.fs, pyarrow.parquet, pydantic, typer, yaml
import pyspark.sql.functions, pyspark.sql.pandas.types
ours = lambda: [m for m in sys.modules if m.partition(".")[0] in ("spark_jobs", "udfs")]
assert ours() == []
for name in sys.argv[1:]:
    if os.fork() == 0:
        __import__(name)
        print(name, *ours(), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, name
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """Module of each job -> the modules of ours that are there once it is imported."""
    modules = [f"spark_jobs.jobs.{job.replace('-', '_')}" for job in all_jobs()]
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS, *modules], capture_output=True, check=True, text=True
    )
    lines = (line.split() for line in done.stdout.splitlines())
    return {name: {*loaded} for name, *loaded in lines}


@pytest.mark.slow
@pytest.mark.parametrize("job", all_jobs())
def test_all_that_an_import_loads_is_behind_it(job: str, imported: dict[str, set[str]]) -> None:
    there = imported[f"spark_jobs.jobs.{job.replace('-', '_')}"]
    assert len(there) > 20
    assert there - behind(job) == set()


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    code_digest.cache_clear()


@pytest.mark.parametrize(
    ("touched", "jobs", "others"),
    [
        ("spark_jobs.report.entries", ["report", "curate"], ["match-concepts", "embed-texts"]),
        ("udfs.text.token_search", ["match-concepts", "curate"], ["maintain", "embed-texts"]),
        ("udfs.models.embedding", ["embed-texts"], ["match-concepts"]),
        ("spark_jobs.storage.tables", ["match-concepts", "embed-texts", "diff"], []),
        ("spark_jobs.cli", [], ["match-concepts", "embed-texts", "report"]),
        ("spark_jobs.balancing", ["balance-captions"], ["maintain"]),
    ],
)
def test_a_change_concerns_the_jobs_that_import_it(changed, touched, jobs, others) -> None:
    before = {job: code_digest(job) for job in [*jobs, *others]}
    code_digest.cache_clear()
    read = module.module_source
    changed.setattr(
        module,
        "module_source",
        lambda name: (read(name) or b"") + b"#" if name == touched else read(name),
    )
    assert [job for job in before if code_digest(job) != before[job]] == jobs


@pytest.mark.parametrize(
    ("file", "jobs"),
    [
        ("page.html", {"report", "curate"}),
        # A package's files count for all that import modules of it.
        ("unicode61.tsv", {"search-substrings", "match-concepts", "curate", "embed-texts"}),
        ("fgvc_aircraft.yml", {"search-substrings", "count-concepts"}),
        ("balance_captions.yml", set()),  # its values are settings, which count by themselves
        ("metaclip.yml", set()),
    ],
)
def test_data_files_count_for_those_who_read_them(changed, file: str, jobs: set[str]) -> None:
    looked = {*jobs, "maintain", "embed-texts"}
    before = {job: code_digest(job) for job in looked}
    code_digest.cache_clear()
    read = module._data_files
    changed.setattr(
        module,
        "_data_files",
        lambda name, folder: ((n, b"#" if n.endswith(file) else c) for n, c in read(name, folder)),
    )
    assert {job for job in looked if code_digest(job) != before[job]} == jobs
