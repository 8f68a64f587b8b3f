"""Task times by stage from Spark's event log."""

import json
import shutil
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

SHORTEST_STAGE_S = 2.0  # sum over its tasks; shorter stages are mostly noise


def event_log_settings(events: Path) -> dict[str, str]:
    """Session settings that log tasks to the folder `events`, which is emptied."""
    shutil.rmtree(events, ignore_errors=True)
    events.mkdir(parents=True)
    return {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": events.absolute().as_uri(),
    }


def log_sizes(events: Path) -> dict[str, int]:
    """Bytes of each log file so far, to read only later events."""
    return {file.name: file.stat().st_size for file in events.iterdir()}


def longest_over_median(events: Path, before: dict[str, int]) -> Iterator[tuple[float, int]]:
    """(longest task / median task, number of tasks) of each longer stage after `before`."""
    task_times_s = defaultdict(list)
    for file in events.iterdir():
        with file.open() as lines:
            lines.seek(before.get(file.name, 0))
            for line in lines:
                event = json.loads(line) if '"SparkListenerTaskEnd"' in line else None
                if event:
                    run_time = event["Task Metrics"]["Executor Run Time"] / 1_000
                    task_times_s[event["Stage ID"]].append(run_time)
    for times in task_times_s.values():
        if len(times) >= 4 and sum(times) > SHORTEST_STAGE_S:
            yield max(times) / statistics.median(times), len(times)
