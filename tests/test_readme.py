"""README.md keeps to what there is."""

from pathlib import Path

from typer.testing import CliRunner

from spark_jobs.cli import build_app

README = Path(__file__).parents[1] / "README.md"


def test_the_table_of_jobs_is_the_generated_one() -> None:
    """`captionlake jobs --markdown` makes it."""
    generated = CliRunner().invoke(build_app(), ["jobs", "--markdown"]).stdout
    assert generated in README.read_text()


def test_every_file_it_shows_is_there() -> None:
    text = README.read_text()
    shown = [part.partition(")")[0] for part in text.split("](")[1:]]
    files = [name for name in shown if "://" not in name and not name.startswith("#")]
    assert files
    assert [name for name in files if not (README.parent / name).exists()] == []
