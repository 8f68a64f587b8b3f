"""Columns with dots, spaces, backticks, quotes and keywords as names, through the jobs."""

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

# No column of a Delta table may be called like those with a space and after: the tests write
# parquet.
NAMES = ["a.b", "x`y", "select", "[q]", '"quoted"', "größe", "a", "b.c.d", "1st", "it's", "%$#"]
NAMES += ["c d", "e;f", "g(h)", "i=j", "{k}", "l,m"]
HARDEST = ["a.b", "x`y", "c d", "select"]
ROWS = 12

Check = Callable[..., pa.Table]


def odd_table(**like: str) -> pa.Table:
    """Twelve captions of three classes, with a column of each odd name; its value: name and row.

    `like`: an odd column -> the column whose values it has instead.
    """
    plain = {
        "uid": [f"u{k:02}" for k in range(ROWS)],
        "caption": ["a tabby cat", "a red rose", "a dog", "a cat and a dog"] * 3,
        "url": [f"http://x/{k // 2}" for k in range(ROWS)],
        "similarity": pa.array([k / ROWS for k in range(ROWS)], pa.float32()),
        "wnid": [f"n{k % 3}" for k in range(ROWS)],
    }
    odd = {name: [f"{name} {k}" for k in range(ROWS)] for name in NAMES}
    return pa.table(plain | odd | {name: plain[other] for name, other in like.items()})


@pytest.fixture
def odd(tmp_path: Path) -> str:
    pq.write_table(odd_table(), tmp_path / "odd.parquet")
    return f"parquet:{tmp_path / 'odd.parquet'}"


@pytest.fixture
def odd_with(tmp_path: Path) -> Callable[..., str]:
    def write(**like: str) -> str:
        pq.write_table(odd_table(**like), tmp_path / "odd.parquet")
        return f"parquet:{tmp_path / 'odd.parquet'}"

    return write


@pytest.fixture
def rows_of(captionlake, tmp_path: Path) -> Check:
    """Runs a job with an output in parquet, and gives its rows."""

    def run(job: str, *arguments: object) -> pa.Table:
        outcome = captionlake(job, *arguments, "--output", f"parquet:{tmp_path / job}")
        assert outcome.exit_code == 0, outcome.stderr
        return pq.read_table(tmp_path / job)

    return run


@pytest.fixture
def matches(rows_of: Check, odd: str, bank_file: Path, tmp_path: Path) -> str:
    """Captions and matches in one table, of match-concepts --carry."""
    rows_of("match-concepts", "--captions", odd, "--bank", bank_file, "--carry")
    return f"parquet:{tmp_path / 'match-concepts'}"


def assert_carried(rows: pa.Table, n: int) -> None:
    """Each of the n rows has all odd columns as the input has them."""
    assert rows.num_rows == n
    by_uid = {row["uid"]: row for row in odd_table().to_pylist()}
    for row in rows.to_pylist():
        assert {name: row[name] for name in NAMES} == {
            name: by_uid[row["uid"]][name] for name in NAMES
        }


def test_rules_of_filter_captions(rows_of: Check, odd: str) -> None:
    """Each name in a rule of its own; the last one leaves two rows."""
    rules = [
        f"{{rule: r{k}, column: {name!r}, op: not_in, value: [{f'{name} {k % 9}'!r}]}}"
        for k, name in enumerate(NAMES)
    ]
    rows = rows_of("filter-captions", "--captions", odd, "--set", f"rules=[{', '.join(rules)}]")
    assert_carried(rows, 3)
    assert sorted(rows["uid"].to_pylist()) == ["u09", "u10", "u11"]


def test_a_key_and_a_share_of_filter_captions(rows_of: Check, odd_with, tmp_path: Path) -> None:
    odd = odd_with(**{"a.b": "uid", "x`y": "similarity"})
    pq.write_table(pa.table({"a.b": ["u11", "u10", "u00"]}), tmp_path / "known.parquet")
    known = f"{{rule: known, in_table: {tmp_path / 'known.parquet'}, key: a.b}}"
    share = "{rule: share, top_fraction: 0.5, column: 'x`y'}"
    rows = rows_of("filter-captions", "--captions", odd, "--set", f"rules=[{known}, {share}]")
    assert sorted(rows["uid"].to_pylist()) == ["u10", "u11"]


