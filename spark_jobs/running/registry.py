"""The registry of jobs, found by their modules: a new file in spark_jobs/jobs is a new command."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from spark_jobs.running.job import AnyJob

# Topic -> its commands, in the order of `captionlake --help`; each command has one topic.
TOPICS: dict[str, tuple[str, ...]] = {
    "start here": ("demo", "curate", "init", "run"),
    "prepare": (
        "ingest-captions",
        "dedup-captions",
        "build-concept-bank",
        "check-concept-bank",
        "make-demo-captions",
        "make-demo-images",
    ),
    "caption": ("generate-captions", "caption-images", "measure-captions"),
    "balance": ("match-concepts", "plan-balance", "balance-captions", "match-and-balance"),
    "label and subset": (
        "label-synsets",
        "score-definitions",
        "plan-threshold",
        "filter-captions",
        "mix-captions",
        "sample-subset",
        "match-frequencies",
        "vary-captions",
    ),
    "images": (
        "download-images",
        "read-images",
        "arrange-images",
        "dedup-images",
        "decontaminate",
        "cluster-images",
    ),
    "embed and search": (
        "embed-texts",
        "embed-images",
        "score-clip",
        "build-index",
        "make-queries",
        "search-neighbours",
        "gather-neighbours",
        "assign-neighbours",
        "search-substrings",
        "count-concepts",
    ),
    "train": (
        "train-sentences",
        "evaluate-sentences",
        "train-clip",
        "evaluate-clip",
        "compare-clip",
        "compare-evaluations",
    ),
    "look": ("show", "report", "explain", "diff", "jobs", "methods"),
    "look after": ("maintain",),
    "exchange": (
        "export-pairs",
        "export-captions",
        "export-webdataset",
        "export-snapshot",
        "export-hf",
        "export-embeddings",
        "import-embeddings",
    ),
}


@cache
def all_jobs() -> dict[str, AnyJob]:
    """Job name -> the `JOB` of each module in spark_jobs.jobs, in alphabetical order of modules."""
    package = import_module("spark_jobs.jobs")
    modules = sorted(module.name for module in iter_modules(package.__path__))
    jobs = [import_module(f"{package.__name__}.{name}").JOB for name in modules]
    return {job.name: job for job in jobs}
