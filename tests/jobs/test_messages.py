"""What faults of settings and inputs say: name, value, expectation, remedy, in one line."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.core.errors import FileError, SettingsError
from spark_jobs.storage import session


def ingest(file: Path, out: Path, *more: object) -> list[object]:
    return ["ingest-captions", "--input", file, "--output", out, *more]


RECORD = {"uuid": "r1", "url": "http://x/1", "texts": [["alt", "a cat"], ["title", "a dog"]]}


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        ("{rule: a, column: n, op: is_null}", ["op 'is_null' needs value: true or false; none is"]),
        ("{rule: a, column: n, op: '>'}", ["op '>' needs value: what to compare with; none is"]),
        ("{rule: a, column: n, op: '<', value: 1e400}", ["'1e400'", "write .inf, without quotes"]),
        ("{rule: a, column: n, op: '>', value: -1e400}", ["'-1e400'", "write -.inf, without"]),
        ("{rule: a, column: n, op: '>', value: '12'}", ["'12'", "write 12, without quotes"]),
    ],
)
def test_rules(captionlake, captions_file, tmp_path, rule, parts) -> None:
    table = pq.read_table(captions_file).append_column("uid", pa.array(["a", "b", "c"]))
    pq.write_table(table, captions_file)
    outcome = captionlake(
        *("filter-captions", "--captions", captions_file, "--output", tmp_path / "out"),
        *("--set", f"rules=[{rule}]"),
    )
    assert outcome.exit_code in (2, 3)
    assert [part for part in parts if part not in outcome.error] == []


def test_records_of_metaclip_without_their_preset(captionlake, tmp_path) -> None:
    (tmp_path / "x.jsonl").write_text(f"{json.dumps(RECORD)}\n" * 2)
    outcome = captionlake(*ingest(tmp_path / "x.jsonl", tmp_path / "out"))
    assert outcome.exit_code == 3
    assert "has no column 'caption' for the caption; it has uuid, url, texts" in outcome.error
    assert 'records such as {"uuid": ID, "url": URL, "texts": [[SOURCE, CAPTION' in outcome.error
    assert "--preset metaclip" in outcome.error


def test_faulty_records_of_metaclip_have_a_reason_of_their_own(captionlake, tmp_path) -> None:
    texts = [*RECORD["texts"], ["alt"], "a bird", ["alt", "a cow", [-1]]]
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps(RECORD | {"texts": texts}))  # one line, without an end
    outcome = captionlake(*ingest(file, tmp_path / "out", "--preset", "metaclip"))
    counts = outcome.summary["counts"]
    assert (counts["kept"], counts["wrong_record"]) == (2, 3)


def test_pairs_without_their_preset_name_it(captionlake, tmp_path) -> None:
    items = [["a cat", [0]], {"caption": "a dog"}]
    (tmp_path / "x.json").write_text(json.dumps(items))
    counts = captionlake(*ingest(tmp_path / "x.json", tmp_path / "out")).summary["counts"]
    assert (counts["kept"], counts["pair_needs_preset_synthclip_matches"]) == (1, 1)


@pytest.mark.parametrize("size", ["lots", "8", "0g", "-1g", "8 g"])
def test_memory_that_is_no_size(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    monkeypatch.setattr(session, "_existing_session", lambda: None)
    monkeypatch.setenv("SPARK_DRIVER_MEMORY", size)
    with pytest.raises(SettingsError, match=f"SPARK_DRIVER_MEMORY={size}: expected a size such as"):
        session.open_session()


def test_files_of_the_driver_are_named() -> None:
    line = str(FileError.from_os_error(PermissionError(13, "Permission denied", "/mnt/plan.svg")))
    assert line == (
        "/mnt/plan.svg: cannot be read or written (Permission denied); give another address, make "
        "room, or change its mode"
    )
