"""How long the tasks of each stage took, from Spark's event log."""

import json
import shutil
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

SHORTEST_STAGE_S = 2.0  # of all its tasks together; below that a task's time is chance


def logged(events: Path) -> dict[str, str]:
    """Settings of a session that logs its tasks to a folder, which is emptied."""
    shutil.rmtree(events, ignore_errors=True)
    events.mkdir(parents=True)
    return {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": events.absolute().as_uri(),
    }


def log_sizes(events: Path) -> dict[str, int]:
    """What was logged before."""
    return {file.name: file.stat().st_size for file in events.iterdir()}


def longest_over_median(events: Path, before: dict[str, int]) -> Iterator[tuple[float, int]]:
    """Longest task over median task, and number of tasks, of each stage that took its time."""
    tasks = defaultdict(list)
    for file in events.iterdir():
        with file.open() as lines:
            lines.seek(before.get(file.name, 0))
            for line in lines:
                event = json.loads(line) if '"SparkListenerTaskEnd"' in line else None
                if event:
                    run_time = event["Task Metrics"]["Executor Run Time"] / 1_000
                    tasks[event["Stage ID"]].append(run_time)
    for times in tasks.values():
        if len(times) >= 4 and sum(times) > SHORTEST_STAGE_S:
            yield max(times) / statistics.median(times), len(times)
