"""The line that a reader's memory did not hold is named, and no other file is."""

import gzip
from pathlib import Path

import pytest

from spark_jobs.formats.caption_files import reading_error
from spark_jobs.storage.file_lists import ListedFile
from udfs import long_lines
from udfs.long_lines import LongLine, longest_line

MB = 1 << 20


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_the_longest_line_of_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    monkeypatch.setattr(long_lines, "LONG_LINE_BYTES", 3 * MB)
    first, second = str(tmp_path / "a.txt"), str(tmp_path / "b.txt.gz")
    Path(first).write_bytes(b"cat\n" * MB + b"dog\r" * MB + b"x" * (3 * MB - 1) + b"\ny")
    Path(second).write_bytes(gzip.compress(b"cat\r\n\n" + b"x" * 5 * MB + end, 1))
    assert longest_line([first]) is None
    assert longest_line([first, second, first]) == LongLine(second, 3, 5 * MB)
    monkeypatch.setattr(long_lines, "_MOST_BYTES_SEEN", MB)
    assert longest_line([first, second]) is None


def test_a_failure_of_memory_names_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_lines, "LONG_LINE_BYTES", 3 * MB)
    path = str(tmp_path / "a.jsonl")
    files = [ListedFile(f"file:{path}", f"file://{path}", 1, "1")]
    for text, message in [
        (b"cat\n" + b"x" * 4 * MB, f"{path}: line 2 has 4 MiB, and Java's memory did not hold it"),
        (b"cat\n" * MB, None),
    ]:
        Path(path).write_bytes(text)
        error = reading_error(None, files, ConnectionRefusedError())  # Spark is not asked
        assert str(error).startswith(message or "None")
