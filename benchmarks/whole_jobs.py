"""Whole jobs beside polars, DuckDB and Daft, from Parquet files to files.

    python -m benchmarks.whole_jobs [FOLDER [CAPTIONS]]

Each side has a process, which stays: `first row` is the CPU time of its process tree until it has
done one row, the start of Spark included, and the rest that of CAPTIONS captions with 20,000
entries, less that of one row, when warm. Sides take turns, and all results are compared. Daft wants
a newer pyarrow than petastorm allows, so `make bench` gives it an environment of its own.
"""

import shutil
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks import inputs
from benchmarks.measuring import report

ENTRIES, ROUNDS, WARM_UP, FILES = 20_000, 3, 2, 2
PAIRED = 100  # captions of the side that compares each caption with each entry
DAFT_PYTHON = Path(".venv-daft/bin/python")
MATCHING = {
    "`match-concepts`": "match_concepts",
    "polars, `extract_many` and a join": "polars",
    "DuckDB, n-grams and a join": "duckdb",
    "Daft, pyahocorasick": "daft_automaton",
    "Daft, `contains` of all pairs": "daft_contains",
}


def main(folder: Path, n_captions: int) -> None:
    corpus = inputs.corpus(folder, 200_000)
    rows = compared(folder.absolute() / "whole_jobs", corpus, MATCHING, n_captions)
    report("whole_match", rows, folder, rounds=ROUNDS)


def compared(work: Path, corpus: Path, engines: dict[str, str], n: int) -> list[dict[str, Any]]:
    """A row for each side; results are compared with the first side's."""
    shutil.rmtree(work, ignore_errors=True)
    sizes = {side: PAIRED if engine == "daft_contains" else n for side, engine in engines.items()}
    uids = {size: write_rows(work, corpus, size) for size in {1, *sizes.values()}}
    first: dict[str, float] = {}
    seconds: dict[tuple[str, bool], list[float]] = {}
    expected: dict[str, Any] = {}
    with ExitStack() as stack:
        processes = {
            side: stack.enter_context(_Engine(name, corpus)) for side, name in engines.items()
        }
        for turn in range(WARM_UP + ROUNDS):
            for side, process in processes.items():
                for size in (1, sizes[side]):
                    spent_s = process.run(work / f"rows_{size}", work / "out" / "table")
                    first.setdefault(side, spent_s)
                    print(f"round {turn}, {side}, {size:,} rows: {spent_s:.1f} CPU s", flush=True)
                    if turn >= WARM_UP:
                        seconds.setdefault((side, size == 1), []).append(spent_s)
                    results = results_by_uid(work / "out" / "table")
                    if size == n:
                        expected = expected or results
                    if expected and results != {
                        u: expected[u] for u in uids[size] if u in expected
                    }:
                        sys.exit(f"{side} differs on {size} rows")
    return [
        {
            "side": side,
            "rows": size,
            "first row, CPU s": first[side],
            "a row later, CPU s": statistics.median(seconds[side, True]),
            "us a row beyond": statistics.median(
                (all_s - one_s) / size * 1e6
                for one_s, all_s in zip(seconds[side, True], seconds[side, False], strict=True)
            ),
        }
        for side, size in sizes.items()
    ]


class _Engine:
    """An engine in a process of its own."""

    def __init__(self, engine: str, corpus: Path) -> None:
        python = str(DAFT_PYTHON) if engine.startswith("daft") else sys.executable
        bank = str(corpus / f"bank_{ENTRIES}.json")
        self._command = [python, "-m", "benchmarks.engines", engine, bank]
        self._before_s = 0.0

    def __enter__(self) -> "_Engine":
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, rows: Path, output: Path) -> float:
        """CPU seconds since the last run, or since the process began."""
        shutil.rmtree(output.parent, ignore_errors=True)
        output.parent.mkdir()
        assert self._process.stdin
        assert self._process.stdout
        print(rows, output, file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("CPU "):
                before_s, self._before_s = self._before_s, float(line.split()[1])
                return self._before_s - before_s
        raise SystemExit(f"{self._command} failed: {self._process.wait()}")


def write_rows(work: Path, corpus: Path, n: int) -> list[str]:
    """Uids of the corpus's first n captions, written in files of equal size."""
    folder = work / f"rows_{n}"
    folder.mkdir(parents=True)
    rows = pq.read_table(corpus / "captions.parquet").slice(0, n)
    size = -(-n // FILES)
    for start in range(0, n, size):
        pq.write_table(rows.slice(start, size), folder / f"{start}.parquet")
    uids: list[str] = rows["uid"].to_pylist()
    return uids


def results_by_uid(output: Path) -> dict[str, Any]:
    """Ids by uid of the captions that have matches."""
    table = ds.dataset(sorted(map(str, output.glob("**/*.parquet")))).to_table()
    uids = table["uid"].to_pylist()
    lists = zip(uids, table["entry_ids"].to_pylist(), strict=True)
    return {uid: sorted(ids) for uid, ids in lists if ids}


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        int(sys.argv[2]) if len(sys.argv) > 2 else 200_000,
    )
