"""The journal: nothing that was noted is lost or asked again."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from udfs.captioning import journal as journal_module
from udfs.captioning.asking import Work, ask
from udfs.captioning.checks import Checker
from udfs.captioning.journal import Journal, journal_files, remove_files, rows_of_task
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import Answer, OnAnswer, Request, Spending

PROMPT = Prompt("{{ concept }}")


class Ends:
    """A backend that ends after some answers, as a worker that is killed."""

    def __init__(self, n: int) -> None:
        self._n = n
        self.asked: list[str] = []

    def answer(self, requests: Sequence[Request], on_answer: OnAnswer, _: Spending) -> None:
        for request in requests:
            self.asked.append(request.concept)
            if len(self.asked) > self._n:
                raise KeyboardInterrupt
            on_answer(request, Answer(f"a {request.concept}\ud800\u2028\n\0", 0.5))


def batch(n: int) -> pa.RecordBatch:
    rows = [
        {"concept": f"c{i}", "occurrence": 0, "n": 0, "attempt": 1, "lang": None} for i in range(n)
    ]
    return pa.RecordBatch.from_pylist(rows)


def test_a_task_that_is_run_again_asks_only_what_it_had_not_noted(tmp_path: Path) -> None:
    first, second = Ends(4), Ends(100)
    checker = Checker((), PROMPT)
    work = Work(first, checker, {"model": "m"}, str(tmp_path), "part")
    with suppress(KeyboardInterrupt):
        list(ask(work)([batch(10)]))
    # A line that was cut off was not noted.
    (file,) = (tmp_path / "_journal").iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    (result,) = ask(Work(second, checker, {"model": "m"}, str(tmp_path), "part"))([batch(10)])
    assert result.to_pylist() == [{"asked": 7, "answered": 7, "stop": None}]
    assert second.asked == [f"c{i}" for i in range(3, 10)]
    noted = [row["concept"] for row in rows_of_task(str(tmp_path), "part", 0)]
    assert sorted(noted) == [f"c{i}" for i in range(10)]
    assert [*rows_of_task(str(tmp_path), "other", 0)] == []


def test_lines_hold_any_text(tmp_path: Path) -> None:
    with Journal(str(tmp_path), "p", 0) as journal:
        journal.add({"caption": "a\nb\u2028c\0"})
    assert [row["caption"] for row in rows_of_task(str(tmp_path), "p", 0)] == ["a\nb\u2028c\0"]
    assert len(journal_files(str(tmp_path))) == 1


def test_a_store_gets_files_of_whole_lines(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path), "p", 0)
    journal._appends = False
    with journal:
        for number in range(5):
            journal.add({"caption": str(number)})
    assert [row["caption"] for row in rows_of_task(str(tmp_path), "p", 0)] == [*"01234"]


def test_files_of_a_mounted_store_are_closed_before_a_task_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Volumes and DBFS upload a file when it is closed."""
    monkeypatch.setattr(journal_module, "VOLUMES", f"{tmp_path}/")
    monkeypatch.setattr(journal_module, "_STORE_INTERVAL_S", 0.0)
    with Journal(str(tmp_path), "p", 0) as journal:
        for number in range(3):
            journal.add({"caption": str(number)})
        assert [row["caption"] for row in rows_of_task(str(tmp_path), "p", 0)] == [*"012"]


def test_a_file_that_grew_after_it_was_read_stays(tmp_path: Path) -> None:
    with Journal(str(tmp_path), "p", 0) as grows, Journal(str(tmp_path), "p", 1) as stands:
        grows.add({"caption": "a"})
        stands.add({"caption": "b"})
        read = journal_files(str(tmp_path))
        grows.add({"caption": "c"})
        remove_files(str(tmp_path), read)
    assert [row["caption"] for row in rows_of_task(str(tmp_path), "p", 0)] == ["a", "c"]
    assert [*rows_of_task(str(tmp_path), "p", 1)] == []


def test_a_task_that_is_run_again_has_spent_what_it_had_noted(tmp_path: Path) -> None:
    class Counts(Ends):
        used = 0

        def answer(
            self, requests: Sequence[Request], on_answer: OnAnswer, spending: Spending
        ) -> None:
            self.used = spending.used
            for request in requests:
                on_answer(request, Answer("a", 0.5, prompt_tokens=3, completion_tokens=4))

    for used in (0, 14):
        backend = Counts(9)
        work = Work(backend, Checker((), PROMPT), {"model": "m"}, str(tmp_path), "part", 100)
        list(ask(work)([batch(2)]))
        assert backend.used == used
