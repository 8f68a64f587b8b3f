"""A small corpus, and models of it that train in a second."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from udfs.simcse.model import SimcseModel, with_new_mlp
from udfs.simcse.small_bert import SmallBert, make_small_bert

TINY = SmallBert(vocabulary=200, layers=1, hidden=16, heads=2)
_ANIMALS, _PLACES = ("dog", "cat", "horse", "zebra", "bird"), ("park", "street", "field", "house")


def corpus(n: int) -> list[str]:
    return [f"a {_ANIMALS[i % 5]} number {i} stands in the {_PLACES[i % 4]}" for i in range(n)]


def tiny_model(seed: int = 0) -> SimcseModel:
    bert, tokenizer = make_small_bert([corpus(100)], seed, TINY)
    return with_new_mlp(bert, tokenizer, "cpu", seed)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads wait for each other longer than models of this size take."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def captions() -> list[str]:
    return corpus(100)


@pytest.fixture
def start_folder(tmp_path: Path) -> Path:
    """A folder with the model that a training begins with."""
    from udfs.simcse.model_files import write_model

    model = tiny_model()
    write_model(model.bert, model.tokenizer, tmp_path / "start")
    return tmp_path
