"""Addresses of tables."""

from pathlib import Path

import pytest

from spark_jobs.core.addresses import Address, join_address, parse_address, parse_parent, table_name
from spark_jobs.core.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/x/y", Address("/x/y", True, None)),
        ("delta:/x", Address("/x", True, "delta")),
        ("parquet:s3://b/x", Address("s3://b/x", True, "parquet")),
        ("s3://bucket/x/", Address("s3://bucket/x", True, None)),
        ("dbfs:/x", Address("dbfs:/x", True, None)),
        ("main.web.captions", Address("main.web.captions", False, None)),
        ("web.captions", Address("web.captions", False, None)),
        ("`my-lake`.raw.`2024`", Address("`my-lake`.raw.`2024`", False, None)),
    ],
)
def test_reads_paths_and_names(text: str, address: Address) -> None:
    assert parse_address(text) == address


def test_parts_in_back_quotes_are_quoted_once_in_sql() -> None:
    table = parse_address("`my-lake`.raw.`2024`")
    assert table.sql_name == "`my-lake`.`raw`.`2024`"
    assert table_name("`my-lake`.raw.`2024`") == "2024"
    assert join_address(parse_parent(table.parent()), "runs") == "`my-lake`.raw.runs"


@pytest.mark.parametrize("text", ["`a.b`.c", "`a/b`.c", "run-2026.11.26", "`a`"])
def test_other_back_quotes_and_hyphens_are_paths(text: str) -> None:
    assert parse_address(text).is_path


def test_relative_paths_become_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_address("./x").location == str(tmp_path / "x")
    assert parse_address("bank.txt").location == str(tmp_path / "bank.txt")


@pytest.mark.parametrize("text", ["shards", "./shards", "shards/", "delta:shards"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_bare_word_is_a_folder_here_whether_it_is_there_or_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, is_there: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    if is_there:
        (tmp_path / "shards").mkdir()
    assert parse_address(text).location == str(tmp_path / "shards")
    assert parse_address(text).is_path


def test_words_with_hyphens_are_folders_and_words_with_dots_are_tables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_address("laion-2b.en").location == str(tmp_path / "laion-2b.en")
    assert not parse_address("web.captions").is_path
    (tmp_path / "web.captions").mkdir()
    assert parse_address("web.captions").location == str(tmp_path / "web.captions")


@pytest.mark.parametrize(("text", "message"), [("", "is empty"), ("a.b.c.d", "'./a.b.c.d' for a")])
def test_refuses_what_is_no_address(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_address(text)


@pytest.mark.parametrize("text", ["https://example.org/a.parquet", "HTTP://h/a.json"])
def test_refuses_addresses_of_the_web(text: str) -> None:
    with pytest.raises(SettingsError, match="download it, and give the file"):
        parse_address(text)


def test_file_names_and_existing_folders_are_paths(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "captions").mkdir()
    for text in ("captions", "new.jsonl", "*.parquet", "part.txt.gz"):
        assert parse_address(text) == Address(str(tmp_path / text), True, None)


def test_tables_lie_in_a_folder_or_a_schema(tmp_path: Path) -> None:
    assert parse_parent(str(tmp_path)) == str(tmp_path)
    assert parse_parent("main.web") == "main.web"
    assert parse_parent("web") == str(Path.cwd() / "web")
    for text in ("main.web.captions", "parquet:/x"):
        with pytest.raises(SettingsError):
            parse_parent(text)


def test_tables_stand_beside_each_other_in_folders_and_schemas() -> None:
    assert join_address("/x", "runs") == "/x/runs"
    assert join_address("main.web", "runs") == "main.web.runs"
    assert parse_address("main.web.captions").parent() == "main.web"
    assert parse_address("/x/captions").parent() == "/x"
