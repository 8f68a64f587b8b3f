"""docs/jobs.md, generated: for each job its summary, an example, and a table of its settings."""

from collections.abc import Iterable

from spark_jobs.core.settings import Settings, base_settings
from spark_jobs.running.job import AnyJob
from spark_jobs.running.option_help import default_of, plain_type, shown_default
from spark_jobs.running.registry import TOPICS, all_jobs

_HEAD = """\
# Jobs

Printed by `captionlake jobs --markdown`. `captionlake JOB --help` shows the same in a terminal.

A setting is an option of the command line (`--t 20000`), a key of a YAML file (`--config FILE`), or
`--set key=value`, which wins over the others; `--set '{key: value, ...}'` sets several. In YAML and
in recipes its name has `_` in place of `-`. Yes/no settings are flags: `--decisions`,
`--no-decisions`. Lists and maps are written as YAML: `--columns '{caption: TEXT}'`. An argument "by
position" is written without its name.

An address is a path (`./captions`, `s3a://bucket/captions`, `delta:/x`, `parquet:/x`) or a name of
the catalog (`schema.table`, `catalog.schema.table`).

Every job also takes `--workspace`, the folder or catalog.schema of the tables `runs` and `rejected`
(by default the parent of its output), and `--force`, which runs it even if its outputs are up to
date. A job ends with a few lines for people on stderr. The same as one line of JSON goes to stdout
where that is no terminal, or with `--json`; `-v` adds log lines. `captionlake init`, `jobs` and
`methods` are no jobs: they write recipes, list the jobs, and list the methods by paper."""

# Of jobs with shared folders.
NEEDS_ONE_DISK = (
    "opens a folder as a path, in this program and in Spark's workers: on a cluster and through "
    "Spark Connect both need one disk"
)


def jobs_markdown() -> str:
    """The page: the jobs by topic, then a section for each."""
    lines = [_HEAD, "", "| topic | job | what it does |", "| --- | --- | --- |"]
    jobs = [(topic, job) for topic, names in TOPICS.items() for job in _jobs_of(names)]
    topics = [topic for topic, _ in jobs]
    for position, (topic, job) in enumerate(jobs):
        title = topic if topics.index(topic) == position else ""
        lines.append(f"| {title} | [`{job.name}`](#{job.name}) | {_escaped(job.summary)} |")
    return "\n".join([*lines, *(line for _, job in jobs for line in _section(job))])


def _jobs_of(names: Iterable[str]) -> list[AnyJob]:
    """The jobs among the commands of a topic."""
    jobs = all_jobs()
    return [jobs[name] for name in names if name in jobs]


def _section(job: AnyJob) -> list[str]:
    lines = ["", f"## {job.name}", "", job.summary, "", "```sh", job.example, "```", ""]
    if job.shared_folders:
        folders = " and ".join(f"`--{name.replace('_', '-')}`" for name in job.shared_folders)
        lines += [f"Of {folders}: it {NEEDS_ONE_DISK}.", ""]
    own_settings = [name for name in job.settings.model_fields if name not in Settings.model_fields]
    lines += ["| setting | type | default | what it is |", "| --- | --- | --- | --- |"]
    return lines + [_row(job, name) for name in own_settings]


def _row(job: AnyJob, name: str) -> str:
    field = job.settings.model_fields[name]
    option = (field.alias or name).replace("_", "-")
    label = f"`{option}`, by position" if name in job.arguments else f"`--{option}`"
    cells = [label, plain_type(field.annotation), _default(job, name), field.description or ""]
    return f"| {' | '.join(map(_escaped, cells))} |"


def _default(job: AnyJob, name: str) -> str:
    """`required`, `one of them` for mutually exclusive settings without default, or the default."""
    field = job.settings.model_fields[name]
    if field.is_required() and name not in base_settings(job.name):
        return "required"
    default = default_of(field, job.name, name)
    if default is not None:
        return f"`{shown_default(default)}`"
    return "one of these" if _is_alternative(job, name) else ""


def _is_alternative(job: AnyJob, name: str) -> bool:
    """Whether the setting is one of those of which exactly one must be given."""
    names = job.settings.mutually_exclusive
    fields = job.settings.model_fields
    has_default = any(default_of(fields[other], job.name, other) is not None for other in names)
    return name in names and not has_default


def _escaped(text: str) -> str:
    """The text in one cell of a Markdown table."""
    return " ".join(text.replace("|", "\\|").split())
