"""Sections by hand-made numbers, without Spark."""

from datetime import UTC, datetime

import numpy as np
import pytest

from spark_jobs.core.run_records import RunRecord, runs_behind
from spark_jobs.report.blocks import Figure, Note, Section, Table, visible
from spark_jobs.report.captions import matches_blocks
from spark_jobs.report.entries import EntryCounts, EntryRow, entry_pictures, entry_tables
from spark_jobs.report.funnel import funnel_section, key_figures
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


class TestFunnel:
    RUNS = (
        record("ingest-captions", rows_in=100, kept=90, rejected=10, null_caption=4, bad_utf8=6),
        record("dedup-captions", rows_in=90, kept=90, duplicates=0),
        record("match-concepts", rows_in=90, matched=80, unmatched=10, matches=200, entries=7),
        record("balance-captions", rows_in=90, kept=30, unmatched=10, thinned=50, t=3),
    )

    def test_each_stage_tells_what_it_left_and_lost(self) -> None:
        (bars,) = funnel_section(self.RUNS).blocks
        found = [(bar.label, bar.number, bar.share, bar.losses) for bar in bars.bars]
        assert found == [
            ("read", "100", 1.0, ""),
            ("accepted", "90", 0.9, "10 fewer (null caption 4, bad utf8 6)"),
            ("unique", "90", 0.9, ""),
            ("matched", "80", 0.8, "10 fewer"),
            ("kept", "30", 0.3, "50 fewer"),
        ]

    def test_balancing_without_a_stage_of_matching_tells_unmatched_from_thinned(self) -> None:
        alone = record(
            "balance-captions",
            rows_in=90,
            kept=30,
            unmatched=10,
            thinned=50,
            without_matches=4,
            t=3,
        )
        (bars,) = funnel_section([alone]).blocks
        assert [bar.losses for bar in bars.bars] == ["", "60 fewer (unmatched 10, thinned 50)"]
        direct = record(
            "match-and-balance", rows_in=100, accepted=90, matched=80, matches=200, t=3, kept=30,
            unmatched=10, thinned=50, rejected=10, null_caption=4, bad_utf8=6,
        )  # fmt: skip
        (bars,) = funnel_section([direct]).blocks
        losses = ["", "10 fewer (null caption 4, bad utf8 6)", "10 fewer", "50 fewer"]
        assert [bar.losses for bar in bars.bars] == losses

    def test_the_key_figures_are_its_ends(self) -> None:
        assert key_figures(self.RUNS) == [
            ("100", "captions read"),
            ("30", "captions kept"),
            ("30.0%", "of those read"),
            ("3", "t"),
        ]

    def test_numbers_of_classes_are_no_rows_lost(self) -> None:
        run = record(
            "sample-subset", rows_in=434, kept=77, dropped=357, restored=2, classes=55,
            drawn_from=300, classes_lifted=44, classes_too_small=3,
        )  # fmt: skip
        (bars,) = funnel_section([run]).blocks
        assert [(bar.label, bar.losses) for bar in bars.bars][1:] == [("drawn", "357 fewer")]

    def test_no_captions_and_no_stages(self) -> None:
        (bars,) = funnel_section([record("ingest-captions", rows_in=0, kept=0)]).blocks
        assert [bar.share for bar in bars.bars] == [0.0, 0.0]
        (note,) = funnel_section([record("build-concept-bank", entries=3)]).blocks
        assert isinstance(note, Note)


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
            ("tail", "2", "10", "10"),
            ("share of matches in the tail", "", "10.0%", "20.8%"),
        ]
        assert [tuple(row) for row in largest.rows] == [("dog", "60", "20")]
        assert [tuple(row) for row in rarest.rows] == [("newt", "1", "1")]

    def test_pictures_tell_their_numbers(self) -> None:
        note, by_rank, share = entry_pictures(entries([60, 30, 9, 1], [20, 18, 9, 1], 20))
        assert note.text == "4 of 10 entries occur in a caption."
        assert isinstance(by_rank, Figure)
        assert "2 entries occur in more than t = 20 captions" in by_rank.description
        assert "hold 60.0% of the matches, after balancing 41.7%" in share.description
        assert all(name in by_rank.svg for name in ("var(--before)", "var(--after)", "t = 20"))

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
