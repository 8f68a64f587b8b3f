"""Training from random weights brings captions of one image nearer than those of two images."""

import json
from pathlib import Path

import numpy as np
import pytest

from udfs.simcse.captions import CaptionsInMemory
from udfs.simcse.loop import TrainingOptions, train
from udfs.simcse.model import with_new_mlp
from udfs.simcse.small_bert import make_small_bert
from udfs.sts.evaluation import dev_score
from udfs.sts.pair_files import PairSet

SHORTEST, N_PAIRS = 40, 1_000


def captions_of(folder: Path, name: str) -> dict[int, str]:
    records = json.loads((folder / f"blip_coco/{name}.json").read_text())
    return {record["image_id"]: record["caption"] for record in records}


def held_out_pairs(folder: Path) -> PairSet:
    """A caption by BLIP and one by BLIP-2, of the same image or of two."""
    first, second = (captions_of(folder, name) for name in ("BLIP_ViT-L", "BLIP_2_2.7b"))
    images = np.random.default_rng(0).permutation(sorted(first))[:N_PAIRS].tolist()
    is_same = [number % 2 == 0 for number in range(N_PAIRS)]
    others = [images[k if same else k - 1] for k, same in enumerate(is_same)]
    texts = tuple(first[image] for image in images), tuple(second[image] for image in others)
    return PairSet("held out", "pairs", tuple(map(float, is_same)), *texts)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_training_raises_the_correlation(real_data: Path, seed: int) -> None:
    captions = captions_of(real_data, "BLIP_nucleus_ViT-L").values()
    captions_long = [text for text in captions if len(text) >= SHORTEST]
    pairs = held_out_pairs(real_data)
    bert, tokenizer = make_small_bert([captions_long], seed)
    model = with_new_mlp(bert, tokenizer, "cpu", seed)
    untrained = dev_score(pairs, model.embed)
    options = TrainingOptions(learning_rate=1e-3, batch_size=64, epochs=2, seed=seed)
    train(model, CaptionsInMemory(captions_long, seed), options)
    assert dev_score(pairs, model.embed) > untrained + 0.05
