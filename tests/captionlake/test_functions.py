"""The functions of captionlake: the file of signatures, and what an import costs."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import captionlake as cl
from spark_jobs.core.settings import base_settings
from spark_jobs.running.python_functions import PATHS, functions_source
from spark_jobs.running.registry import all_jobs

FUNCTIONS = Path(cl.__file__).parent / "jobs.py"
OF_CALLS = {"force", "quiet"}


def test_the_file_of_functions_is_what_the_jobs_say() -> None:
    assert FUNCTIONS.read_text(encoding="utf-8") == functions_source(), "run `make functions`"


@pytest.mark.parametrize("name", all_jobs())
def test_a_function_has_the_settings_of_its_job(name: str) -> None:
    job = all_jobs()[name]
    function = getattr(cl, name.replace("-", "_"))
    parameters = inspect.signature(function).parameters
    settings = set(job.settings.model_fields)
    assert not settings & OF_CALLS, "captionlake has an argument of this name"
    further = {"set", "variables"} if name == "run" else set()
    assert set(parameters) == settings | OF_CALLS | further
    by_position = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert by_position == list(job.arguments)
    doc = inspect.getdoc(function) or ""
    assert doc.startswith(job.summary)
    assert all(f"\n{setting} : " in doc for setting in parameters if setting != "variables")


@pytest.mark.parametrize(
    ("function", "setting", "kind", "default"),
    [
        ("match_concepts", "captions", "str | os.PathLike[str]", inspect.Parameter.empty),
        ("match_concepts", "rule", "Literal['metaclip', 'metaclip2']", "metaclip"),
        ("curate", "t", "int | None", 20_000),
        ("curate", "columns", "Mapping[str, str] | None", None),
        ("filter_captions", "rules", "Sequence[Mapping[str, typing.Any]]", inspect.Parameter.empty),
        ("count_concepts", "classes", "str | Sequence[str]", inspect.Parameter.empty),
    ],
)
def test_types_and_defaults(function: str, setting: str, kind: str, default: object) -> None:
    parameter = inspect.signature(getattr(cl, function)).parameters[setting]
    annotation = inspect.formatannotation(parameter.annotation).replace("collections.abc.", "")
    assert annotation == kind
    assert parameter.default == default


def test_notes_of_settings_are_in_words_of_python() -> None:
    doc = inspect.getdoc(cl.report) or ""
    assert "table : address; one of table, run or recipe is required" in doc
    assert "intermediate : True or False; default True" in (inspect.getdoc(cl.curate) or "")
    assert "sources : addresses; required" not in doc


def test_settings_that_may_be_paths_exist() -> None:
    assert {name for job in all_jobs().values() for name in job.settings.model_fields} >= PATHS


def test_only_what_a_caller_passes_overrides_the_base_file() -> None:
    assert base_settings("curate") == {"t": 20_000}  # else the default in the signature is another


def test_an_import_leaves_spark_and_the_jobs_out() -> None:
    code = (
        "import sys; from captionlake import curate, open_table, CurationError; print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pyspark", "pydantic", "numpy", "pandas", "pyarrow", "yaml", "spark_jobs.jobs"}
    assert not heavy & set(run.stdout.split())


def test_all_names_are_listed() -> None:
    assert {"curate", "run", "open_table", "CurationError", "Result"} <= set(cl.__all__)
    assert all(hasattr(cl, name) for name in cl.__all__)


USER_SCRIPT = """
from pathlib import Path
import captionlake as cl
matches = cl.match_concepts(captions="./captions", bank=Path("bank.txt"), output="./matches")
matches.table("entry_counts").show()
cl.run("metaclip", input="./pairs", set={"balanced_captions.t": 10})
"""
FAULTY_SCRIPT = """
import captionlake as cl
cl.match_concepts(captons="./captions", bank="./bank", output="./matches")
cl.match_concepts(captions="./captions", bank="./bank", rule="meta")
cl.curate(bank="./bank", output="./curated")
"""


@pytest.mark.slow
def test_mypy_checks_a_script_of_a_user(tmp_path: Path) -> None:
    from mypy import api

    def faults(script: str) -> list[str]:
        path = tmp_path / "script.py"
        path.write_text(script)
        config = Path(__file__).parents[2] / "pyproject.toml"
        stdout, stderr, _ = api.run(["--config-file", str(config), "--no-error-summary", str(path)])
        assert not stderr
        return [line.partition("error: ")[2] for line in stdout.splitlines() if "error: " in line]

    assert faults(USER_SCRIPT) == []
    unknown, rule, missing = faults(FAULTY_SCRIPT)
    assert 'Unexpected keyword argument "captons"' in unknown
    assert 'Argument "rule"' in rule
    assert 'Missing positional argument "input"' in missing
