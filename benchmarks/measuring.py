"""Measure the CPU time of the process tree, compare sides in interleaved rounds, record results."""

import json
import os
import platform
import statistics
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROUNDS = 5


@contextmanager
def polling(poll: Callable[[], None], *, interval_s: float = 0.05) -> Iterator[None]:
    """Context during which a thread calls `poll` every `interval_s`."""
    stop = threading.Event()

    def poll_until_stopped() -> None:
        while not stop.wait(interval_s):
            poll()

    thread = threading.Thread(target=poll_until_stopped)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def tree_cpu_s() -> float:
    """CPU seconds of this process and of its children, ended ones too (JVM, Python workers)."""
    total = 0.0
    this_process = psutil.Process()
    for process in (this_process, *this_process.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def tree_cpu_s_without_compilers() -> float:
    """`tree_cpu_s` without the JVMs' compiler threads, whose work lags behind and ends when warm.

    The JVM must keep idle compiler threads: -XX:-UseDynamicNumberOfCompilerThreads.
    """
    total = tree_cpu_s()
    for process in psutil.Process().children(recursive=True):
        try:
            if process.name() == "java":
                total -= sum(_thread_cpu_s(task) for task in _compiler_thread_stats(process.pid))
        except psutil.NoSuchProcess:
            continue
    return total


def _compiler_thread_stats(pid: int) -> list[str]:
    """The stat lines in /proc of a JVM's compiler threads."""
    lines = []
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # the thread has ended polling
            lines.append(path.read_text())
    return [line for line in lines if "CompilerThre" in line]


def _thread_cpu_s(line: str) -> float:
    """CPU seconds in a thread's stat line."""
    user, system = line.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def cpu_s(work: Callable[[], object], clock: Callable[[], float] = tree_cpu_s) -> float:
    """CPU seconds of one call of `work`."""
    start_s = clock()
    work()
    return clock() - start_s


def interleaved_cpu_s(
    sides: Mapping[str, Callable[[], object]],
    *,
    rounds: int = ROUNDS,
    warm_up: int = 1,
    clock: Callable[[], float] = tree_cpu_s,
) -> dict[str, list[float]]:
    """CPU seconds of each side in each round, after `warm_up` rounds; a round runs every side once.

    `clock`: use time.process_time if all work is in this process, since the CPU time of other
    processes is counted in hundredths of a second.
    """
    seconds_by_side: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(warm_up + rounds):
        for name, work in sides.items():
            seconds = cpu_s(work, clock)
            if turn >= warm_up:
                seconds_by_side[name].append(seconds)
    return seconds_by_side


def median_ratio(numerator: list[float], denominator: list[float]) -> float:
    """Median over rounds of a round's ratio."""
    return statistics.median(n / d for n, d in zip(numerator, denominator, strict=True))


def growth_rows(seconds_by_rows: Mapping[int, float]) -> list[dict[str, Any]]:
    """Table of growth from seconds by number of rows; the smallest size counts as start-up.

    A row per larger size: its cost beyond start-up, the log-log slope from the size before, and the
    least-squares slope over all sizes.
    """
    (_, start_up_s), *larger = sorted(seconds_by_rows.items())
    seconds_beyond = {rows: seconds - start_up_s for rows, seconds in larger}
    logs = np.log(np.array(list(seconds_beyond.items())))
    overall_slope = float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])
    step_slopes = ["", *(np.diff(logs[:, 1]) / np.diff(logs[:, 0])).tolist()]
    return [
        {
            "rows": rows,
            "start-up s": start_up_s,
            "cpu s beyond": seconds,
            "us a row": seconds / rows * 1e6,
            "slope": slope,
            "slope of all": overall_slope,
        }
        for (rows, seconds), slope in zip(seconds_beyond.items(), step_slopes, strict=True)
    ]


def machine() -> dict[str, Any]:
    """The machine and the commit of a measurement."""
    cpu = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "model name : unknown",
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "cpu": cpu.partition(":")[2].strip(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
    }


def report(name: str, rows: list[dict[str, Any]], folder: Path) -> None:
    """Print rows as a table and write them with the machine to `folder`/`name`.json."""
    columns = list(rows[0])
    cells = [[_format(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    print(f"\n{name}")
    for line in (columns, *cells):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    folder.mkdir(parents=True, exist_ok=True)
    record = {"machine": machine(), "rows": rows}
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def _format(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
