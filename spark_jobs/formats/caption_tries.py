"""The table of tries: a model is asked part by part, and each part is committed."""

import logging
import math
import operator
import uuid
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.captioning.judging import DUPLICATE, new_tries, refuse_duplicates
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
from spark_jobs.storage.run import Run
from spark_jobs.storage.session_settings import whole_number_setting
from spark_jobs.storage.tables import read_table
from udfs.captioning.asking import Work
from udfs.captioning.checks import Checker
from udfs.captioning.journal import journal_files, remove_files
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import BUDGET_USED

_log = logging.getLogger(__name__)
_ROWS_PER_TASK_AND_PART = 10_000
_MIN_ROWS_PER_TASK = 50  # of a model in this process, which takes seconds to load
_CONNECTIONS_PER_TASK = 32
_TOKENS = "tokens"


class CaptionTries:
    """All tries with one prompt, model and sampling, in a table that others may share.

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
        self.n_asked = 0
        self._identity = {
            "prompt_sha256": prompt.sha256,
            "backend": settings.backend,
            "model": settings.model_label(),
            "sampling": settings.sampling.label(settings.prompt_as),
        }

    def stored(self) -> DataFrame:
        """The tries in the table with this prompt, model and sampling."""
        stored = self._all_stored()
        if stored is None:
            return self._run.spark.createDataFrame([], GENERATIONS)
        is_same = [named(name) == F.lit(value) for name, value in self._identity.items()]
        return stored.where(reduce(operator.and_, is_same))

    def n_tokens(self) -> int:
        """The tokens of all these tries, as far as servers count them."""
        tokens = F.sum(_or_zero("prompt_tokens") + _or_zero("completion_tokens"))
        row = self.stored().agg(tokens.alias(_TOKENS)).first()
        return 0 if row is None else int(row[_TOKENS] or 0)

    def take_journal(self) -> None:
        """Move the journal's rows into the table; what is there already is not added twice."""
        if files := journal_files(self._folder):
            self._add(read_journal(self._run.spark, files))
            remove_files(files)

    def ask(self, wanted: DataFrame, most_tries: int) -> str | None:
        """Ask until each wanted caption is accepted or was tried often enough.

        Returns None, or in one line why it stopped earlier.
        """
        while True:
            open_requests = to_ask(last_tries(wanted, self.stored()), most_tries)
            n_open = count_rows(open_requests)
            if not n_open:
                return None
            n_tasks = self._n_tasks(n_open)
            n_parts = math.ceil(n_open / (n_tasks * _ROWS_PER_TASK_AND_PART))
            part_number = F.pmod(F.xxhash64(*KEY, F.lit(n_parts)), F.lit(n_parts))
            for part in range(n_parts):
                stop = self._ask_part(open_requests.where(part_number == part), n_tasks)
                if stop is not None:
                    return stop

    def finish(self) -> None:
        """Make the table's last commit that of a whole run."""
        self._commit(self._run.spark.createDataFrame([], GENERATIONS), is_last=True)

    def _ask_part(self, requests: DataFrame, n_tasks: int) -> str | None:
        budget = self._settings.budget_tokens
        left = None if budget is None else budget - self.n_tokens()
        if left is not None and left <= 0:
            return BUDGET_USED
        backend = self._settings.backend_of_task(self._prompt, n_tasks)
        work = Work(
            backend,
            self._checker,
            self._identity,
            self._folder,
            uuid.uuid4().hex[:12],
            None if left is None else math.ceil(left / n_tasks),
        )
        n_asked, stops = ask_in_tasks(requests, work, n_tasks)
        self.n_asked += n_asked
        if not stops and not journal_files(self._folder):
            raise CurationError(f"output {self._folder}: no task has written to its journal")
        self.take_journal()
        # What is wrong for all counts more than one task's end of its share of the budget.
        return next((stop for stop in stops if stop != BUDGET_USED), BUDGET_USED) if stops else None

    def _n_tasks(self, n_rows: int) -> int:
        if self._settings.tasks is not None:
            return self._settings.tasks
        if self._settings.backend == "openai":
            return max(1, self._settings.concurrency // _CONNECTIONS_PER_TASK)
        n_partitions = whole_number_setting(self._run.spark, "spark.sql.shuffle.partitions", 200)
        return max(1, min(n_partitions, n_rows // _MIN_ROWS_PER_TASK))

    def _all_stored(self) -> DataFrame | None:
        version = self._run.append_point(self._table).version
        if version is None:
            return None
        return read_table(self._run.spark, self._table, GENERATIONS, version=version)

    def _add(self, journal: DataFrame) -> None:
        stored = self._all_stored()
        new = new_tries(journal, stored)
        if DUPLICATE in self._checker.checks:
            new = refuse_duplicates(new, stored)
        self._commit(new, is_last=False)

    def _commit(self, rows: DataFrame, *, is_last: bool) -> None:
        point = self._run.append_point(self._table)
        if self._run.commit_part(rows, self._table, point, is_last=is_last) is None:
            raise concurrent_write_error(parse_address(self._table))


def _or_zero(name: str) -> Column:
    return F.coalesce(named(name), F.lit(0))