def test_dedup_captions(rows_of: Check, odd: str) -> None:
    assert_carried(rows_of("dedup-captions", "--captions", odd, "--by", "caption+url"), ROWS)


@pytest.mark.slow
def test_label_synsets(rows_of: Check, odd: str, tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text("n0\tcat\nn1\tdog\n")
    rows = rows_of("label-synsets", "--captions", odd, "--synsets", tmp_path / "s.tsv")
    assert_carried(rows, 12)


def test_search_substrings(rows_of: Check, odd: str, tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("dataset: D\nclasses: [cat, dog]\n")
    arguments = ("--queries", tmp_path / "c.yml", "--chunks", tmp_path / "chunks")
    assert_carried(rows_of("search-substrings", "--captions", odd, *arguments), 12)


@pytest.mark.parametrize("name", HARDEST)
@pytest.mark.slow
def test_diff(rows_of: Check, odd_with, name: str) -> None:
    odd = odd_with(**{name: "wnid"})
    rows = rows_of("diff", odd, odd, "--by", name)
    assert sorted(rows["name"].to_pylist()) == ["n0", "n1", "n2"]
    assert rows["in_both"].to_pylist() == [4, 4, 4]


@pytest.mark.parametrize("name", HARDEST)
@pytest.mark.slow
def test_plan_threshold(rows_of: Check, odd_with, name: str) -> None:
    odd = odd_with(**{name: "similarity", "[q]": "wnid"})
    arguments = ("--class-column", "[q]", "--column", name, "--set", "thresholds=[0.5]")
    (row,) = rows_of("plan-threshold", "--scores", odd, *arguments).to_pylist()
    assert (row["rows"], row["classes"]) == (6, 3)


def test_matches_that_carry_the_captions_and_their_balance(rows_of: Check, matches: str) -> None:
    carried = pq.read_table(matches.removeprefix("parquet:"))
    assert_carried(carried, carried.num_rows)
    tables = ("--captions", matches, "--matches", matches)
    balanced = rows_of("balance-captions", *tables, "--t", 100)
    assert_carried(balanced, 9)
    assert rows_of("plan-balance", *tables).num_rows


@pytest.mark.slow
def test_match_and_balance_and_ingest(rows_of: Check, odd: str, bank_file: Path) -> None:
    """They read files, so that names which no Delta table can have get underscores first."""
    in_delta = {name: re.sub(r"[ ,;{}()\n\t=]", "_", name) for name in NAMES}
    balanced = rows_of("match-and-balance", odd, "--bank", bank_file, "--t", 100)
    ingested = rows_of("ingest-captions", "--input", odd.removeprefix("parquet:"))
    assert (balanced.num_rows, ingested.num_rows) == (9, ROWS)
    for rows in (balanced, ingested):
        by_uid = {row["uid"]: row for row in odd_table().to_pylist()}
        for row in rows.to_pylist():
            for name, stored in in_delta.items():
                assert row[stored] == by_uid[row["uid"]][name]


@pytest.mark.parametrize("name", HARDEST)
@pytest.mark.slow
def test_subsets(rows_of: Check, odd_with, name: str) -> None:
    odd = odd_with(**{name: "wnid", "b.c.d": "similarity"})
    by_class = ("--class-column", name)
    drawn = ("--fraction", 0.5, "--stratified", "--column", "b.c.d", "--threshold", 0.25)
    rows = rows_of("sample-subset", "--input", odd, *by_class, *drawn, "--restore-by", "b.c.d")
    assert 3 <= rows.num_rows < 9
    rows = rows_of("match-frequencies", "--sources", odd, *by_class, "--target-counts", odd)
    assert rows.num_rows == ROWS


@pytest.mark.parametrize("name", HARDEST)
@pytest.mark.slow
def test_embed_texts(captionlake, odd: str, tiny_clip: Path, tmp_path: Path, name: str) -> None:
    settings = ("--column", name, "--model", f"open_clip:{tiny_clip}", "--commits", 1)
    outcome = captionlake(
        "embed-texts", "--input", odd, *settings, "--output", tmp_path / "vectors"
    )
    assert outcome.summary["counts"]["embedded"] == ROWS, outcome.stderr
