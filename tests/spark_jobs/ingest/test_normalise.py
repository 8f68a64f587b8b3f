"""From rows of any input to accepted and rejected ones: every row is in exactly one of them."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from spark_jobs.core.errors import InputDataError
from spark_jobs.ingest.accepted_rows import accepted, rejected, repeated_keys
from spark_jobs.ingest.column_map import column_map
from spark_jobs.ingest.normalise import NormaliseOptions, caption_rows
from spark_jobs.ingest.presets import PRESETS
from spark_jobs.ingest.source import part_from_frame

ODD_PIECES = [
    b"cat",
    b" ",
    b"\x00",
    b"\t",
    b"\r\n",
    b'"quoted"',
    b"=cmd()",
    "é".encode(),
    "e\u0301".encode(),
    "猫の写真".encode(),
    "\u2028".encode(),
    "\u202eabc".encode(),
    "👩‍👩‍👧".encode(),
    "\ufffd".encode(),
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",  # an encoded surrogate
    b"\xc0\xaf",  # an overlong slash
    b"\xf5\x80\x80\x80",  # beyond U+10FFFF
    b"\xf0\x9f\x92",  # cut short
]


def rows_of(
    *frames: DataFrame, mapping: dict[str, str] | None = None, carry: bool = True
) -> DataFrame:
    parts = [part_from_frame(frame, frame.columns) for frame in frames]
    options = NormaliseOptions(carry=carry, source=None, max_caption_bytes=4_000_000)
    return caption_rows(parts, lambda p: mapping or column_map(None, None, p.names), options)


def is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_odd_captions_are_kept_byte_for_byte_or_rejected(spark: SparkSession, tmp_path: Path):
    rng = np.random.default_rng(0)
    captions: list[bytes | None] = [
        b"".join(ODD_PIECES[k] for k in rng.integers(0, len(ODD_PIECES), m))
        for m in rng.integers(0, 5, 3_000)
    ]
    captions += [None, b"", b"x" * 1_048_576, b"y" * 4_000_001]
    uids = [f"u{i:05}" for i in range(len(captions))]
    table = pa.table({"uid": uids, "caption": pa.array(captions, pa.binary())})
    pq.write_table(table, tmp_path / "odd.parquet")
    rows = rows_of(spark.read.parquet(str(tmp_path / "odd.parquet")))
    kept = {
        row.uid: bytes(row.raw_caption)
        for row in accepted(rows).selectExpr("uid", "cast(caption as binary) raw_caption").collect()
    }
    valid = {
        uid: caption
        for uid, caption in zip(uids, captions, strict=True)
        if caption is not None and len(caption) <= 4_000_000 and is_utf8(caption)
    }
    assert kept == valid
    assert 500 < len(kept) < 2_500
    out = {row.uid: row for row in rejected(rows, run_id="r", job="j").collect()}
    assert set(out) == set(uids) - set(valid)
    assert out["u03000"].reason == "null_caption"
    assert out["u03003"].reason == "caption_too_long"
    invalid = [row for row in out.values() if row.reason == "invalid_utf8"]
    assert len(invalid) == len(out) - 2
    for row in invalid:
        assert bytes(row.raw) == captions[int(row.uid[1:])]


def test_uid_is_the_md5_of_the_caption_where_there_is_no_url(spark: SparkSession):
    frame = spark.createDataFrame([("a cat é",)], "caption string")
    (row,) = accepted(rows_of(frame)).collect()
    assert row.uid == hashlib.md5("a cat é".encode()).hexdigest()


def test_uid_is_a_digest_of_url_and_caption(spark: SparkSession):
    frame = spark.createDataFrame(
        [("http://é", "cat"), (None, "cat")], "url string, caption string"
    )
    found = {row.url: row.uid for row in accepted(rows_of(frame)).collect()}
    pair = b"url:9:" + "http://écat".encode()
    assert found["http://é"] == hashlib.md5(pair).hexdigest()
    assert found[None] == hashlib.md5(b"cat").hexdigest()


def test_given_ids_stay_and_missing_ones_are_made(spark: SparkSession):
    frame = spark.createDataFrame(
        [("id 1", "a"), (None, "b"), ("", "c")], "uid string, caption string"
    )
    found = {row.caption: row.uid for row in accepted(rows_of(frame)).collect()}
    made = {c: hashlib.md5(c.encode()).hexdigest() for c in "bc"}
    assert found == {"a": "id 1"} | made


def test_of_equal_uids_one_row_stays_and_the_others_are_rejected(spark: SparkSession):
    given = [("a", "x"), ("a", "y"), ("a", "x"), ("b", "z"), ("c", None)]
    frame = spark.createDataFrame(given, "uid string, caption string")
    for partitions in (1, 5):
        rows = rows_of(frame.repartition(partitions))
        kept = accepted(rows)
        left_out = rejected(rows, run_id="r", job="j")
        reasons = sorted((row.uid, row.reason) for row in left_out.collect())
        assert kept.count() == 2
        assert reasons == [("a", "duplicate_uid"), ("a", "duplicate_uid"), ("c", "null_caption")]


def test_which_copy_stays_does_not_depend_on_partitioning(spark: SparkSession):
    given = [(f"u{i % 50}", f"caption {i}", i) for i in range(1_000)]
    frame = spark.createDataFrame(given, "uid string, caption string, extra int")
    one, seven = (accepted(rows_of(frame.repartition(n))) for n in (1, 7))
    assertDataFrameEqual(one, seven)
    assert one.count() == 50


def test_known_repeated_keys_leave_the_same_rows(spark: SparkSession):
    given = [(f"u{i % 90}", f"caption {i}" if i != 95 else None, i) for i in range(100)]
    frame = spark.createDataFrame(given, "uid string, caption string, extra int")
    rows = rows_of(frame)
    keys = [row[0] for row in repeated_keys(rows).collect()]
    assert len(keys) == 10  # with the one whose copy has a fault
    assertDataFrameEqual(accepted(rows, keys), accepted(rows))
    left_out = (rejected(rows, known, run_id="r", job="j") for known in (keys, None))
    assertDataFrameEqual(*left_out)
    every = [row[0] for row in rows.selectExpr("xxhash64(uid)").distinct().collect()]
    assertDataFrameEqual(accepted(rows, every), accepted(rows))
    single = rows_of(frame.where("extra < 90"))
    assert repeated_keys(single).collect() == []
    assertDataFrameEqual(accepted(single, []), accepted(single))


@pytest.mark.parametrize(
    "n_texts",
    [3, pytest.param(1, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.slow)],
)
def test_the_first_copy_stays_however_many_there_are(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, n_texts: int
):
    """Against a sort of all rows of each uid by (hash, caption, row), hot keys apart or not."""
    monkeypatch.setattr("spark_jobs.ingest.accepted_rows._MIN_HOT_COPIES", 20)
    monkeypatch.setattr("spark_jobs.ingest.accepted_rows._COPIES_PER_TASK", 7)
    rng = np.random.default_rng(n_texts)
    given = [
        (f"u{uid:02}", f"caption {text}", int(extra))
        for uid, text, extra in zip(
            rng.zipf(1.5, 400) % 60, rng.integers(0, n_texts, 400) * 2, rng.integers(0, 2, 400),
            strict=True,
        )
    ] + [("u01", None, 0), ("u00", None, 0)]  # fmt: skip
    rows = rows_of(spark.createDataFrame(given, "uid string, caption string, extra int")).cache()
    faulty = rows.where("caption is null").collect()
    left_out = [(row.uid, "null_caption", row["(row)"]) for row in faulty]
    stay = []
    sound = rows.where("caption is not null").withColumn("hash", F.xxhash64("(row)")).collect()
    for uid in {row.uid for row in sound}:
        copies = [(r["hash"], r.caption, r["(row)"], r.extra) for r in sound if r.uid == uid]
        first, *later = sorted(copies)
        stay.append((uid, first[1], first[3]))
        left_out += [(uid, "duplicate_uid", row) for _, _, row, _ in later]
    keys = [row[0] for row in repeated_keys(rows).collect()]
    for repeated in (keys, None):
        out = rejected(rows, repeated, run_id="r", job="j").collect()
        assert sorted((row.uid, row.reason, row.row) for row in out) == sorted(left_out)
        assert {row.raw for row in out} == {None}
        assert sorted(map(tuple, accepted(rows, repeated).collect())) == sorted(stay)


def test_laion_columns_in_any_case_get_our_names_and_types(spark: SparkSession):
    schema = "sample_id long, Url string, Text string, height string, WIDTH double, nsfw string"
    frame = spark.createDataFrame([(7, "u", "a cat", "480", 640.0, "UNLIKELY")], schema)
    mapping = column_map(PRESETS["laion400m"], None, frame.columns)
    (row,) = accepted(rows_of(frame, mapping=mapping)).drop("uid").collect()
    expected = {
        "caption": "a cat",
        "url": "u",
        "width": 640,
        "height": 480,
        "nsfw": "UNLIKELY",
        "sample_id": 7,
    }
    assert row.asDict() == expected


def test_carried_names_that_delta_refuses_are_mended(spark: SparkSession):
    frame = spark.createDataFrame(
        [("a", 1, 2)], "caption string, `clip score (b32)` int, `x.y` int"
    )
    assert accepted(rows_of(frame)).columns == ["uid", "caption", "clip_score__b32_", "x.y"]


def test_carried_column_with_our_name_is_refused_with_the_remedy(spark: SparkSession):
    frame = spark.createDataFrame([("a", "b")], "TEXT string, Caption string")
    message = "'Caption' would be called 'Caption', as our column 'caption', read from 'TEXT', is;"
    with pytest.raises(InputDataError, match=f"{message} map it with --columns"):
        rows_of(frame, mapping={"caption": "TEXT"})
    assert rows_of(frame, mapping={"caption": "TEXT"}, carry=False).count() == 1
