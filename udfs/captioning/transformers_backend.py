"""Captions of a causal language model in this process, in batches of similar length."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from udfs.captioning.causal_model import CausalModel, LoadedModel, model_of_task
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import BUDGET_USED, Answer, OnAnswer, PromptAs, Request, Spending
from udfs.captioning.sampling import Sampler, Sampling
from udfs.models.device import is_out_of_memory
from udfs.models.spec import ModelError

_TOKENS_PER_WORD = 8  # at most, in a caption that may be short enough


@dataclass(frozen=True)
class TransformersBackend:
    """A model that transformers loads, on this task's device.

    Prompts are sorted by their tokens and cut into batches; one that the device has no room for is
    halved. An answer that must be longer than `max_words` is not written to its end.
    """

    model: CausalModel
    prompt: Prompt
    sampling: Sampling
    prompt_as: PromptAs = "chat"
    batch_size: int = 16

    @property
    def most_tokens(self) -> int:
        """Tokens of an answer at most."""
        words = self.prompt.max_words
        limit = self.sampling.max_tokens
        return limit if words is None else min(limit, _TOKENS_PER_WORD * words)

    def answer(
        self, requests: Sequence[Request], on_answer: OnAnswer, spending: Spending
    ) -> str | None:
        """Answer requests, as udfs.captioning.requests.Backend has it."""
        if not requests:
            return None
        try:
            loaded = model_of_task(self.model)
        except ModelError as fault:
            return str(fault)
        for batch in self._batches(requests, loaded.tokenizer):
            if not spending.may_ask():
                return BUDGET_USED
            for request, answer in self._answers(batch, loaded):
                spending.start()
                spending.finish((answer.prompt_tokens or 0) + (answer.completion_tokens or 0))
                on_answer(request, answer)
        return None

    def _batches(
        self, requests: Sequence[Request], tokenizer: Any
    ) -> Iterator[list[tuple[Request, list[int]]]]:
        prompts = [self._tokens(tokenizer, self.prompt.of(r.concept)) for r in requests]
        order = sorted(range(len(requests)), key=lambda i: (len(prompts[i]), requests[i].key))
        for start in range(0, len(order), self.batch_size):
            yield [(requests[i], prompts[i]) for i in order[start : start + self.batch_size]]

    def _tokens(self, tokenizer: Any, prompt: str) -> list[int]:
        """The prompt's tokens, as a user's message where the model has a template for chats."""
        if self.prompt_as == "chat" and tokenizer.chat_template:
            message = [{"role": "user", "content": prompt}]
            prompt = tokenizer.apply_chat_template(
                message, add_generation_prompt=True, tokenize=False
            )
            return list(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        return list(tokenizer(prompt)["input_ids"])

    def _seed(self, request: Request) -> int:
        if self.sampling.seed is None:
            return int.from_bytes(os.urandom(4), "big")
        return request.seed(self.sampling.seed)

    def _answers(
        self, batch: list[tuple[Request, list[int]]], loaded: LoadedModel
    ) -> list[tuple[Request, Answer]]:
        try:
            return self._generate(batch, loaded)
        except RuntimeError as fault:
            if not is_out_of_memory(fault):
                raise
        if len(batch) == 1:
            fault_text = f"{loaded.device} has no room for a prompt of {len(batch[0][1])} tokens"
            return [(batch[0][0], Answer(None, 0.0, "model", fault_text))]
        half = len(batch) // 2
        return [*self._answers(batch[:half], loaded), *self._answers(batch[half:], loaded)]

    def _generate(
        self, batch: list[tuple[Request, list[int]]], loaded: LoadedModel
    ) -> list[tuple[Request, Answer]]:
        import torch

        started_s, ends = time.monotonic(), _end_tokens(loaded)
        padded = loaded.tokenizer.pad(
            {"input_ids": [tokens for _, tokens in batch]}, return_tensors="pt"
        ).to(loaded.device)
        length = padded["input_ids"].shape[1]
        seeds = [self._seed(request) for request, _ in batch]
        with torch.inference_mode():
            written = loaded.model.generate(
                **padded,
                do_sample=False,  # the sampler leaves one token to choose from
                max_new_tokens=self.most_tokens,
                logits_processor=[Sampler(self.sampling, seeds, length)],
                pad_token_id=loaded.tokenizer.pad_token_id,
                eos_token_id=sorted(ends),
            )
        seconds = (time.monotonic() - started_s) / len(batch)
        answers = []
        for (request, tokens), row in zip(batch, written[:, length:].tolist(), strict=True):
            n_tokens = next((i for i, token in enumerate(row) if token in ends), len(row))
            is_cut = n_tokens == len(row)
            text = loaded.tokenizer.decode(row[:n_tokens], skip_special_tokens=True)
            answer = Answer(
                text,
                seconds,
                prompt_tokens=len(tokens),
                completion_tokens=n_tokens + (not is_cut),
                is_cut=is_cut,
            )
            answers.append((request, answer))
        return answers


def _end_tokens(loaded: LoadedModel) -> set[int]:
    ends = loaded.model.generation_config.eos_token_id
    named = {ends} if isinstance(ends, int) else {*(ends or ())}
    own = loaded.tokenizer.eos_token_id
    return named | ({own} if own is not None else set())
