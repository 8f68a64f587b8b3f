"""Every job there is, found by its module: a new file in spark_jobs/jobs is a new command."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from spark_jobs.running.job import AnyJob


@cache
def all_jobs() -> dict[str, AnyJob]:
    """Every job by name, in alphabetical order: the `JOB` of each module in spark_jobs.jobs."""
    package = import_module("spark_jobs.jobs")
    modules = sorted(module.name for module in iter_modules(package.__path__))
    jobs = [import_module(f"{package.__name__}.{name}").JOB for name in modules]
    return {job.name: job for job in jobs}
