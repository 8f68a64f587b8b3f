"""What a kernel may rely on: text that is UTF-8, and batches of a bounded size."""

import numpy as np
import pyarrow as pa
import pytest

from udfs import arrow
from udfs.arrow import checked, split_batch, validated
from udfs.task_errors import TaskInputError


def as_text(values: list[bytes | None]) -> pa.Array:
    """Bytes as Spark hands them over for a string, whatever they are."""
    data = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(data), data.buffers(), data.null_count)


def batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([*columns.values()], [*columns])


GOOD = pa.array(["u1", "u2", "u3"])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (batch(caption=as_text([b"a", b"caf\xe9", b"c"]), uid=GOOD), "'caption': .*of uid 'u2'"),
        (batch(uid=as_text([b"a", b"b", b"\xff"])), "'uid': .*in row 2 of a batch"),
        (batch(uid=as_text([b"a", None, b"\xff"]), title=GOOD), "'uid': .*in row 2 of a batch"),
        (batch(query_id=GOOD, x=as_text([b"\xed\xa0\x80", None, b""])), "'x': .*query_id 'u1'"),
        (
            batch(
                uid=GOOD,
                tags=pa.ListArray.from_arrays([0, 0, 2, 3], as_text([b"a", b"\xc0", b"b"])),
            ),
            "'tags': .*of uid 'u2'",
        ),
        (
            batch(uid=GOOD, s=pa.StructArray.from_arrays([as_text([b"a", b"b", b"\xf5"])], ["f"])),
            "'s': .*of uid 'u3'",
        ),
        (batch(uid=as_text([b"\xff", b"b"]), caption=as_text([b"a", b"\xf8"])), "'uid'"),
    ],
)  # fmt: skip
def test_text_that_is_no_utf8_is_named_by_column_and_row(
    rows: pa.RecordBatch, expected: str
) -> None:
    with pytest.raises(TaskInputError, match=expected) as fault:
        list(checked(lambda batches: iter(batches))([rows]))
    assert "\n" not in str(fault.value)
    assert len(str(fault.value)) < 300


def test_valid_text_passes_as_it_is() -> None:
    text = pa.array(["", None, "猫", "\U0010ffff", "\x00"])
    ids = pa.array([[1], None, [], [2, 3], [4]], pa.list_(pa.int32()))
    rows = batch(uid=text, ids=ids, blob=pa.array([b"\xff"] * 5))
    assert validated(rows) is rows
    assert validated(rows.slice(1, 3)).equals(rows.slice(1, 3))
    below_a_null = pa.StringArray.from_buffers(
        1, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff"), pa.py_buffer(b"\0")
    )
    assert validated(batch(uid=below_a_null)).num_rows == 1


def test_the_place_of_any_bad_row_is_told() -> None:
    draws = np.random.default_rng(0)
    for n in (1, 2, 3, 50, 1_000):
        place = int(draws.integers(0, n))
        texts = [b"a" if row != place else b"\xfe" for row in range(n)]
        rows = batch(n=pa.array(range(n)), caption=as_text(texts))
        with pytest.raises(TaskInputError, match=f"in row {place} of a batch"):
            validated(rows)


@pytest.mark.parametrize("most", [1, 200, 1_000, 10**6])
def test_batches_are_cut_by_bytes_and_lose_no_row(most: int) -> None:
    draws = np.random.default_rng(most)
    sizes = draws.choice([0, 3, 40, 400], 300, p=[0.2, 0.5, 0.2, 0.1])
    rows = batch(n=pa.array(range(300)), caption=pa.array(["x" * size for size in sizes]))
    parts = list(split_batch(rows, most))
    assert pa.Table.from_batches(parts).to_pydict() == rows.to_pydict()
    assert all(part.nbytes <= most or part.num_rows == 1 for part in parts)
    if most == 10**6:
        assert len(parts) == 1


def test_neighbouring_long_captions_reach_a_kernel_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arrow, "MOST_BYTES", 1 << 20)
    texts = ["short"] * 9_000 + ["x" * 300_000] * 150 + ["short"] * 850
    seen = list(checked(lambda batches: iter(batches))([batch(caption=pa.array(texts))]))
    assert sum(part.num_rows for part in seen) == 10_000
    assert max(part.nbytes for part in seen) <= 1 << 20
