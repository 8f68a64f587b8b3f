"""Curate image-text pairs from Python: a function per job, results as counts and DataFrames.

    import captionlake as cl

    matches = cl.match_concepts(captions="./captions", bank="./bank", output="./matches")
    matches.counts, matches.table().show()

Each job of `captionlake jobs` is a function with its settings as keyword arguments. It runs in the
active Spark session, or in a local one that it starts, and does nothing if its outputs are up to
date. Faults are `CurationError`s with a message of one line.
"""

from captionlake.jobs import *  # noqa: F403
from captionlake.jobs import __all__ as _job_names
from captionlake.results import Result, Step
from captionlake.tables import open_table
from captionlake.written_files import WrittenFile
from spark_jobs import __version__
from spark_jobs.core.errors import (
    CurationError,
    FileError,
    InputDataError,
    MissingColumnError,
    OutputTableError,
    SettingsError,
)

__all__ = [
    "CurationError",
    "FileError",
    "InputDataError",
    "MissingColumnError",
    "OutputTableError",
    "Result",
    "SettingsError",
    "Step",
    "WrittenFile",
    "__version__",
    "open_table",
]
__all__ += _job_names
