"""Captions of tasks and their files: one share a task, files of one work."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.errors import OutputTableError
from spark_jobs.formats import generated_captions
from spark_jobs.formats.generated_captions import ask_in_tasks, write_chunks
from udfs.captioning.asking import Work
from udfs.captioning.checks import Checker
from udfs.captioning.journal import journal_files
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import Answer, OnAnswer, Request, Spending


def test_each_task_has_one_share_of_the_requests(spark: SparkSession, tmp_path: Path) -> None:
    class TaskOf:
        """Answers with the number of the task; a class in here goes to workers by value."""

        def answer(
            self, requests: Sequence[Request], on_answer: OnAnswer, _: Spending
        ) -> str | None:
            from pyspark import TaskContext

            context = TaskContext.get()
            assert context is not None
            for request in requests:
                on_answer(request, Answer(f"{context.partitionId()}", 0.0))
            return None

    n_tasks, n = 5, 200
    rows = [(f"concept {i}", 0, 0, 1, None, True) for i in range(n)]
    columns = "concept string, occurrence int, n int, attempt int, lang string"
    requests = spark.createDataFrame(rows, f"{columns}, is_matchable boolean")
    work = Work(TaskOf(), Checker((), Prompt("{{ concept }}")), {}, str(tmp_path), "part")
    asked = ask_in_tasks(requests, work, n_tasks)
    assert asked == (n, n, [])
    files = journal_files(str(tmp_path))
    tasks = [
        {json.loads(line)["caption"] for line in Path(file).read_text().splitlines()}
        for file in files
    ]
    assert sorted(tasks, key=min) == [{str(number)} for number in range(n_tasks)]


def interrupted(*_: object) -> DataFrame:
    raise KeyboardInterrupt


def test_files_of_other_work_are_removed(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = spark.createDataFrame(
        [(i, n, f"{i} {n}") for i in range(2) for n in range(3)],
        "entry_id int, n int, caption string",
    )

    def written(numbers: range, prompt: str) -> dict[str, list[str]]:
        chosen = captions.where(captions.n.isin([*numbers]))
        write_chunks(chosen, str(tmp_path), numbers, {"prompt": prompt})
        return {file.name: json.loads(file.read_text()) for file in tmp_path.glob("*.json")}

    (tmp_path / "notes.json").write_text("[]")
    first = written(range(3), "a")
    assert set(first) == {"0.json", "1.json", "2.json", "notes.json"}
    assert written(range(1), "a") == first
    (tmp_path / "7.json").write_text("[]")  # of nobody here
    others = {"notes.json": [], "7.json": []}
    assert written(range(1), "b") == {"0.json": ["0 0", "1 0"], **others}
    with pytest.raises(OutputTableError, match=r"holds 7\.json, which generate-captions did not"):
        written(range(9), "b")
    with monkeypatch.context() as cut_off:
        cut_off.setattr(generated_captions, "map_in_arrow", interrupted)
        with pytest.raises(KeyboardInterrupt):
            written(range(2), "c")
    assert written(range(2, 3), "b") == {"2.json": ["0 2", "1 2"], **others}
