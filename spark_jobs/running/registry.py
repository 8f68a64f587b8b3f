"""The registry of jobs, found by their modules: a new file in spark_jobs/jobs is a new command."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from spark_jobs.running.job import AnyJob


@cache
def all_jobs() -> dict[str, AnyJob]:
    """Job name -> the `JOB` of each module in spark_jobs.jobs, in alphabetical order of modules."""
    package = import_module("spark_jobs.jobs")
    modules = sorted(module.name for module in iter_modules(package.__path__))
    jobs = [import_module(f"{package.__name__}.{name}").JOB for name in modules]
    return {job.name: job for job in jobs}
