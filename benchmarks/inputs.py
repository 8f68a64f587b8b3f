"""The captions and concept banks of all benchmarks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SHARED = Path(os.environ.get("CAPTIONLAKE_SHARED", Path(__file__).parents[2] / "shared"))


def corpus(folder: Path, rows: int) -> Path:
    """The folder of a synthetic corpus (captions.parquet, bank_*.json), generated if absent."""
    corpus_folder = folder / f"corpus_{rows}"
    if not (corpus_folder / "captions.parquet").exists():
        script = SHARED / "bench/make_corpus.py"
        subprocess.run([sys.executable, script, corpus_folder, "--rows", str(rows)], check=True)
    return corpus_folder


def bank(corpus_folder: Path, size: int) -> list[str]:
    """The distinct entries of the corpus's bank of `size` entries."""
    entries: list[str] = json.loads(
        (corpus_folder / f"bank_{size}.json").read_text(encoding="utf-8")
    )
    return list(dict.fromkeys(entries))


def captions(corpus_folder: Path, rows: int) -> pa.Array:
    """The corpus's first `rows` captions."""
    column = pq.read_table(corpus_folder / "captions.parquet", columns=["caption"])["caption"]
    return column.combine_chunks().slice(0, rows)


def real_captions(rows: int) -> pa.Array:
    """`rows` captions of LAION-400M: a sample of 10,000, repeated up to 200 times."""
    column = pq.read_table(SHARED / "cases/laion_real/input.parquet", columns=["TEXT"])["TEXT"]
    texts = column.combine_chunks().drop_null()
    return pa.concat_arrays([texts] * min(200, -(-rows // len(texts)))).slice(0, rows)
