"""Rows of captions whose record matches no entry, against a count row by row."""

import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.balancing.unmatched import count_unmatched

Key = tuple[str, int | None]
# With ids: of record a one text of two matches, of b none, of c a text has no row in the matches.
RECORDS: dict[Key, list[int]] = {("a", 0): [7], ("a", 1): [], ("b", 0): [], ("b", 1): []}
RECORDS |= {("c", 0): [1, 2], ("d", 0): []}
SINGLE: dict[Key, list[int]] = {
    ("a", None): [7],
    ("b", None): [],
    ("c", None): [],
    ("d", None): [3],
}


def unmatched_row_by_row(matches: dict[Key, list[int]], captions: list[Key]) -> int:
    """A row of captions is matched if any row of matches of its uid has an entry."""
    n_unmatched = 0
    for uid, _ in captions:
        entries = [ids for (match_uid, _), ids in matches.items() if match_uid == uid]
        n_unmatched += not any(entries)
    return n_unmatched


def frame(spark: SparkSession, rows: list[tuple], columns: str, has_ids: bool) -> DataFrame:
    made = spark.createDataFrame(rows, f"uid string, caption_id int, {columns}").repartition(2)
    return made if has_ids else made.drop("caption_id")


@pytest.mark.parametrize(
    ("matches", "captions", "unmatched", "joins"),
    [
        pytest.param(RECORDS, [*RECORDS], 3, False, id="records"),
        pytest.param(RECORDS, [*RECORDS, ("c", 1), ("e", 0)], 4, True, id="records without a row"),
        pytest.param(RECORDS, [*RECORDS, ("a", 2), ("a", 3)], 3, True, id="further texts"),
        pytest.param(SINGLE, [*SINGLE], 2, False, id="captions"),
        pytest.param(SINGLE, [*SINGLE, ("e", None), ("f", None)], 4, False, id="without a row"),
        pytest.param(SINGLE, [*SINGLE, *SINGLE, ("e", None)], 5, True, id="uids of two rows"),
        pytest.param(
            SINGLE, [("a", 0), ("a", 1), ("b", 0), ("c", 5), ("d", 0)], 2, True, id="by uid"
        ),
        pytest.param({}, [("e", None)], 1, False, id="no matches"),
        pytest.param({}, [], 0, False, id="empty"),
    ],
)
def test_rows_whose_record_matches_nothing(
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    matches: dict[Key, list[int]],
    captions: list[Key],
    unmatched: int,
    joins: bool,
) -> None:
    assert unmatched_row_by_row(matches, captions) == unmatched
    match_rows = [(*key, ids) for key, ids in matches.items()]
    of_matches = frame(spark, match_rows, "entry_ids array<int>", matches is RECORDS)
    has_ids = any(number is not None for _, number in captions)
    of_captions = frame(spark, [(*key, "x") for key in captions], "caption string", has_ids)
    joined: list[str] = []
    frames = type(of_captions)  # Spark 4's DataFrame is a base class
    join = frames.join
    monkeypatch.setattr(
        frames, "join", lambda *of, **how: (joined.append(how["how"]), join(*of, **how))[1]
    )
    counted = count_unmatched(
        of_matches,
        of_captions,
        rows_in=len(captions),
        without_matches=sum(key not in matches for key in captions),
    )
    assert counted == unmatched
    assert joined == ["left_semi"] * joins
