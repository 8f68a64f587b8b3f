import json
import math
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from udfs.file_statistics import MOST_COLUMNS, FileStatistics


def statistics(table: pa.Table, *, row_group_size: int | None = None) -> dict[str, Any]:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=row_group_size)
    of_file = FileStatistics(table.schema)
    of_file.add(table)
    footer = pq.read_metadata(pa.BufferReader(sink.getvalue()))
    return dict(json.loads(of_file.of(footer)))


def test_of_a_small_file() -> None:
    table = pa.table(
        {
            "uid": ["b", "a", None],
            "n": pa.array([3, None, -1], pa.int32()),
            "ids": [[1], None, []],
            "day": [date(2020, 1, 2), None, date(1999, 12, 31)],
            "pair": [{"a": 1}, None, {"a": 2}],
            "none": pa.nulls(3, pa.string()),
        }
    )
    assert statistics(table, row_group_size=1) == {
        "numRecords": 3,
        "minValues": {"uid": "a", "n": -1, "day": "1999-12-31"},
        "maxValues": {"uid": "b", "n": 3, "day": "2020-01-02"},
        "nullCount": {"uid": 1, "n": 1, "ids": 1, "day": 1, "none": 3},
    }


def test_texts_are_cut_to_bounds_that_hold() -> None:
    drawn = random.Random(3)
    letters = ["a", "é", "日", chr(0x10FFFF), chr(0x10FFFE), "\x00", "\ud7ff", "\ue000"]
    for _ in range(2_000):
        texts = ["".join(drawn.choices(letters, k=drawn.randrange(70))) for _ in range(3)]
        found = statistics(pa.table({"text": texts}))
        assert found["minValues"]["text"].encode() <= min(text.encode() for text in texts)
        assert len(found["minValues"]["text"]) <= 32
        highest = found["maxValues"].get("text")
        longest_of_last = max(text.encode() for text in texts).decode()
        assert highest is not None or longest_of_last[32] == chr(0x10FFFF)
        if highest is not None:
            assert highest.encode() >= longest_of_last.encode()


def test_times_lie_between_their_milliseconds() -> None:
    drawn = random.Random(4)
    for _ in range(500):
        first = datetime(1, 1, 3, tzinfo=UTC) + timedelta(microseconds=drawn.randrange(1 << 55))
        times = pa.array([first, None], pa.timestamp("us", "Europe/Berlin"))
        found = statistics(pa.table({"time": times}))
        low, high = (
            datetime.fromisoformat(found[name]["time"]) for name in ("minValues", "maxValues")
        )
        assert low <= first <= high
        assert high - low <= timedelta(milliseconds=1)


def test_the_last_time_has_no_bounds() -> None:
    """The millisecond above it is none of Python's."""
    last = datetime.max.replace(tzinfo=UTC)
    found = statistics(pa.table({"time": pa.array([last], pa.timestamp("us", "UTC"))}))
    assert found["minValues"] == found["maxValues"] == {}


def test_nan_and_infinity_have_no_bounds() -> None:
    found = statistics(
        pa.table({"nan": [1.0, math.nan], "inf": [-1.0, math.inf], "plain": [0.5, -0.0]})
    )
    assert found["minValues"] == {"inf": -1.0, "plain": -0.0}
    assert found["maxValues"] == {"plain": 0.5}


def test_only_the_first_columns_are_looked_at() -> None:
    table = pa.table({f"c{k}": [k] for k in range(MOST_COLUMNS + 2)})
    assert [*statistics(table)["nullCount"]] == [f"c{k}" for k in range(MOST_COLUMNS)]
