"""Queries mean what they mean to SQLite's FTS5."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.core.errors import SettingsError
from spark_jobs.formats.class_files import packaged_class_files, read_class_file
from spark_jobs.retrieval.class_queries import class_queries
from spark_jobs.retrieval.phrases import RULES
from spark_jobs.retrieval.programs import numbered_phrases, programs
from spark_jobs.retrieval.query import (
    And,
    Or,
    Phrase,
    Query,
    QueryError,
    Without,
    class_expression,
    parse_query,
)
from spark_jobs.retrieval.search import query_finder
from udfs.text.boolean_match import match_queries
from udfs.text.fts_match import fts_tokens, phrase_trie, unicode61
from udfs.text.token_match import match_captions

WORDS = ["rose", "flower", "Lotus", "f_16", "café", "cafe", "日本", "ß", "t1", "NOTE", "and"]
PHRASES = ['"rose flower"', '"F-16"', '"café, rose"', '"a ""t1"" b"', '"rose"']
TEXT = [
    *(
        "rose",
        "flower",
        "LOTUS",
        "f",
        "16",
        "F-16",
        "café",
        "CAFE\u0301",
        "cafe",
        "日本",
        "ß",
        "ss",
    ),
    *("t1", "t 1", "note", "and", "a", "b", ",", ".", "-", "_", "  ", "\t", "\u00a0", "'", "𝔘"),
]


def found(queries: list[Query], texts: list[str | None]) -> list[list[int]]:
    number = numbered_phrases(queries)
    phrases = match_captions(
        pa.array(texts, pa.string()), phrase_trie([p.tokens for p in number]), unicode61()
    )
    return match_queries(phrases, programs(queries, number)).to_pylist()


def has_fts5() -> bool:
    try:
        sqlite3.connect(":memory:").execute("CREATE VIRTUAL TABLE t USING fts5(x)")
    except sqlite3.OperationalError:
        return False
    return True


class Fts5:
    """The plain definition: SQLite itself, with its default tokeniser."""

    def __init__(self, texts: list[str]) -> None:
        self._db = sqlite3.connect(":memory:")
        self._db.execute("CREATE VIRTUAL TABLE samples USING fts5(text)")
        rows = list(enumerate(texts))
        self._db.executemany("INSERT INTO samples(rowid, text) VALUES (?, ?)", rows)

    def rows(self, expression: str) -> set[int]:
        sql = "SELECT rowid FROM samples WHERE text MATCH ?"
        return {row for (row,) in self._db.execute(sql, [expression])}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    draws = np.random.default_rng(0)
    drawn = (draws.choice(TEXT, draws.integers(0, 9)) for _ in range(10_000))
    return [draws.choice(["", " ", "-"]).join(part) for part in drawn]


def made_up(draws: np.random.Generator, depth: int = 0) -> str:
    kind = draws.random()
    if depth > 3 or kind < 0.4:
        return str(draws.choice([*WORDS, *PHRASES]))
    if kind < 0.6:
        return " ".join(draws.choice([*WORDS, *PHRASES], draws.integers(2, 4)))
    inner = [made_up(draws, depth + 1) for _ in range(2)]
    if kind < 0.75:
        return f"({inner[0]}) {draws.choice(['AND', 'OR', 'NOT'])} {inner[1]}"
    return f" {draws.choice(['AND', 'OR', 'NOT'])} ".join(inner)


@pytest.mark.skipif(not has_fts5(), reason="this Python's SQLite has no FTS5")
class TestAgainstSqlite:
    def test_ten_thousand_captions_by_made_up_queries(self, texts: list[str]) -> None:
        draws = np.random.default_rng(1)
        expressions = [made_up(draws) for _ in range(300)]
        ours = found([parse_query(e, fts_tokens) for e in expressions], texts)
        sqlite = Fts5(texts)
        n_found = 0
        for position, expression in enumerate(expressions):
            rows = {row for row, held in enumerate(ours) if position in held}
            assert rows == sqlite.rows(expression), expression
            n_found += bool(rows)
        assert n_found > 200

    def test_every_code_point_is_cut_and_folded_alike(self) -> None:
        if sqlite3.sqlite_version_info[:2] != (3, 40):
            pytest.skip("the table is that of SQLite 3.40")
        codes = [c for c in range(1, 0x30000) if not 0xD800 <= c < 0xE000]
        db = sqlite3.connect(":memory:")
        db.execute("CREATE VIRTUAL TABLE t USING fts5(x)")
        db.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, instance)")
        db.executemany("INSERT INTO t(rowid, x) VALUES (?, ?)", ((c, f"a{chr(c)}b") for c in codes))
        theirs: dict[int, list[str]] = {}
        for term, row in db.execute("SELECT term, doc FROM v ORDER BY doc, offset"):
            theirs.setdefault(row, []).append(term)
        from udfs.text.rewriting import rewrite_as_array

        spaced = rewrite_as_array(pa.array([f"a{chr(c)}b" for c in codes]), unicode61()).to_pylist()
        assert [s.split(" ") for s in spaced] == [theirs[c] for c in codes]

    @pytest.mark.parametrize(
        "expression",
        ["St. Bernard", "colt's foot", "NOT a", "a AND", '"', "(a", "a)", "a, b", "100%", "a (b)"],
    )
    def test_what_it_refuses_is_refused(self, expression: str) -> None:
        with pytest.raises(QueryError, match=r"expected|must stand|is not closed"):
            parse_query(expression, fts_tokens)
        with pytest.raises(sqlite3.OperationalError):
            Fts5(["a"]).rows(expression)


def phrase(*tokens: str) -> Phrase:
    return Phrase(tokens)


def test_words_bind_tighter_than_not_and_and_or() -> None:
    query = parse_query('a b OR c AND d NOT "e f"', fts_tokens)
    without = Without(phrase("d"), phrase("e", "f"))
    assert query == Or((And((phrase("a"), phrase("b"))), And((phrase("c"), without))))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a "b', "the quote at character 3 is not closed"),
        ("(a OR b", "the parenthesis at character 1 is not closed"),
        ("a b)", r"expected AND, OR or NOT, found '\)' at character 4"),
        ("a OR", "expected a word or phrase, found the end"),
        ('a AND ""', "the phrase at character 7 has no letter or digit"),
        ("St. Bernard", r"'\.' at character 3 must stand in a quoted phrase"),
        ("", "expected a word or phrase, found the end"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        parse_query(text, fts_tokens)


def test_names_with_hyphen_or_slash_are_phrases() -> None:
    assert class_expression("great-white shark") == '"great-white shark"'
    assert class_expression("F/A-18") == '"F/A-18"'
    assert class_expression('"a-b" OR c') == '"a-b" OR c'
    assert class_expression("tiger shark") == "tiger shark"


def test_queries_that_share_an_anchor_and_captions_of_nothing() -> None:
    names = ["a b", "a c", "a OR d", "d NOT a", "b NOT (a OR c)"]
    queries = [parse_query(name, fts_tokens) for name in names]
    texts = ["a b", "a c b", "d", "b", "", None, "x"]
    assert found(queries, texts) == [[0, 2], [0, 1, 2], [2, 3], [4], [], [], []]
    assert found([], texts) == [[]] * 7


class TestPlainText:
    """Rule `substring`: a name or phrase as it stands, in lower case."""

    def pairs(self, name: str, texts: list[str | None]) -> list[tuple[str, int]]:
        rule = RULES["substring"]
        queries, faults = class_queries(
            read_class_file(name), name, rule.tokens_of, names_are_phrases=True
        )
        assert faults == []
        uids = pa.array([str(k) for k in range(len(texts))])
        batch = pa.RecordBatch.from_arrays([uids, pa.array(texts)], ["uid", "caption"])
        found = pa.Table.from_batches(query_finder(queries, "substring")([batch])).to_pylist()
        return sorted((row["query"], int(row["uid"])) for row in found)

    def test_every_name_that_stands_in_a_caption_is_found(self, cases: Path) -> None:
        rows = pq.read_table(cases / "unmet_substring/input_rows.parquet")["TEXT"].to_pylist()
        stats = json.loads((cases / "unmet_substring/expected_stats.json").read_text())
        found = self.pairs("fgvc_aircraft", rows)
        names = read_class_file("fgvc_aircraft").classes
        plain = [(n, k) for n in names for k, t in enumerate(rows) if t and n.lower() in t.lower()]
        assert found == sorted(plain)
        assert len(found) == stats["FGVCAircraft"]["pairs_of_naive_lowercase_substring"]

    def test_phrases_may_lie_inside_words_and_be_joined(self, tmp_path: Path) -> None:
        file = tmp_path / "c.yml"
        file.write_text(
            "dataset: D\nclasses: [St. Bernard, Ant, x]\n"
            'class_map: {x: \'"red rose" AND NOT_ NOT "blue, "\'}\n'
        )
        texts = [
            "st. bernard PLANTS",
            "a red rose not_",
            "Red Roses, not_ blue, ",
            "St Bernard",
            None,
        ]
        assert self.pairs(str(file), texts) == [("Ant", 0), ("St. Bernard", 0), ("x", 1)]


class TestClassFiles:
    def write(self, tmp_path: Path, text: str) -> str:
        file = tmp_path / "c.yml"
        file.write_text(text)
        return str(file)

    def test_a_bad_class_is_named_and_stops_no_other(self, tmp_path: Path) -> None:
        name = self.write(
            tmp_path,
            "dataset: D\nclasses: [a, 'b (c', d, a]\nclass_map: {d: '\"x\" OR', e: f}\n",
        )
        queries, faults = class_queries(read_class_file(name), name, fts_tokens)
        assert [(q.dataset, q.name) for q in queries] == [("D", "a")]
        assert faults == [
            f"{name}: class 'a': is there 2 times",
            f"{name}: class_map: there is no class 'e'",
            f"{name}: class 'b (c': expected AND, OR or NOT, found '(' at character 3: b (c",
            f"{name}: class 'd': expected a word or phrase, found the end: \"x\" OR",
        ]

    def test_what_is_no_class_file_is_refused(self, tmp_path: Path) -> None:
        name = self.write(tmp_path, "dataset: D\nclases: [a]\n")
        with pytest.raises(SettingsError, match="unknown setting 'clases', did you mean 'classes'"):
            read_class_file(name)
        with pytest.raises(SettingsError, match="no class file 'imagnet', did you mean 'imagenet'"):
            read_class_file("imagnet")

    @pytest.mark.parametrize("name", packaged_class_files())
    def test_those_that_come_along_are_sound(self, name: str) -> None:
        file = read_class_file(name)
        queries, faults = class_queries(file, name, fts_tokens)
        assert faults == []
        assert len(queries) == len(file.classes)
        assert all(template.count("{}") == 1 for template in file.templates)


class TestPublished:
    NAMES = ("imagenet", "stanford_cars", "fgvc_aircraft", "flowers102", "dtd")

    def of_all(self) -> list[tuple[str, str, Query]]:
        every = []
        for name in self.NAMES:
            queries, _ = class_queries(read_class_file(name), name, fts_tokens)
            every += [(q.dataset, q.name, q.query) for q in queries]
        return every

    def test_all_data_sets_at_once_give_the_published_pairs(self, cases: Path) -> None:
        every = self.of_all()
        rows = pq.read_table(cases / "unmet_substring/input_rows.parquet").to_pylist()
        held = found([query for _, _, query in every], [row["TEXT"] for row in rows])
        pairs = {(*every[q][:2], rows[k]["URL"]) for k, qs in enumerate(held) for q in qs}
        published = set()
        for dataset in {d for d, _, _ in every}:
            file = cases / f"unmet_substring/expected_{dataset}.parquet"
            published |= {(dataset, r["QUERY"], r["URL"]) for r in pq.read_table(file).to_pylist()}
        assert pairs == published

    def test_on_web_captions(self, cases: Path) -> None:
        every = self.of_all()
        rows = pq.read_table(cases / "laion_real/input.parquet").to_pylist()
        held = found([query for _, _, query in every], [row["TEXT"] for row in rows])
        pairs = {(*every[q][:2], rows[k]["row"]) for k, qs in enumerate(held) for q in qs}
        published = pq.read_table(cases / "laion_real/expected_fts.parquet").to_pylist()
        assert pairs == {(r["dataset"], r["QUERY"], r["row"]) for r in published}
