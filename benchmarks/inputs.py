"""The captions and banks that all benchmarks use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SHARED = Path(os.environ.get("CAPTIONLAKE_SHARED", Path(__file__).parents[2] / "shared"))


def corpus(folder: Path, rows: int) -> Path:
    """The folder with captions.parquet and bank_*.json of make_corpus.py, made where absent."""
    made = folder / f"corpus_{rows}"
    if not (made / "captions.parquet").exists():
        script = SHARED / "bench/make_corpus.py"
        subprocess.run([sys.executable, script, made, "--rows", str(rows)], check=True)
    return made


def bank(made: Path, size: int) -> list[str]:
    """The first `size` entries, each once."""
    entries: list[str] = json.loads((made / f"bank_{size}.json").read_text(encoding="utf-8"))
    return list(dict.fromkeys(entries))


def captions(made: Path, rows: int) -> pa.Array:
    """The corpus's first captions."""
    column = pq.read_table(made / "captions.parquet", columns=["caption"])["caption"]
    return column.combine_chunks().slice(0, rows)


def real_captions(rows: int) -> pa.Array:
    """LAION-400M's captions, repeated as often as it takes (10,000 x 200 at most)."""
    column = pq.read_table(SHARED / "cases/laion_real/input.parquet", columns=["TEXT"])["TEXT"]
    texts = column.combine_chunks().drop_null()
    return pa.concat_arrays([texts] * min(200, -(-rows // len(texts)))).slice(0, rows)
