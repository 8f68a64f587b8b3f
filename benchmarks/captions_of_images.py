"""caption-images' path in a worker beside a bare loop of transformers over the same photographs.

    python -m benchmarks.captions_of_images [FOLDER]

BLIP of its published size (base, 224 pixels), random weights. Ours: Arrow batches in, Arrow rows
out, as a task has it. Bare: Pillow, BLIP's own processor, `model.generate` in batches of the same
size, and `batch_decode`. No token ends a caption, so that both write as many. In turns in one
process, CPU seconds where there is no GPU.
"""

import io
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from benchmarks.measuring import report
from tests.captioners import photographs, save_blip
from udfs.captioning.caption_model import CaptionModel
from udfs.captioning.captioner import captioner_of_task
from udfs.captioning.decoding import Decoding
from udfs.captioning.image_captions import Captioning, caption_images

N_TOKENS, ROUNDS = 20, 3
BATCH_SIZE = {"cpu": 4, "cuda": 32}
N_IMAGES = {"cpu": 12, "cuda": 512}
STRATEGIES = (
    Decoding("nucleus", min_length=N_TOKENS, max_length=N_TOKENS),
    Decoding("beam", num_beams=3, min_length=N_TOKENS, max_length=N_TOKENS),
)


def main(folder: Path) -> None:
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = photographs(N_IMAGES[device])
    with TemporaryDirectory() as model:
        save_blip(Path(model))
        rows = [compared(Path(model), how, images, device) for how in STRATEGIES]
    report("captions_of_images", rows, folder, rounds=ROUNDS)


def compared(model: Path, how: Decoding, images: list[bytes], device: str) -> dict[str, Any]:
    """Both sides on the same images with the same weights; a row."""
    work = Captioning(CaptionModel(str(model)), how, BATCH_SIZE[device])
    bare = _Bare(model, how, BATCH_SIZE[device])
    clock = time.process_time if device == "cpu" else time.perf_counter
    seconds: dict[str, list[float]] = {"bare": [], "ours": []}
    for turn in range(ROUNDS + 1):
        for name in seconds:
            started_s = clock()
            if name == "bare":
                n_captions = len(bare.captions(images))
            else:
                n_captions = sum(rows.num_rows for rows in caption_images(work)(_batches(images)))
            ended_s = clock()
            assert n_captions == len(images)
            if turn:  # the first one loads
                seconds[name].append(ended_s - started_s)
    ratio = statistics.median(b / o for b, o in zip(*seconds.values(), strict=True))
    each = {name: len(images) / statistics.median(times) for name, times in seconds.items()}
    return {
        "strategy": how.strategy,
        "on": device,
        "bare loop, images/s": each["bare"],
        "captionlake, images/s": each["ours"],
        "times as fast": ratio,
    }


class _Bare:
    """A loop that uses transformers as its documentation has it."""

    def __init__(self, folder: Path, how: Decoding, batch_size: int) -> None:
        import transformers

        # The same weights: a second copy would not fit in the processor's caches.
        self._batch_size = batch_size
        self._loaded = captioner_of_task(CaptionModel(str(folder)))
        self._processor = transformers.BlipImageProcessorPil.from_pretrained(folder)
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self._how: dict[str, Any] = {"max_new_tokens": N_TOKENS, "min_new_tokens": N_TOKENS}
        if how.strategy == "beam":
            self._how |= {"num_beams": how.num_beams, "do_sample": False}
        else:
            self._how |= {"do_sample": True, "temperature": how.temperature, "top_p": how.top_p}
            self._how |= {"top_k": 0}

    def captions(self, images: list[bytes]) -> list[str]:
        import torch
        from PIL import Image

        captions = []
        model: Any = self._loaded.writer
        for start in range(0, len(images), self._batch_size):
            batch = [
                Image.open(io.BytesIO(one)) for one in images[start : start + self._batch_size]
            ]
            inputs = self._processor(images=batch, return_tensors="pt")["pixel_values"]
            with torch.inference_mode():
                written = model._model.generate(
                    pixel_values=inputs.to(self._loaded.device, self._loaded.dtype), **self._how
                )
            captions += self._tokenizer.batch_decode(written, skip_special_tokens=True)
        return captions


def _batches(images: list[bytes]) -> Iterator[pa.RecordBatch]:
    uids = [f"{k:032x}" for k in range(len(images))]
    columns = {"uid": uids, "_item": images, "item_hash": list(range(len(images)))}
    yield pa.RecordBatch.from_pydict(columns)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
