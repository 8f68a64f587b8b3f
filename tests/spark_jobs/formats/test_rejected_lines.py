"""The lines on rejected rows at the end of a job that reads captions."""

from spark_jobs.formats.caption_input import rejected_lines
from spark_jobs.jobs.ingest_captions import IngestCaptions

SETTINGS = IngestCaptions(input="/in", output="/my out/captions")
SHOW = "  rejected rows with their reasons: captionlake show '/my out/rejected'"


def test_nothing_is_said_where_nothing_was_rejected() -> None:
    assert rejected_lines(SETTINGS, {"rows_in": 3, "kept": 3, "rejected": 0}) == []
    assert rejected_lines(SETTINGS, {"rows_in": 0, "kept": 0, "rejected": 0}) == []


def test_where_the_rejected_rows_are() -> None:
    assert rejected_lines(SETTINGS, {"rows_in": 3, "kept": 2, "rejected": 1}) == [SHOW]


def test_all_are_rejected_for_two_reasons_with_a_remedy() -> None:
    reasons = {"invalid_utf8": 2, "pair_needs_preset_synthclip_matches": 1_000}
    lines = rejected_lines(SETTINGS, {"rows_in": 1_002, "kept": 0, "rejected": 1_002, **reasons})
    assert lines[0] == "  all 1,002 rows were rejected"
    assert lines[1].startswith("  2 rows are not UTF-8")
    assert "iconv -f CP1252" in lines[1]
    assert lines[2].endswith("--preset synthclip_matches reads them")
    assert lines[3:] == [SHOW]
