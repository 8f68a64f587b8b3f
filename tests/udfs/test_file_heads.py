"""The first record of a file, which tells its form."""

import pytest

from udfs.file_heads import HEAD_BYTES, first_record
from udfs.json_kinds import Kinds


@pytest.mark.parametrize(
    ("head", "n_bytes"),
    [
        (b"caption,url\n" + b"x" * 1_000, 12 + 64),
        (b'"long\nname",caption\n' + b"x" * 1_000, 20 + 64),
        (b"short, without an end", 21),
        (b"[" + b"x" * (HEAD_BYTES - 1), 64),
        (b"a\nb", 3),
    ],
)
def test_a_head_is_cut_behind_its_first_record(head: bytes, n_bytes: int):
    kept = first_record(head)
    assert head.startswith(kept)
    assert len(kept) == pytest.approx(n_bytes, abs=1)


def test_a_map_of_many_fields_is_text_however_many_tasks_saw_it():
    whole, parts = Kinds(), Kinds()
    for start in range(0, 1_500, 500):
        record = {f"k{k}": 1 for k in range(start, start + 500)}
        whole.add(record)
        part = Kinds()
        part.add(record)
        parts.merge(part)
    assert "string" in whole.scalars
    assert "string" in parts.scalars
