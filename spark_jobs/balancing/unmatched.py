"""Count the captions that match no entry, which balancing never keeps."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.balancing.keep import matches_by_uid, with_caption_rows
from spark_jobs.core.columns import keys
from spark_jobs.core.observed_sums import ObservedSums
from spark_jobs.core.schemas import CAPTION_ROWS, ENTRY_IDS

_ROWS, _UNMATCHED = "rows", "unmatched"
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


def count_unmatched(matches: DataFrame, captions: DataFrame, *, rows_in: int) -> int:
    """Rows of `captions`, of which there are `rows_in`, whose record matches no entry.

    `matches`: schemas.MATCHES. A caption without a row in them counts too. Runs a Spark job; joins
    the captions only if the matches do not have a row for each of them.
    """
    by_uid = matches_by_uid(matches)
    if keys(matches) != keys(captions) or matches.count() != rows_in:
        by_uid = with_caption_rows(by_uid, captions)
    n_matched = by_uid.where(~F.expr(_HAS_NO_ENTRY)).agg(F.sum(CAPTION_ROWS)).first()
    return rows_in - ((n_matched and n_matched[0]) or 0)
