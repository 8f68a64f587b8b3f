"""CPU time of this process and all below it, ratios of two sides in one run, and the record."""

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
def meanwhile(look: Callable[[], None], *, every_s: float = 0.05) -> Iterator[None]:
    """Look at what goes on beside the work, again and again, until that is done."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(every_s):
            look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def tree_cpu_s() -> float:
    """CPU seconds of this process, its children (the JVM, its Python workers) and those ended."""
    total = 0.0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def tree_cpu_s_without_compilers() -> float:
    """The same less the compiler threads of the JVMs, which lag behind and cease as it gets warm.

    The JVM must keep these threads: -XX:-UseDynamicNumberOfCompilerThreads.
    """
    total = tree_cpu_s()
    for process in psutil.Process().children(recursive=True):
        try:
            if process.name() == "java":
                total -= sum(_cpu_s_of(task) for task in _compilers(process.pid))
        except psutil.NoSuchProcess:
            continue
    return total


def _compilers(pid: int) -> list[str]:
    """The lines of /proc of the compiler threads of a JVM."""
    lines = []
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # the thread has ended since
            lines.append(path.read_text())
    return [line for line in lines if "CompilerThre" in line]


def _cpu_s_of(line: str) -> float:
    user, system = line.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def cpu_s(work: Callable[[], object], clock: Callable[[], float] = tree_cpu_s) -> float:
    """CPU seconds that `work` takes."""
    begun = clock()
    work()
    return clock() - begun


def interleaved(
    sides: Mapping[str, Callable[[], object]],
    *,
    rounds: int = ROUNDS,
    warm_up: int = 1,
    clock: Callable[[], float] = tree_cpu_s,
) -> dict[str, list[float]]:
    """CPU seconds of each side in each round, one after the other, after `warm_up` rounds.

    `clock`: time.process_time where all work is in this process, since the system counts others'
    only by hundredths of a second.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(warm_up + rounds):
        for name, work in sides.items():
            seconds = cpu_s(work, clock)
            if turn >= warm_up:
                taken[name].append(seconds)
    return taken


def median_ratio(numerator: list[float], denominator: list[float]) -> float:
    """Median of the ratios of each round."""
    return statistics.median(n / d for n, d in zip(numerator, denominator, strict=True))


def grown(taken: Mapping[int, float]) -> list[dict[str, Any]]:
    """From rows -> seconds: what a size costs beyond the smallest, which is taken as start-up.

    With the log-log slope from size to size, and the one that fits all by least squares.
    """
    (_, start_up), *larger = sorted(taken.items())
    beyond = {rows: seconds - start_up for rows, seconds in larger}
    logs = np.log(np.array(list(beyond.items())))
    overall = float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])
    steps = ["", *(np.diff(logs[:, 1]) / np.diff(logs[:, 0])).tolist()]
    return [
        {
            "rows": rows,
            "start-up s": start_up,
            "cpu s beyond": seconds,
            "us a row": seconds / rows * 1e6,
            "slope": step,
            "slope of all": overall,
        }
        for (rows, seconds), step in zip(beyond.items(), steps, strict=True)
    ]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
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
    """Print rows as a table and write them, with the machine, to `folder`/name.json."""
    columns = list(rows[0])
    cells = [[_shown(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    print(f"\n{name}")
    for line in (columns, *cells):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    folder.mkdir(parents=True, exist_ok=True)
    record = {"machine": machine(), "rows": rows}
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
