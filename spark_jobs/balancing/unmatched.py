"""Count the captions that match no entry, which balancing never keeps."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import keys
from spark_jobs.core.observed_sums import ObservedSums
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTION_ID, ENTRY_IDS, UID

_ROWS, _UNMATCHED, _IS_MATCHED = "rows", "unmatched", "is_matched"
_HAS_NO_ENTRY = f"size({ENTRY_IDS}) = 0"


class ObservedUnmatched:
    """Rows without entries, counted by the action that balances them: no pass of their own.

    `is_observed`: False where the write reports no observation (into a table of a catalog).
    """

    def __init__(self, *, is_observed: bool) -> None:
        self._observed = ObservedSums() if is_observed else None

    def observe(self, matches: DataFrame) -> DataFrame:
        """The matches; the next action on them also counts."""
        if self._observed is None:
            return matches
        n_unmatched = F.count_if(F.expr(_HAS_NO_ENTRY)).alias(_UNMATCHED)
        return self._observed.observe(matches, F.count("*").alias(_ROWS), n_unmatched)

    def get(self, rows_in: int) -> int | None:
        """Rows without entries; None if not all `rows_in` rows were seen once."""
        sums = self._observed.get() if self._observed is not None else {}
        return sums[_UNMATCHED] if sums.get(_ROWS) == rows_in else None


def count_unmatched(
    matches: DataFrame, captions: DataFrame, *, rows_in: int, without_matches: int = 0
) -> int:
    """Rows of `captions`, of which there are `rows_in`, whose record matches no entry.

    `matches`: schemas.MATCHES, of these captions alone and each key once. `without_matches`: rows
    of captions that have none in the matches, which count too. Reads the sizes of entry_ids once if
    each other row of captions has a row of its own there; else also joins the uids.
    """
    if keys(matches) == keys(captions):
        rows, rows_matched = _count_rows(matches)
        has_a_row_each = rows + without_matches == rows_in
        # Of a record with a text that has no row here, the other texts may match.
        if has_a_row_each and not (without_matches and CAPTION_ID in keys(captions)):
            return rows_in - rows_matched
    matched_uids = matches.where(~F.expr(_HAS_NO_ENTRY)).select(UID)
    return rows_in - count_rows(captions.select(UID).join(matched_uids, on=UID, how="left_semi"))


def _count_rows(matches: DataFrame) -> tuple[int, int]:
    """(rows, those of records that match an entry by one of their texts)."""
    has_entry = ~F.expr(_HAS_NO_ENTRY)
    if CAPTION_ID not in matches.columns:
        counted = matches.agg(F.count("*"), F.count_if(has_entry)).first()
    else:
        by_record = matches.groupBy(UID).agg(
            F.count("*").alias(_ROWS), F.max(has_entry).alias(_IS_MATCHED)
        )
        counted = by_record.agg(
            F.sum(_ROWS), F.sum(F.when(F.col(_IS_MATCHED), F.col(_ROWS)))
        ).first()
    rows, rows_matched = (count or 0 for count in counted or (0, 0))
    return rows, rows_matched
