"""Which caption of an image a pass trains on."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from udfs.clip_training.captions import drawn, with_caption_of_pass


def sample_of(record: Any, key: str = "000000001") -> dict[str, Any]:
    return {"__key__": key, "txt": b"own", "json": json.dumps(record).encode()}


def caption(record: Any, seed: int = 0, number: int = 0) -> str:
    sample = sample_of(record)
    with_caption_of_pass(sample, seed, number)
    return sample["txt"].decode()


def test_shares_are_those_of_the_weights() -> None:
    weights = [0.25, 0.0, 0.75, 3.0]
    counts = Counter(drawn(weights, seed=7, number=2, image=f"{k:032x}") for k in range(20_000))
    assert counts[1] == 0
    shares = [counts[place] / 20_000 for place in range(4)]
    assert shares == pytest.approx(np.array(weights) / 4, abs=0.015)  # 4 standard deviations


def test_draws_follow_from_seed_pass_and_uid_alone() -> None:
    record = {"uid": "a", "captions": [str(k) for k in range(50)], "weights": [1] * 50}
    first = [caption(record, 0, number) for number in range(20)]
    assert first == [caption(record, 0, number) for number in range(20)]
    assert len(set(first)) > 10
    assert first != [caption(record, 1, number) for number in range(20)]
    # Without a uid it is the sample's key.
    del record["uid"]
    sample, other = sample_of(record, "a"), sample_of(record, "b")
    for each in (sample, other):
        with_caption_of_pass(each, 0, 3)
    assert sample["txt"].decode() == first[3] != other["txt"].decode()


@pytest.mark.parametrize(
    "record",
    [
        {"caption": "x"},
        {"captions": ["a"], "weights": None},
        {"captions": ["a", "b"], "weights": [1]},
        {"captions": ["a", None], "weights": [1, 1]},
        {"captions": ["a", "b"], "weights": [1, "1"]},
        {"captions": ["a", "b"], "weights": [1, -1]},
        {"captions": ["a", "b"], "weights": [True, 1]},
        {"captions": ["a", "b"], "weights": [0, 0.0]},
        {"captions": ["a", "b"], "weights": [float("inf"), 1]},
        {"captions": ["a", "b"], "weights": [float("nan"), 1]},
        {"captions": "ab", "weights": [1, 1]},
        {"captions": [], "weights": []},
        ["weights"],
        "weights",
    ],
)
def test_a_record_without_weighted_captions_leaves_the_sample(record: Any) -> None:
    assert caption(record) == "own"


def test_bytes_that_are_no_json_leave_the_sample() -> None:
    for content in (b'{"weights"', b"[" * 100_000 + b'"weights"', b'\xff"weights"'):
        sample = {"__key__": "a", "txt": b"own", "json": content}
        with_caption_of_pass(sample, 0, 0)
        assert sample["txt"] == b"own"
    sample = {"__key__": "a", "txt": b"own"}
    with_caption_of_pass(sample, 0, 0)
    assert sample == {"__key__": "a", "txt": b"own"}
