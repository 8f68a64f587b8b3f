"""Funnel and headline of runs made by hand, without Spark."""

from datetime import UTC, datetime
from typing import Any

from spark_jobs.core.run_records import RunRecord
from spark_jobs.report.blocks import Bars, Note, Section, Table
from spark_jobs.report.funnel import funnel_section
from spark_jobs.report.headline import headline, key_figures


def record(
    job: str,
    position: int,
    inputs: tuple[str, ...],
    output: str,
    settings: dict[str, Any] | None = None,
    **counts: int,
) -> RunRecord:
    return RunRecord(
        f"r{position}", job, settings or {}, dict.fromkeys(inputs, "delta:0"), {"output": output},
        counts, "code", datetime(2026, 1, 1, 0, position, tzinfo=UTC), 1.0,
    )  # fmt: skip


def bars(section: Section) -> list[Bars]:
    return [block for block in section.blocks if isinstance(block, Bars)]


def labels(block: Bars) -> list[tuple[str, str, str]]:
    return [(bar.label, bar.number, bar.losses) for bar in block.bars]


CURATED = [
    record("ingest-captions", 0, ("/raw",), "/c", rows_in=100, kept=90, rejected=10,
           null_caption=4, bad_utf8=6),
    record("build-concept-bank", 1, (), "/bank", entries=7),
    record("dedup-captions", 2, ("/c",), "/u", rows_in=90, kept=90, duplicates=0),
    record("match-concepts", 3, ("/u", "/bank"), "/m", rows_in=90, matched=80, unmatched=10,
           matches=200),
    record("balance-captions", 4, ("/u", "/m"), "/b", rows_in=90, kept=30, unmatched=10, thinned=50,
           t=3),
]  # fmt: skip
SUBSETS = [
    record("sample-subset", 5, ("/pairs",), "/thresh_075", {"threshold": 0.75}, rows_in=400,
           kept=200, dropped=200, restored=2, classes=55, drawn_from=300, classes_lifted=4),
    record("sample-subset", 6, ("/pairs",), "/frac_2", {"fraction": 0.5}, rows_in=400, kept=100,
           dropped=300, restored=0, classes=50),
]  # fmt: skip
MATCHED = [
    record("ingest-captions", 0, ("/json",), "/records", rows_in=400, kept=400),
    record("embed-texts", 1, ("/records",), "/vectors", embedded=400),
    record("assign-neighbours", 2, ("/vectors", "/records"), "/t2t", items=400, rows=380),
    record("match-frequencies", 3, ("/pairs", "/t2t", "/records"), "/matched", rows_in=3380,
           rows=390, target=400, short=10, classes_short=2, from_pairs=300, from_t2t=90),
]  # fmt: skip


