"""What a call returns: status, counts, outputs, and the tables as DataFrames."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from captionlake.tables import read_version
from captionlake.written_files import WrittenFile
from spark_jobs.core.count_words import counts_text
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.redaction import redacted_values

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_jobs.running.launch import Summary

_STATUS_WORDS = {"up_to_date": "up to date", "would_run": "would run"}


@dataclass(frozen=True)
class Step:
    """A step of a pipeline or recipe; `name`: its name in the recipe, else its job."""

    name: str
    job: str
    status: str
    run_id: str | None
    counts: dict[str, int]


@dataclass(frozen=True, repr=False)
class Result:
    """What a job did: in a notebook it shows itself, with its pictures.

    `status`: `done`, `up_to_date` or `would_run`. `counts`: such as `{"rows_in": 3, "kept": 2}`; of
    a pipeline step -> counts. `outputs`: setting -> address; of a pipeline `step.setting`.
    `run_id`: the row of the table `runs`. `steps`: those of a pipeline or recipe, in order.
    `answer`: the lines of jobs that answer a question, such as explain. `versions`: output -> the
    version of the table that this run wrote, or the earlier one that it found up to date.
    """

    job: str
    status: str
    counts: dict[str, Any]
    outputs: dict[str, str]
    run_id: str | None
    seconds: float
    steps: tuple[Step, ...] = ()
    answer: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_summary(cls, summary: Summary) -> Result:
        """The result of a run from its summary."""
        steps = tuple(
            Step(counts=summary.counts.get(name, {}), **{**step, "name": name})
            for step in summary.steps
            for name in [step.get("name", step["job"])]
        )
        return cls(
            job=summary.job,
            status=summary.status,
            counts=summary.counts,
            outputs=summary.outputs,
            run_id=summary.run_id,
            seconds=summary.seconds,
            steps=steps,
            answer=tuple(summary.answer),
            versions=summary.versions,
        )

    def table(self, name: str | None = None) -> DataFrame:
        """A table that this run wrote, at the version that it wrote, as a DataFrame.

        `name`: the last part of its address (`"balanced_captions"`) or its key in `outputs`
        (`"entry_counts"`). By default `output`, or the only table. Raises SettingsError, with the
        names, if there is no such table.
        """
        key = self._key(name, self.versions, "table")
        return read_version(self.outputs[key], self.versions[key])

    def file(self, name: str | None = None) -> WrittenFile:
        """A plain file that this run wrote, by its name or its key in `outputs`."""
        files = [key for key in self.outputs if key not in self.versions]
        return WrittenFile(self.outputs[self._key(name, files, "file")])

    @property
    def report(self) -> WrittenFile | None:
        """The report that the run wrote, a page that shows itself in a notebook; None without."""
        pages = self._files_ending_with(".html")
        return pages[-1] if pages else None

    def _key(self, name: str | None, keys: Iterable[str], kind: str) -> str:
        """The key in `outputs` of the table or file with this name."""
        from spark_jobs.core.settings import did_you_mean

        names = {key: self.outputs[key].rstrip("/").rpartition("/")[2] for key in keys}
        names = {k: v if "/" in self.outputs[k] else v.rpartition(".")[2] for k, v in names.items()}
        if name is None:
            keys_by_default = ["output"] if "output" in names else list(names)
        else:
            keys_by_default = [k for k in names if k == name] or [
                k for k, table in names.items() if table == name
            ]
        if len(keys_by_default) == 1:
            return keys_by_default[0]
        existing = ", ".join(dict.fromkeys(names.values())) or "none"
        if name is None:
            raise SettingsError(f"{self.job}: say which {kind}; there are {existing}")
        suggestion = did_you_mean(name, [*names.values(), *names])
        raise SettingsError(f"{self.job}: no {kind} {name!r}{suggestion}; there are {existing}")

    def _files_ending_with(self, suffix: str) -> list[WrittenFile]:
        files = [a for key, a in self.outputs.items() if key not in self.versions]
        return [WrittenFile(address) for address in files if address.endswith(suffix)]

    def _title(self) -> str:
        return f"{self.job}: {_STATUS_WORDS.get(self.status, f'done in {self.seconds:.1f} s')}"

    def _rows(self) -> list[tuple[str, str]]:
        """Names and values of what people see: counts, by step if there are any, and outputs."""
        counts = {step.name: step.counts for step in self.steps} or {"counts": self.counts}
        count_rows = [(name, counts_text(of_step)) for name, of_step in counts.items() if of_step]
        return [*count_rows, *redacted_values(self.outputs).items()]

    def __repr__(self) -> str:
        """The result for people, a line per step and output."""
        if self.answer:
            return "\n".join(self.answer)  # rows are data: as the command line prints them
        rows = self._rows()
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join([self._title(), *(f"  {name:<{width}}  {text}" for name, text in rows)])

    def _repr_html_(self) -> str:
        """The result for a notebook: a report as a page, else counts, outputs and pictures."""
        if self.job == "report" and self.report is not None:
            return str(self.report._repr_html_())
        if self.answer:
            return f"<pre>{html.escape(repr(self))}</pre>"
        rows = "".join(
            f'<tr><td style="text-align: left">{html.escape(name)}</td>'
            f'<td style="text-align: left">{html.escape(text)}</td></tr>'
            for name, text in self._rows()
        )
        pictures = "".join(f"<p>{p._repr_html_()}</p>" for p in self._files_ending_with(".svg"))
        return f"<b>{html.escape(self._title())}</b><table>{rows}</table>{pictures}"
