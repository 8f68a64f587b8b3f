"""Whole jobs from Parquet files to files by captionlake and other engines.

    python -m benchmarks.engines ENGINE BANK

Runs the engine once for each line of standard input, which has the folders of the input and of the
output, in one process; after each it prints the CPU seconds of the process tree so far. BANK: a
JSON list of entries.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks import matchers
from benchmarks.measuring import tree_cpu_s


def match_concepts(captions: str, output: str, bank: str) -> None:
    from benchmarks.spark_inputs import run_job, small_session

    small_session()
    run_job("match_concepts", captions=f"parquet:{captions}", bank=bank, output=output)


def polars(captions: str, output: str, bank: str) -> None:
    import polars as pl

    Path(output).mkdir()
    lists = matchers.polars_matches(
        pl.read_parquet(f"{captions}/*.parquet"), "uid", entries_of(bank)
    )
    lists.write_parquet(f"{output}/matches.parquet")


def duckdb(captions: str, output: str, bank: str) -> None:
    import duckdb as db

    Path(output).mkdir()
    rows = f"read_parquet('{captions}/*.parquet')"
    lists = matchers.duckdb_matches(db.connect(), rows, "uid", entries_of(bank))
    lists.write_parquet(f"{output}/matches.parquet")


def daft_automaton(captions: str, output: str, bank: str) -> None:
    """A class that makes pyahocorasick's automaton once, called with batches."""
    import daft

    @daft.cls
    class Matcher:
        def __init__(self) -> None:
            self._match = matchers.pyahocorasick(entries_of(bank))

        @daft.method.batch(return_dtype=daft.DataType.list(daft.DataType.int32()))
        def entry_ids(self, captions: Any) -> Any:
            lists = self._match(captions.to_arrow())
            return daft.Series.from_arrow(pa.array(lists, pa.list_(pa.int32())))

    rows = daft.read_parquet(captions)
    rows = rows.select("uid", Matcher().entry_ids(rows["caption"]).alias("entry_ids"))
    rows.write_parquet(output)


def daft_contains(captions: str, output: str, bank: str) -> None:
    """Daft's own functions: each caption with each entry."""
    import daft
    from daft import functions as F

    entries = [f" {entry} " for entry in entries_of(bank)]
    table = daft.from_pydict({"entry": entries, "entry_id": list(range(len(entries)))})
    text = F.regexp_replace(daft.col("caption"), "([,.;:?!`])", " $1 ")
    text = daft.lit(" ") + F.regexp_replace(text, "[\t\n\r]", " ") + daft.lit(" ")
    rows = daft.read_parquet(captions).select("uid", text.alias("text"))
    pairs = rows.join(table, how="cross").where(F.contains(daft.col("text"), daft.col("entry")))
    pairs.groupby("uid").agg(daft.col("entry_id").list_agg().alias("entry_ids")).write_parquet(
        output
    )


def entries_of(bank: str) -> list[str]:
    entries: list[str] = json.loads(Path(bank).read_text(encoding="utf-8"))
    return entries


ENGINES: dict[str, Callable[[str, str, str], None]] = {
    function.__name__: function
    for function in (match_concepts, polars, duckdb, daft_automaton, daft_contains)
}

if __name__ == "__main__":
    for line in sys.stdin:
        ENGINES[sys.argv[1]](*line.split(), sys.argv[2])
        print(f"\nCPU {tree_cpu_s()}", flush=True)
