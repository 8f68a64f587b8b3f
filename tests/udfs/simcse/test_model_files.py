"""Folders of models: what both libraries load, and what is refused in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.udfs.simcse.conftest import TINY, corpus, tiny_model
from udfs.models.encoder import encode
from udfs.models.sentences import SentenceEncoder
from udfs.models.spec import ModelError, ModelSpec
from udfs.simcse.model import with_new_mlp
from udfs.simcse.model_files import bert_folder, load_bert, write_model
from udfs.simcse.small_bert import make_small_bert


def test_the_folder_is_loaded_by_sentence_transformers_and_transformers(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel, AutoTokenizer

    model, texts = tiny_model(), [*corpus(5), "a zebra, an aardvark and an élan " * 9]
    vectors = model.embed(texts)
    write_model(model.bert, model.tokenizer, tmp_path)
    theirs = SentenceTransformer(str(tmp_path), device="cpu")
    assert np.allclose(theirs.encode(texts), vectors, atol=1e-5)
    assert theirs.max_seq_length == 128
    plain = AutoModel.from_pretrained(tmp_path).eval()
    inputs = AutoTokenizer.from_pretrained(tmp_path)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        first_tokens = plain(**inputs).last_hidden_state[:, 0].numpy()
    assert np.allclose(first_tokens, vectors, atol=1e-5)
    encoder = SentenceEncoder(ModelSpec(f"sentence_transformers:{tmp_path}"), "cpu")
    unit, faults = encode(encoder, encoder.prepare(texts))
    assert faults == {}
    assert np.allclose(unit, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), atol=1e-5)
    again, tokenizer = load_bert(tmp_path, "x")
    assert np.allclose(with_new_mlp(again, tokenizer, "cpu", 0).embed(texts), vectors, atol=1e-6)


def test_the_small_bert_is_the_same_for_the_same_captions() -> None:
    (first, tokens), (again, tokens_again) = (
        make_small_bert([corpus(40), corpus(100)], 1, TINY) for _ in range(2)
    )
    assert tokens.get_vocab() == tokens_again.get_vocab()
    assert len(tokens) == first.config.vocab_size <= 200
    for ours, theirs in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert tokens.tokenize("A DOG in the zoo7") == tokens.tokenize("a dog in the zoo7")
    assert tokens("dog")["input_ids"][0] == tokens.cls_token_id
    assert tokens("dog")["input_ids"][-1] == tokens.sep_token_id


@pytest.mark.parametrize("kind", ["Roberta", "MPNet", "Electra"])
def test_other_berts_are_trained_too(kind: str, tmp_path: Path) -> None:
    import transformers

    model = tiny_model()
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(model.tokenizer), hidden_size=16, embedding_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=32, max_position_embeddings=20, pad_token_id=0,
    )  # fmt: skip
    bert = getattr(transformers, f"{kind}Model")(config)
    write_model(bert, model.tokenizer, tmp_path)
    loaded, tokenizer = load_bert(bert_folder(str(tmp_path)), "x")
    assert tokenizer.model_max_length == {"Electra": 20, "Roberta": 19, "MPNet": 18}[kind]
    vectors = with_new_mlp(loaded, tokenizer, "cpu", 0).embed(["a dog " * 50, "a cat"])
    assert vectors.shape == (2, 16)
    assert np.isfinite(vectors).all()


def test_what_is_no_bert_is_refused_in_one_line(tmp_path: Path) -> None:
    def refusal(name: str, revision: str | None = None) -> str:
        with pytest.raises(ModelError) as fault:
            bert_folder(name, revision)
        assert "\n" not in str(fault.value)
        return str(fault.value)

    assert "has no config.json" in refusal(str(tmp_path))
    assert "only models on the hub" in refusal(str(tmp_path), "main")
    config = tmp_path / "config.json"
    config.write_text("{")
    assert "is no JSON" in refusal(str(tmp_path))
    config.write_text(json.dumps({"model_type": "gpt2"}))
    assert "is of type 'gpt2', expected a BERT-like one: bert, roberta" in refusal(str(tmp_path))
    config.write_text(json.dumps({"model_type": "bert"}))
    assert "no pickle is loaded" in refusal(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_bert(tmp_path, "x")


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    model = tiny_model()
    write_model(model.bert, model.tokenizer, tmp_path)
    model.tokenizer.add_tokens(["aardvark"])
    model.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="its tokenizer has"):
        load_bert(tmp_path, "x")


def test_folders_that_would_train_on_something_else_are_refused(tmp_path: Path) -> None:
    """Transformers draws weights that are not there, and makes a tokenizer of special tokens."""
    from safetensors.torch import load_file, save_file

    model = tiny_model()
    write_model(model.bert, model.tokenizer, tmp_path)
    weights = tmp_path / "model.safetensors"
    whole, config = load_file(weights), json.loads((tmp_path / "config.json").read_text())

    def refusal() -> str:
        with pytest.raises(ModelError) as fault:
            load_bert(tmp_path, "x")
        assert "\n" not in str(fault.value)
        return str(fault.value)

    some = {name: value for name, value in whole.items() if "attention" not in name}
    save_file(some, weights, {"format": "pt"})
    assert "its files lack 10 weights, such as encoder.layer.0.attention" in refusal()
    bad = {name: torch.full_like(value, float("nan")) for name, value in whole.items()}
    save_file(bad, weights, {"format": "pt"})
    assert "has weights that are NaN or infinite" in refusal()
    save_file(whole, weights, {"format": "pt"})
    for odd in ({"num_attention_heads": 0}, {"hidden_size": "abc"}):
        (tmp_path / "config.json").write_text(json.dumps(config | odd))
        assert "cannot be loaded" in refusal()
    (tmp_path / "config.json").write_text(json.dumps(config))
    load_bert(tmp_path, "x")
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (tmp_path / name).unlink(missing_ok=True)
    refusal()
