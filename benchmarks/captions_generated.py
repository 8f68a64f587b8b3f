"""generate-captions' backends: a server that misbehaves, throughput, and a bare loop of `generate`.

    python -m benchmarks.captions_generated [FOLDER]

`faulty`: 10,000 concepts against a server on loopback that fails a tenth of all requests (5xx, 429
with Retry-After, truncated JSON, no choices, resets, hangs); all end with a caption or a cause.
`latency`: answers after 50 ms, beside concurrency / latency. `transformers`: SmolLM2-135M by our
backend beside `model.generate` over batches of the same prompts, sorted by length, and of as many
tokens, in turns in one process.
"""

import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.measuring import report
from tests.caption_server import MODEL, CaptionServer, running
from udfs.captioning.causal_model import CausalModel, LoadedModel, model_of_task
from udfs.captioning.openai_backend import OpenAIBackend
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import Answer, Request, Spending
from udfs.captioning.sampling import Sampling
from udfs.captioning.transformers_backend import TransformersBackend

N_CONCEPTS, N_TIMED, LATENCY_S, TRIES = 10_000, 4_000, 0.05, 4
CONCURRENCY = (4, 8, 16)
N_TOKENS, ROUNDS = 32, 3
PROMPT = Prompt("Write a caption of a picture with <{{ concept }}> in it.")
NOTE = "Share: of concepts with a caption; of concurrency / latency; of the bare loop's speed"
FAULTS = ("500", "429", "truncated", "no_choices", "reset", "hang")


def main(folder: Path) -> None:
    rows = [
        _faulty(),
        *(_at_latency(n) for n in CONCURRENCY),
        *compared_with_generate(CausalModel("smollm2")),
    ]
    report("captions_generated", rows, folder, rounds=None, note=NOTE)


def _faulty() -> dict[str, Any]:
    """Rounds of tries as the job has them, all in this process; a server in another."""
    outcomes: dict[str, Answer] = {}
    with _Server(is_faulty=True) as url:
        started_s = time.perf_counter()
        for attempt in range(1, TRIES + 1):
            open_ = [n for n in range(N_CONCEPTS) if _is_open(outcomes.get(f"concept {n}"))]
            requests = [Request(f"concept {n}", 0, 0, attempt) for n in open_]
            backend = _backend(url, 32, timeout_s=1.0, retries=1)
            stop = backend.answer(
                requests, lambda r, a: outcomes.update({r.concept: a}), _no_limit()
            )
            assert stop is None, stop
        seconds = time.perf_counter() - started_s
    assert len(outcomes) == N_CONCEPTS
    causes = Counter(answer.cause or "caption" for answer in outcomes.values())
    print("faulty:", dict(causes))
    n_captions = causes.pop("caption")
    return _row(f"faulty server, {N_CONCEPTS:,} concepts, s", seconds, n_captions / N_CONCEPTS)


def _is_open(answer: Answer | None) -> bool:
    return answer is None or answer.cause is not None


def _at_latency(concurrency: int) -> dict[str, Any]:
    with _Server(delay_s=LATENCY_S) as url:
        answered: list[str] = []
        requests = [Request(f"concept {n}", 0, 0, 1) for n in range(N_TIMED)]
        backend = _backend(url, concurrency)
        warm = requests[: concurrency * 2]
        backend.answer(warm, lambda *_: None, _no_limit())
        backend = replace(backend, has_answered=True)  # as the job has it from its first caption on
        started_s = time.perf_counter()
        stop = backend.answer(requests, lambda r, _: answered.append(r.concept), _no_limit())
        seconds = time.perf_counter() - started_s
    assert (stop, len(answered)) == (None, N_TIMED)
    per_s = N_TIMED / seconds
    name = f"{concurrency} at a time, {LATENCY_S * 1000:.0f} ms each, captions/s"
    return _row(name, per_s, per_s / (concurrency / LATENCY_S))


def compared_with_generate(
    spec: CausalModel, n_prompts: int = 32, batch_size: int = 16
) -> list[dict[str, Any]]:
    """The transformers backend beside the bare loop, both with this model."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    loaded = model_of_task(spec)
    # No token ends an answer, so that both sides write as many.
    loaded.model.generation_config.eos_token_id = -1
    loaded.tokenizer.eos_token = None
    sampling = Sampling(max_tokens=N_TOKENS)
    backend = TransformersBackend(spec, PROMPT, sampling, batch_size=batch_size)
    requests = [Request("big " * (n % 7) + f"thing {n}", 0, 0, 1) for n in range(n_prompts)]
    seconds: dict[str, list[float]] = {"bare": [], "backend": []}
    for turn in range(ROUNDS + 1):
        for name in seconds:
            started_s = time.process_time() if loaded.device == "cpu" else time.perf_counter()
            if name == "bare":
                _bare(loaded, requests, sampling, batch_size)
            else:
                backend.answer(requests, _whole, _no_limit())
            ended_s = time.process_time() if loaded.device == "cpu" else time.perf_counter()
            if turn:
                seconds[name].append(ended_s - started_s)
    ratio = statistics.median(b / o for b, o in zip(*seconds.values(), strict=True))
    each = {name: n_prompts / statistics.median(times) for name, times in seconds.items()}
    return [
        _row(f"bare generate on {loaded.device}, captions/s", each["bare"], 1.0),
        _row(f"transformers backend on {loaded.device}, captions/s", each["backend"], ratio),
    ]


def _whole(_request: Request, answer: Answer) -> None:
    assert answer.completion_tokens == N_TOKENS


def _bare(
    loaded: LoadedModel, requests: Sequence[Request], sampling: Sampling, batch_size: int
) -> None:
    import torch

    tokenizer = loaded.tokenizer
    texts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": PROMPT.of(request.concept)}],
            add_generation_prompt=True,
            tokenize=False,
        )
        for request in requests
    ]
    texts.sort(key=len)
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(texts[start : start + batch_size], padding=True, return_tensors="pt")
        with torch.inference_mode():
            written = loaded.model.generate(
                **batch.to(loaded.device),
                do_sample=True,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=0,
                max_new_tokens=N_TOKENS,
                eos_token_id=-1,
                pad_token_id=tokenizer.pad_token_id,
            )
        tokenizer.batch_decode(written, skip_special_tokens=True)


def _row(what: str, value: float, share: float) -> dict[str, Any]:
    return {"what": what, "value": value, "share": share}


def _backend(url: str, concurrency: int, **options: Any) -> OpenAIBackend:
    return OpenAIBackend(url, MODEL, PROMPT, Sampling(), concurrency=concurrency, **options)


def _no_limit() -> Spending:
    return Spending(None)


class _Server:
    """A server in a process of its own, so that its work is not ours."""

    def __init__(self, *, is_faulty: bool = False, delay_s: float = 0.0) -> None:
        context = get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, is_faulty, delay_s))

    def __enter__(self) -> str:
        self._process.start()
        url: str = self._here.recv()
        return url

    def __exit__(self, *_: object) -> None:
        self._here.send("end")
        self._process.join()


def _serve(pipe: Any, is_faulty: bool, delay_s: float) -> None:
    behave = _in_a_tenth if is_faulty else (lambda _prompt, _times: "good")
    with running(CaptionServer(behave=behave, delay_s=delay_s, retry_after="1")) as server:
        pipe.send(server.url)
        pipe.recv()


def _in_a_tenth(prompt: str, times: int) -> str:
    number = sum(prompt.encode()) * 31 + times * 7
    return FAULTS[number // 10 % len(FAULTS)] if number % 10 == 0 else "good"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
