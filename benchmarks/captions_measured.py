"""measure-captions compared with pycocoevalcap's BLEU and CIDEr.

    python -m benchmarks.captions_measured [FOLDER [ROWS]]

CPU microseconds per caption; ratios are medians of the rounds. Each caption of BLIP has those of
two other captioners as references; images are repeated to have ROWS captions, with another word in
each copy. Words between white space are the tokens of both sides. The kernels are compared, and the
job with all its other measures and 200 bootstrap replicates, less its start on a table of 100 rows.
"""

import contextlib
import io
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pyspark.sql.pandas.types import to_arrow_schema

from benchmarks.inputs import SHARED
from benchmarks.measuring import interleaved_cpu_s, median_ratio, report
from benchmarks.spark_inputs import run_job, small_session
from spark_jobs.captioning.measure_ngrams import (
    ANSWERED_COLUMNS,
    PACKED_COLUMNS,
    text_columns,
)
from udfs.captioning.answered import answered_and_counted
from udfs.captioning.ngrams import count_ngrams
from udfs.captioning.packed_ngrams import packed_ngrams, tokens_of
from udfs.captioning.row_blobs import unpacked_rows
from udfs.captioning.similarity import bleu, compare
from udfs.captioning.weights import Frequencies

NAMES = ("BLIP_ViT-L", "BLIP_nucleus_ViT-L", "BLIP_2_2.7b")
ROUNDS, FEW_ROWS = 3, 100
TEXTS, PACKED, ANSWERED = map(
    to_arrow_schema, (text_columns([], scores=False), PACKED_COLUMNS, ANSWERED_COLUMNS)
)


def main(folder: Path, rows: int) -> None:
    captions = captions_of(rows)
    expected = by_pycocoevalcap(captions)
    texts = texts_of(captions)
    check(by_kernels(texts), expected)
    sides = {
        "ours": lambda: by_kernels(texts),
        "theirs": lambda: by_pycocoevalcap(captions),
    }
    kernels = interleaved_cpu_s(sides, rounds=ROUNDS, clock=time.process_time)
    small_session()
    tables = {n: write_tables(folder, captions[:n]) for n in (FEW_ROWS, rows)}
    check(by_job(folder, tables[rows]), expected)
    few, many = (
        interleaved_cpu_s({"job": lambda n=n: by_job(folder, tables[n])}, rounds=ROUNDS, warm_up=2)[
            "job"
        ]
        for n in (FEW_ROWS, rows)
    )
    beyond = [seconds - statistics.median(few) for seconds in many]
    peer = kernels["theirs"]
    report(
        "captions_measured",
        [
            row("kernels, tokens included", rows, kernels["ours"], peer),
            row("job beyond its start", rows, beyond, peer),
            row("job with its start", rows, many, peer),
        ],
        folder,
        rounds=ROUNDS,
    )


def row(side: str, rows: int, ours: list[float], theirs: list[float]) -> dict[str, Any]:
    return {
        "side": side,
        "captions": rows,
        "captionlake us": statistics.median(ours) / rows * 1e6,
        "pycocoevalcap us": statistics.median(theirs) / rows * 1e6,
        "times as long": median_ratio(theirs, ours),
    }


def captions_of(rows: int) -> list[tuple[str, ...]]:
    """(uid, caption, reference, reference) of `rows` images."""
    files = [json.loads((SHARED / f"data/blip_coco/{name}.json").read_text()) for name in NAMES]
    texts = [{item["image_id"]: item["caption"] for item in items} for items in files]
    images = [(image, *(of[image] for of in texts)) for image in sorted(texts[0])]
    return [
        (f"{k:08d}", *(f"{text} w{k // len(images)}" for text in images[k % len(images)][1:]))
        for k in range(rows)
    ]


def by_pycocoevalcap(captions: list[tuple[str, ...]]) -> tuple[float, ...]:
    mine = {uid: [caption] for uid, caption, *_ in captions}
    references = {uid: others for uid, _, *others in captions}
    with contextlib.redirect_stdout(io.StringIO()):
        scores, _ = Bleu(4).compute_score(references, mine)
        cider, _ = Cider().compute_score(references, mine)
    return (*scores, float(cider))


def by_kernels(texts: pa.RecordBatch) -> tuple[float, ...]:
    """The same by the kernels of a task, from an Arrow batch of texts by image."""
    packed = pa.Table.from_batches(list(packed_ngrams("none", TEXTS, PACKED)([texts])))
    by_part = packed.filter(packed["part"].is_valid()).sort_by("part").to_batches()
    answers = pa.Table.from_batches(list(answered_and_counted(ANSWERED)(by_part)))
    answers = answers.filter(answers["ids"].is_valid())
    n_images = sum(packed["images"].drop_null().to_pylist())
    table = Frequencies(answers["ids"].to_pylist(), answers["counts"].to_pylist(), n_images)
    rows = pa.Table.from_batches(unpacked_rows(packed["texts"].chunks, TEXTS)).combine_chunks()
    counted = count_ngrams(tokens_of(rows["tokens"].combine_chunks()))
    captions = np.flatnonzero(~np.asarray(rows["is_reference"]))
    references = np.column_stack([captions - 2, captions])
    scores = compare(counted, table.weights(counted.keys), captions, references)
    sums = (scores.matches, scores.guesses, scores.reference_length)
    return (*bleu(*(np.asarray(part.sum(axis=0) * 1.0) for part in sums)), scores.cider.mean())


def texts_of(captions: list[tuple[str, ...]]) -> pa.RecordBatch:
    """The texts as `packed_ngrams` reads them: of each image the references, then the caption."""
    n = len(captions)
    columns = {
        "chunk": pa.array(np.zeros(3 * n, np.int32)),
        "uid": pa.array([uid for uid, *_ in captions for _ in range(3)]),
        "is_reference": pa.array([True, True, False] * n),
        "caption": pa.array([text for _, mine, *others in captions for text in (*others, mine)]),
        "source_set": pa.array([-1, -1, 0] * n, pa.int32()),
        "group_set": pa.array(np.full(3 * n, -1, np.int32)),
        "draw": pa.array(np.full(3 * n, 0.5)),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def write_tables(folder: Path, captions: list[tuple[str, ...]]) -> dict[str, str]:
    rows = pd.DataFrame(captions, columns=["uid", "caption", "first", "second"])
    parts = [
        rows[["uid", name]].set_axis(["uid", "caption"], axis=1) for name in ("first", "second")
    ]
    others = pd.concat(parts)
    addresses = {}
    for name, table in (("captions", rows[["uid", "caption"]]), ("references", others)):
        address = folder / f"measured_{name}_{len(captions)}.parquet"
        folder.mkdir(parents=True, exist_ok=True)
        table.to_parquet(address, index=False)
        addresses[name] = str(address)
    return addresses


def by_job(folder: Path, tables: dict[str, str]) -> tuple[float, ...]:
    output = folder / "measured"
    run_job("measure_captions", **tables, tokens="none", nouns=False, output=str(output))
    from deltalake import DeltaTable

    rows = DeltaTable(str(output)).to_pandas()
    of_all = rows[rows["at"].isna()].set_index("measure")["value"]
    return tuple(of_all[["bleu_1", "bleu_2", "bleu_3", "bleu_4", "cider"]])


def check(ours: tuple[float, ...], theirs: tuple[float, ...]) -> None:
    if not np.allclose(ours, theirs, rtol=0, atol=1e-6):
        sys.exit(f"captionlake {ours} and pycocoevalcap {theirs} differ")


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        int(sys.argv[2]) if len(sys.argv) > 2 else 100_000,
    )
