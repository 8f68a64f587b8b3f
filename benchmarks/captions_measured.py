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

from benchmarks.inputs import SHARED
from benchmarks.measuring import interleaved_cpu_s, median_ratio, report
from benchmarks.spark_inputs import run_job, small_session
from udfs.captioning.document_frequencies import answered, packed_requests, table_of
from udfs.captioning.ngrams import count_ngrams
from udfs.captioning.similarity import bleu, compare
from udfs.captioning.tokens import Tokeniser
from udfs.captioning.weights import inverse_frequencies

NAMES = ("BLIP_ViT-L", "BLIP_nucleus_ViT-L", "BLIP_2_2.7b")
ROUNDS, FEW_ROWS = 3, 100


def main(folder: Path, rows: int) -> None:
    captions = captions_of(rows)
    expected = by_pycocoevalcap(captions)
    arrays = (
        pa.array([[caption] for _, caption, *_ in captions]),
        pa.array([texts for _, _, *texts in captions]),
    )
    check(by_kernels(arrays), expected)
    sides = {
        "ours": lambda: by_kernels(arrays),
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
    )


def row(side: str, rows: int, ours: list[float], theirs: list[float]) -> dict[str, Any]:
    return {
        "side": side,
        "captions": rows,
        "us": statistics.median(ours) / rows * 1e6,
        "pycocoevalcap us": statistics.median(theirs) / rows * 1e6,
        "ratio": median_ratio(theirs, ours),
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


def by_kernels(arrays: tuple[pa.Array, pa.Array]) -> tuple[float, ...]:
    """The same by the kernels of a task, from Arrow arrays of text."""
    mine, others = arrays
    requests: list[pa.RecordBatch] = []
    for texts, are_references in ((others, True), (mine, False)):
        batch = pa.record_batch([pa.array(np.zeros(len(texts), np.int32)), texts], ["chunk", "t"])
        requests += packed_requests("none", are_references=are_references)([batch])
    by_part = pa.Table.from_batches(requests).sort_by("part").to_batches()
    answers = pa.Table.from_batches(list(answered(by_part)))
    table = table_of(answers["ids"].to_pylist(), answers["counts"].to_pylist())
    tokeniser = Tokeniser("none")
    counted = [count_ngrams(tokeniser.tokens(texts.flatten())) for texts in (mine, others)]
    weights = [inverse_frequencies(n.keys, table, len(mine)) for n in counted]
    offsets = np.asarray(others.offsets).astype(np.int64)
    scores = compare(*counted, offsets, *weights)
    sums = (scores.matches, scores.guesses, scores.reference_length)
    return (*bleu(*(np.asarray(part.sum(axis=0) * 1.0) for part in sums)), scores.cider.mean())


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
