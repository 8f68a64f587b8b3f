"""Sections by hand-made numbers, without Spark."""

from datetime import UTC, datetime

import numpy as np
import pytest

from spark_jobs.core.run_records import RunRecord, runs_behind
from spark_jobs.report.blocks import Figure, Note, Section, Table, visible
from spark_jobs.report.captions import matches_blocks
from spark_jobs.report.entries import EntryCounts, EntryRow, entry_pictures, entry_tables
from spark_jobs.report.page import Page, render


def record(
    job: str, position: int = 0, inputs: tuple[str, ...] = (), output: str = "/o", **counts: int
) -> RunRecord:
    started = datetime(2026, 1, 1, 0, position, tzinfo=UTC)
    versions = dict.fromkeys(inputs, "delta:0")
    written = {"output": output}
    return RunRecord(f"r{position}", job, {}, versions, written, counts, "code", started, 1.0)


class TestRunsBehind:
    def test_a_table_leads_back_to_the_first_input(self) -> None:
        runs = [
            record("ingest-captions", 0, ("/raw",), "/c"),
            record("ingest-captions", 1, ("/other",), "/d"),
            record("match-concepts", 2, ("/c", "/bank"), "/m"),
        ]
        assert [run.run_id for run in runs_behind(runs, ["/m"])] == ["r0", "r2"]
        assert runs_behind(runs, ["/nope"]) == []

    def test_a_run_has_read_what_the_last_run_before_it_wrote(self) -> None:
        runs = [
            record("ingest-captions", 0, (), "/c"),
            record("ingest-captions", 1, (), "/c"),
            record("match-concepts", 2, ("delta:/c",), "/m"),
            record("ingest-captions", 3, (), "/c"),
        ]
        assert [run.run_id for run in runs_behind(runs, ["/m"])] == ["r1", "r2"]


def entries(counts: list[int], kept: list[int] | None, t: int) -> EntryCounts:
    return EntryCounts(
        counts=np.array(counts),
        kept=None if kept is None else np.array(kept),
        ts=[t],
        largest=[EntryRow("dog", counts[0], kept[0] if kept else None)],
        rarest=[EntryRow("newt", counts[-1], kept[-1] if kept else None)],
        n_bank=10,
    )


class TestEntries:
    def test_head_and_tail_add_up(self) -> None:
        head_and_tail, largest, rarest = entry_tables(entries([60, 30, 9, 1], [20, 18, 9, 1], 20))
        assert isinstance(head_and_tail, Table)
        assert [tuple(row) for row in head_and_tail.rows] == [
            ("head: more than 20 captions", "2", "90", "38"),
            ("tail: at most 20", "2", "10", "10"),
            ("share of matches in the tail", "", "10.0%", "20.8%"),
        ]
        assert [tuple(row) for row in largest.rows] == [("dog", "60", "20")]
        assert [tuple(row) for row in rarest.rows] == [("newt", "1", "1")]

    def test_pictures_tell_their_numbers(self) -> None:
        note, by_rank, share = entry_pictures(entries([60, 30, 9, 1], [20, 18, 9, 1], 20))
        assert note.text == "4 of 10 entries occur in a caption."
        assert isinstance(by_rank, Figure)
        assert by_rank.description == (
            "2 entries occur in more than t = 20 captions: the head. The other 2 keep all of "
            "theirs: the tail."
        )
        assert "hold 60.0% of the matches, after balancing 41.7%" in share.description
        assert all(name in by_rank.svg for name in ("var(--before)", "var(--after)", "t = 20"))

    def test_that_an_entry_keeps_more_than_t_is_said_beside_its_line(self) -> None:
        _, by_rank, _ = entry_pictures(entries([600, 300, 9, 1], [133, 20, 9, 1], 20))
        assert isinstance(by_rank, Figure)
        assert by_rank.description.endswith(
            "An entry may keep more than t, because a caption stays if any of its entries wants "
            "it: 1 of the head keep more than 20; “dog” keeps 133."
        )
        assert "t = 20; an entry may keep more: a caption" in by_rank.svg

    def test_an_entry_as_frequent_as_t_is_tail(self) -> None:
        (table, *_) = entry_tables(entries([21, 20], [20, 20], 20))
        assert isinstance(table, Table)
        assert [row[1] for row in table.rows[:2]] == ["1", "1"]

    def test_the_largest_are_named_and_log_axes_have_plain_numbers(self) -> None:
        counts = [20_000 // rank for rank in range(1, 2_000)]
        _, by_rank, _ = entry_pictures(entries(counts, counts, 30_000))
        assert isinstance(by_rank, Figure)
        assert ">1. dog 20,000 → 20,000<" in by_rank.svg
        for text in (">rank of the entry (log scale)<", ">captions per entry (log scale)<"):
            assert text in by_rank.svg
        assert {">1<", ">10<", ">100<", ">1,000<", ">10,000<"} <= {
            f">{part.partition('<')[0]}<" for part in by_rank.svg.split(">")
        }
        assert "mathdefault" not in by_rank.svg
        assert by_rank.description.startswith("No entry occurs in more than t = 30,000 captions")

    def test_an_entry_is_never_read_as_tex(self) -> None:
        odd = EntryCounts(np.array([2]), None, [], [EntryRow("$x_{<b>", 2, None)], [], 1)
        _, by_rank, _ = entry_pictures(odd)
        assert isinstance(by_rank, Figure)
        assert "1. $x_{&lt;b&gt; 2" in by_rank.svg

    @pytest.mark.parametrize("kept", [None, [0, 0]])
    def test_counts_alone_and_nothing_kept_can_be_drawn(self, kept: list[int] | None) -> None:
        assert len(entry_pictures(entries([5, 1], kept, 2))) == 3
        assert len(entry_tables(entries([5, 1], kept, 2))) == 3

    def test_no_entry_is_a_note(self) -> None:
        (note,) = entry_pictures(EntryCounts(np.array([], np.int64), None, [], [], [], 3))
        assert isinstance(note, Note)


def test_matches_per_caption_are_shares() -> None:
    (figure,) = matches_blocks({0: 1, 1: 2, 11: 1}, {1: 2})
    assert figure.description == "Captions without a match: 25.0% before, 0.0% after."
    assert "11+" in figure.svg
    (figure,) = matches_blocks({2: 4}, {})
    assert "after" not in figure.description
    (note,) = matches_blocks({}, {})
    assert isinstance(note, Note)


def test_captions_are_shown_whole_or_cut_and_never_act() -> None:
    assert visible("a\x00b\tc\x7f") == "a␀b␉c␡"
    assert visible("x" * 400) == "x" * 299 + "…"
    table = Table("<i>", ["<b>"], [["<script>"]])
    html = render(Page("<u>", "&", [("<s>", "<q>")], [Section("<em>", [table])])).decode()
    assert not any(tag in html for tag in ("<i>", "<b>", "<script>", "<u>", "<s>", "<q>", "<em>"))


def test_no_two_ids_of_a_page_are_alike() -> None:
    figure, same = (matches_blocks({1: 1}, None)[0] for _ in range(2))
    html = render(Page("t", "s", [], [Section("a", [figure, same])])).decode()
    ids = [part.partition('"')[0] for part in html.split(' id="')[1:]]
    assert len(ids) == len(set(ids)) > 20
