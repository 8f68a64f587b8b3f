"""The table of tries: a model is asked part by part, and each part is committed."""

import logging
import math
import operator
import uuid
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.captioning.judging import new_tries, refuse_duplicates
from spark_jobs.captioning.wanted import (
    KEY,
    last_tries,
    to_ask,
)
from spark_jobs.core.addresses import parse_address
from spark_jobs.core.columns import named
from spark_jobs.core.errors import CurationError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import GENERATIONS
from spark_jobs.formats.generated_captions import ask_in_tasks, read_journal
from spark_jobs.formats.language_model_settings import LanguageModelSettings
from spark_jobs.storage.conflicts import concurrent_write_error
from spark_jobs.storage.extending import AppendPoint
from spark_jobs.storage.run import Run
from spark_jobs.storage.session_settings import cached, setting, whole_number_setting
from spark_jobs.storage.tables import read_table
from udfs.captioning.asking import Work
from udfs.captioning.checks import Checker
from udfs.captioning.journal import journal_files, remove_files
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import BUDGET_USED

_log = logging.getLogger(__name__)
_ROWS_PER_TASK_AND_PART = 100_000  # as many as a task holds; the journal keeps its answers
_MIN_ROWS_PER_TASK = 50  # of a model in this process, which takes seconds to load
_TOKENS = "tokens"


class CaptionTries:
    """All tries with one prompt, model, sampling and checks, in a table that others may share.

    What tasks write goes into the journal of `folder` first, and is taken into the table from
    there, by this run or the next one: an answer that has come is never asked for again.
    """

    def __init__(
        self,
        run: Run,
        table: str,
        folder: str,
        settings: LanguageModelSettings,
        prompt: Prompt,
        checker: Checker,
    ) -> None:
        self._run, self._table, self._folder = run, table, folder
        self._settings, self._prompt, self._checker = settings, prompt, checker
        self.n_asked, self._has_answered = 0, False
        self._identity = {
            "prompt_sha256": prompt.sha256,
            "backend": settings.backend,
            "model": settings.model_label(),
            "sampling": settings.sampling.label(settings.prompt_as),
            "checks": checker.label(),
        }

    @property
    def identity(self) -> dict[str, str]:
        """The columns that tell these tries from those of other work."""
        return dict(self._identity)

    def stored(self) -> DataFrame:
        """The tries in the table with this prompt, model, sampling and checks."""
        stored = self._all_stored()
        if stored is None:
            return self._run.spark.createDataFrame([], GENERATIONS)
        is_same = [named(name) == F.lit(value) for name, value in self._identity.items()]
        return stored.where(reduce(operator.and_, is_same))

    def n_tokens(self) -> int:
        """The tokens of all these tries; estimates where servers do not count them."""
        return self._spent()[0]

    def _spent(self) -> tuple[int, float]:
        """The tokens of all these tries, and the mean of those that have any."""
        tokens = _or_zero("prompt_tokens") + _or_zero("completion_tokens")
        sums = F.sum(tokens).alias(_TOKENS), F.avg(F.when(tokens > 0, tokens)).alias("mean")
        row = self.stored().agg(*sums).first()
        return (0, 0.0) if row is None else (int(row[_TOKENS] or 0), float(row["mean"] or 0))

    def take_journal(self) -> None:
        """Move the journal's rows into the table; what is there already is not added twice."""
        if files := journal_files(self._folder):
            self._add(read_journal(self._run.spark, files))
            remove_files(self._folder, files)

    def ask(self, wanted: DataFrame, most_tries: int) -> str | None:
        """Ask until each wanted caption is accepted or was tried often enough.

        Returns None, or in one line why it stopped earlier.
        """
        if setting(self._run.spark, "spark.speculation", "false") == "true":
            _log.warning(
                "spark.speculation is on: a task's copy asks again for what the task is waiting "
                "for; set it to false"
            )
        while True:
            n_before = self.n_asked
            with cached(to_ask(last_tries(wanted, self.stored()), most_tries)) as requests:
                n_open = count_rows(requests)
                stop = self._ask_round(requests, n_open) if n_open else None
            is_over = stop is not None and not self._holds_more(stop)
            if is_over or not n_open or (stop is not None and self.n_asked == n_before):
                return stop

    def _holds_more(self, stop: str) -> bool:
        """Whether a task has used up its share of a budget that holds another answer."""
        budget = self._settings.budget_tokens
        tokens, mean = self._spent()
        return stop == BUDGET_USED and budget is not None and budget - tokens > mean

    def _ask_round(self, requests: DataFrame, n_requests: int) -> str | None:
        n_tasks = self._n_tasks(n_requests)
        n_parts = math.ceil(n_requests / (n_tasks * _ROWS_PER_TASK_AND_PART))
        part_number = F.pmod(F.xxhash64(*KEY, F.lit(n_parts)), F.lit(n_parts))
        for part in range(n_parts):
            stop = self._ask_part(requests.where(part_number == part), n_tasks)
            if stop is not None:
                return stop
        return None

    def finish(self) -> None:
        """Make the table's last commit that of a whole run."""
        none = self._run.spark.createDataFrame([], GENERATIONS)
        self._commit(none, self._run.append_point(self._table), is_last=True)

    def _ask_part(self, requests: DataFrame, n_tasks: int) -> str | None:
        share, mean = None, 0.0
        if (budget := self._settings.budget_tokens) is not None:
            tokens, mean = self._spent()
            if tokens >= budget:
                return BUDGET_USED
            # Each task asks once at least.
            n_tasks = min(n_tasks, max(1, int((budget - tokens) / mean))) if mean else n_tasks
            share = math.ceil((budget - tokens) / n_tasks)
        work = Work(
            self._settings.backend_of_task(self._prompt, n_tasks, self._has_answered),
            self._checker,
            self._identity,
            self._folder,
            uuid.uuid4().hex[:12],
            share,
            mean,
        )
        asked = ask_in_tasks(requests, work, n_tasks)
        self.n_asked += asked.n_asked
        self._has_answered = self._has_answered or asked.n_answered > 0
        if not asked.stops and not journal_files(self._folder):
            raise CurationError(f"output {self._folder}: no task has written to its journal")
        self.take_journal()
        # What is wrong for all counts more than one task's end of its share of the budget.
        return min(asked.stops, key=lambda stop: stop == BUDGET_USED, default=None)

    def _n_tasks(self, n_rows: int) -> int:
        if (given := self._settings.given_tasks()) is not None:
            return given
        n_partitions = whole_number_setting(self._run.spark, "spark.sql.shuffle.partitions", 200)
        return max(1, min(n_partitions, n_rows // _MIN_ROWS_PER_TASK))

    def _all_stored(self, point: AppendPoint | None = None) -> DataFrame | None:
        version = (point or self._run.append_point(self._table)).version
        if version is None:
            return None
        return read_table(self._run.spark, self._table, GENERATIONS, version=version)

    def _add(self, journal: DataFrame) -> None:
        # One point for both: what another run adds between them is no row that was compared.
        point = self._run.append_point(self._table)
        stored = self._all_stored(point)
        new = refuse_duplicates(new_tries(journal, stored), stored)
        self._commit(new, point, is_last=False)

    def _commit(self, rows: DataFrame, point: AppendPoint, *, is_last: bool) -> None:
        if self._run.commit_part(rows, self._table, point, is_last=is_last) is None:
            raise concurrent_write_error(parse_address(self._table))


def _or_zero(name: str) -> Column:
    return F.coalesce(named(name), F.lit(0))
