"""Measure the CPU time of the process tree, compare sides in interleaved rounds, record results."""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROUNDS = 5
# That of the machine before the benchmark's own work: wall times mean little where it is high.
LOAD = os.getloadavg()[0]
# Virtual machines say "AMD EPYC" alone; their model numbers count in sixteens.
ZEN_BY_FAMILY_AND_MODEL = {("25", 0): 3, ("25", 1): 4, ("25", 10): 4, ("26", 0): 5, ("26", 1): 5}


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


def machine() -> str:
    """The machine in words, without a name or path of it."""
    fields = dict(
        re.findall(r"^(model name|cpu family|model)\s*: (.*)$", _cpu_info(), flags=re.MULTILINE)
    )
    cpu = fields.get("model name", platform.processor() or platform.machine())
    zen = ZEN_BY_FAMILY_AND_MODEL.get((fields.get("cpu family"), int(fields.get("model", 0)) >> 4))
    cpu += f" (Zen {zen})" if zen and "Zen" not in cpu else ""
    gigabytes = round(psutil.virtual_memory().total / 2**30)
    gpu = _gpu_name()
    return f"{os.cpu_count()} cores of {cpu}, {gigabytes} GB" + (f", {gpu}" if gpu else "")


def _cpu_info() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text().partition("\n\n")[0] if file.exists() else ""


def _gpu_name() -> str | None:
    """The GPU, if this process has used torch and there is one."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None


def report(
    name: str,
    rows: list[dict[str, Any]],
    folder: Path,
    *,
    rounds: int | None = 1,
    note: str = "",
) -> None:
    """Print rows as a table, and write them with their conditions to `folder`/results/`name`.json.

    Columns have the names that docs/speed.md shows. `rounds`: of which figures are medians, None if
    the note says it; `note`: what else the reader of a figure needs to know of the run.
    """
    print(f"\n{name}\n{markdown_table(rows)}")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    record = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip() or None,
        "machine": machine(),
        "load": round(LOAD, 1),
        "rounds": rounds,
        "note": note,
        "rows": rows,
    }
    file = folder / "results" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Rows as a table in Markdown, with the columns of all rows, empty where a row has none."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[format_figure(row.get(column)) for column in columns] for row in rows]
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def format_figure(value: object, digits: int = 3) -> str:
    """A fraction with `digits` significant digits, a whole number with all; text as it is."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if abs(value) >= 10 ** (digits - 1):
        return f"{float(f'{value:.{digits}g}'):,.0f}"
    return np.format_float_positional(
        value, precision=digits, fractional=False, unique=False, trim="-"
    )
