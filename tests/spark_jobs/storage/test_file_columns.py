"""Folders of parquet that others wrote, read as tables: each file has the columns of all."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTIONS
from spark_jobs.storage.table_states import table_state
from spark_jobs.storage.tables import read_table

UIDS = pa.array(["u2"])
OTHERS = {
    "lacks it": ({"uid": UIDS, "text": ["a dog"]}, "b.parquet: has no column 'caption', which"),
    "of another type": ({"uid": UIDS, "caption": [7]}, "column 'caption' is bigint, expected str"),
    "a key of another type": ({"uid": [7], "caption": ["a"]}, "column 'uid' is bigint, expected"),
    "of no type": ({"uid": UIDS, "caption": pa.nulls(1)}, "column 'caption' is void, expected"),
    "more columns": ({"caption": ["a dog"], "n": [1], "uid": UIDS}, None),
    "large strings": ({"uid": UIDS, "caption": pa.array(["a dog"], pa.large_string())}, None),
    "no rows": ({"text": pa.array([], pa.string())}, None),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("prefix", ["", "parquet:"])
def test_columns_that_one_file_lacks_are_no_nulls(
    spark: SparkSession, tmp_path: Path, prefix: str, other: str
) -> None:
    columns, fault = OTHERS[other]
    pq.write_table(pa.table({"uid": ["u1"], "caption": ["a cat"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table(columns), tmp_path / "b.parquet")
    address = f"{prefix}{tmp_path}"
    version = table_state(spark, address).version
    if fault is None:
        captions = {
            row.caption for row in read_table(spark, address, CAPTIONS, version=version).collect()
        }
        assert captions == {"a cat", "a dog"} - ({"a dog"} if other == "no rows" else set())
    else:
        with pytest.raises(InputDataError, match=fault):
            read_table(spark, address, CAPTIONS, version=version)


def test_a_column_of_some_files_is_told(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pq.write_table(pa.table({"uid": ["u1"], "caption": ["a cat"]}), tmp_path / "a.parquet")
    more = {"uid": ["u2"], "caption": ["a dog"], "Score": [1.0]}
    pq.write_table(pa.table(more), tmp_path / "b.parquet")
    assert count_rows(read_table(spark, f"parquet:{tmp_path}", CAPTIONS)) == 2
    assert "b.parquet: has the column 'score', which not all of the 2 files" in caplog.text


def test_an_empty_file_is_no_parquet(spark: SparkSession, tmp_path: Path) -> None:
    """Spark would pass over what a writer that was cut off has left."""
    pq.write_table(pa.table({"uid": ["u1"], "caption": ["a cat"]}), tmp_path / "a.parquet")
    (tmp_path / "_SUCCESS").touch()
    assert count_rows(read_table(spark, f"parquet:{tmp_path}", CAPTIONS)) == 1
    (tmp_path / "b.snappy.parquet").touch()
    with pytest.raises(InputDataError, match=r"b\.snappy\.parquet: is empty, expected parquet"):
        table_state(spark, str(tmp_path))


def test_columns_of_folder_names_are_in_no_file(spark: SparkSession, tmp_path: Path) -> None:
    for uid in ("u1", "u2"):
        (tmp_path / f"uid={uid}").mkdir()
        pq.write_table(pa.table({"caption": [f"a {uid}"]}), tmp_path / f"uid={uid}" / "a.parquet")
    table = read_table(spark, f"parquet:{tmp_path}", CAPTIONS)
    assert sorted(tuple(row) for row in table.select("uid", "caption").collect()) == [
        ("u1", "a u1"),
        ("u2", "a u2"),
    ]
