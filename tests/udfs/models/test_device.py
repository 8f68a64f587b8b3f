"""Which of the GPUs that torch sees is the one that Spark gave to a task."""

import pytest

from udfs.models.device import gpu_number
from udfs.models.spec import ModelError

OWN_IDS = ["GPU-5f3c-01", "GPU-77aa-02"]


@pytest.mark.parametrize(
    ("given", "names", "number"),
    [
        ("1", ["1", "3"], 0),  # as CUDA_VISIBLE_DEVICES=1,3 has them
        ("3", ["1", "3"], 1),
        ("3", ["3", " 1"], 0),
        ("GPU-77aa-02", OWN_IDS, 1),
        ("GPU-77", OWN_IDS, 1),
        ("GPU-77aa-02", ["GPU-5f", "GPU-77"], 1),
        ("MIG-9a", ["MIG-8b", "MIG-9a-1"], 1),
        ("0", OWN_IDS, 0),
        ("5", OWN_IDS, 1),  # the whole machine's number, in a container that sees two
        ("0", ["MIG-8b"], 0),
    ],
)
def test_a_gpu_is_known_by_number_and_by_id(given: str, names: list[str], number: int) -> None:
    assert gpu_number(given, names, len(names)) == number


@pytest.mark.parametrize(
    ("given", "names"),
    [("0", ["1", "3"]), ("GPU-77", ["1", "3"]), ("MIG-1", OWN_IDS), ("", OWN_IDS), ("x", ["0"])],
)
def test_a_gpu_that_is_not_seen_is_named(given: str, names: list[str]) -> None:
    with pytest.raises(ModelError, match=rf"GPU '{given}', which Spark gave .*{names[0]}"):
        gpu_number(given, names, len(names))