class TestFunnel:
    def test_each_stage_has_what_it_left_and_lost(self) -> None:
        (block,) = bars(funnel_section(CURATED))
        assert labels(block) == [
            ("read", "100", ""),
            ("accepted", "90", "10 fewer (null caption 4, bad utf8 6)"),
            ("unique", "90", ""),
            ("matched", "80", "10 fewer"),
            ("kept", "30", "50 fewer"),
        ]
        assert [bar.share for bar in block.bars] == [1.0, 0.9, 0.9, 0.8, 0.3]

    def test_balancing_without_a_stage_of_matching_tells_unmatched_from_thinned(self) -> None:
        alone = record("balance-captions", 0, ("/m",), "/b", rows_in=90, kept=30, unmatched=10,
                       thinned=50, without_matches=4, t=3)  # fmt: skip
        (block,) = bars(funnel_section([alone]))
        assert [bar.losses for bar in block.bars] == ["", "60 fewer (unmatched 10, thinned 50)"]
        direct = record("match-and-balance", 0, ("/raw",), "/b", rows_in=100, accepted=90,
                        matched=80, matches=200, t=3, kept=30, unmatched=10, thinned=50,
                        rejected=10, null_caption=4, bad_utf8=6)  # fmt: skip
        (block,) = bars(funnel_section([direct]))
        losses = ["", "10 fewer (null caption 4, bad utf8 6)", "10 fewer", "50 fewer"]
        assert [bar.losses for bar in block.bars] == losses

    def test_all_steps_are_listed(self) -> None:
        table = funnel_section(CURATED).blocks[-1]
        assert isinstance(table, Table)
        assert [row[0] for row in table.rows] == ["c", "bank", "u", "m", "b"]
        assert table.rows[4] == (
            "b",
            "balance-captions",
            "rows in 90, kept 30, unmatched 10, thinned 50, t 3",
        )

    def test_subsets_of_one_table_are_bars_beneath_it(self) -> None:
        (block,) = bars(funnel_section(SUBSETS))
        assert labels(block) == [
            ("read", "400", ""),
            ("thresh_075", "200", "200 fewer"),
            ("frac_2", "100", "300 fewer"),
        ]

    def test_frequency_matching_shows_wanted_and_taken_and_the_steps_before(self) -> None:
        section = funnel_section(MATCHED)
        records, matched = bars(section)
        assert (records.title, matched.title) == (
            "Captions after each step: records", "Rows wanted and taken: matched",
        )  # fmt: skip
        assert labels(matched) == [
            ("wanted", "400", ""), ("taken", "390", "10 missing, in 2 classes"),
        ]  # fmt: skip
        table = section.blocks[-1]
        assert isinstance(table, Table)
        assert [row[1] for row in table.rows] == [run.job for run in MATCHED]

    def test_no_captions_and_no_stages(self) -> None:
        empty = record("ingest-captions", 0, (), "/c", rows_in=0, kept=0)
        assert [bar.share for bar in bars(funnel_section([empty]))[0].bars] == [0.0, 0.0]
        note, _ = funnel_section([record("build-concept-bank", 0, (), "/b", entries=3)]).blocks
        assert isinstance(note, Note)


class TestHeadline:
    def test_balancing_says_its_t(self) -> None:
        assert headline(CURATED) == "100 → 30 captions, t = 3"
        assert key_figures(CURATED) == [
            ("100", "captions read"), ("30", "captions kept"), ("30.0%", "of those read"),
            ("3", "t"),
        ]  # fmt: skip

    def test_a_filter_says_its_threshold(self) -> None:
        rule = {"rule": "near", "column": "text_to_name_def_wnid_similarity", "value": 0.58}
        settings = {"rules": [{"rule": "safe", "column": "nsfw", "op": "=="}, rule | {"op": ">"}]}
        runs = [
            record("ingest-captions", 0, ("/raw",), "/c", rows_in=9000, kept=9000),
            record("filter-captions", 1, ("/c",), "/p", settings, rows_in=9000, kept=2814),
        ]
        assert headline(runs) == "9,000 → 2,814 captions, similarity > 0.58"
        runs[1].settings["rules"] = settings["rules"][:1]
        assert headline(runs) == "9,000 → 2,814 captions, by 1 rule"

    def test_subsets_say_how_they_were_drawn(self) -> None:
        assert headline(SUBSETS[:1]) == "400 → 200 captions, similarity ≥ 0.75, 55 classes"
        assert headline(SUBSETS[1:]) == "400 → 100 captions, 50 % drawn, 50 classes"

    def test_several_subsets_of_one_table_say_how_many(self) -> None:
        assert headline(SUBSETS) == "400 captions → 2 tables of 100 to 200"

    def test_frequency_matching_says_the_sources(self) -> None:
        assert headline(MATCHED) == "390 of 400 wanted rows taken: 300 from pairs, 90 from t2t"
        assert key_figures(MATCHED)[2] == ("10", "rows missing")

    def test_searches_say_the_classes(self) -> None:
        ingested = record("ingest-captions", 0, ("/raw",), "/c", rows_in=50, kept=50)
        text = record("search-substrings", 1, ("/c",), "/s", rows_in=50, classes=9,
                      faulty_classes=0, rows=12, classes_found=3)  # fmt: skip
        assert headline([ingested, text]) == "50 captions searched, 12 for 3 of 9 classes"
        near = record("gather-neighbours", 2, ("/c",), "/g", rows=12, uids=10, classes=9,
                      classes_found=8)  # fmt: skip
        assert headline([ingested, near]) == "10 captions near to the prompts of 8 of 9 classes"
        assert key_figures([ingested, near])[0] == ("12", "pairs of class and caption")

    def test_any_other_job_is_named(self) -> None:
        assert headline([CURATED[1]]) == "bank, made by build-concept-bank"
