"""Functions of any size for workers: what is large goes as files, once to each machine.

Spark itself brings the files: it gives each executor, and one that starts later, those that it
lacks before its next task, whole or not at all, and removes them with the application.
"""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from pyspark import SparkFiles
from pyspark.sql import SparkSession

from spark_jobs.core.errors import FileError
from spark_jobs.core.spark_connect import is_remote
from udfs.arrow import BatchFunction
from udfs.mapped_functions import File, mapped_function

_log = logging.getLogger(__name__)
# Of a function's pickle: from there on Spark itself makes files of them, which each worker reads
# whole, and platforms of Spark Connect may refuse them.
MOST_PICKLED_BYTES = 1 << 20
_sent: set[tuple[str, str]] = set()  # (id of application or session, file name)
_sending = Lock()


def small_function(session: SparkSession, function: BatchFunction) -> BatchFunction:
    """`function`, or one that finds it on the workers if it is larger than MOST_PICKLED_BYTES.

    Raises FileError if a file cannot be written on this machine.
    """
    mapped, files = mapped_function(function, MOST_PICKLED_BYTES)
    if not files:
        return function
    try:
        is_sent = _send(session, files)
    except OSError as fault:
        raise FileError(
            f"{fault.filename or 'Spark'}: no room for arrays that workers share "
            f"({fault.strerror or fault}); free some, or set spark.local.dir (over Spark Connect "
            "TMPDIR) to another disk"
        ) from None
    return mapped if is_sent else function


def _send(session: Any, files: Sequence[File]) -> bool:
    """Give the files to all workers of the session; False if its platform takes none."""
    is_connect = is_remote(session)
    to = session.session_id if is_connect else session.sparkContext.applicationId
    with _sending:
        for file in files:
            if (to, file.layout.name) in _sent:
                continue
            if not is_connect:
                _add_file(session.sparkContext, file)
            elif not _add_artifact(session, file):
                return False
            _sent.add((to, file.layout.name))
    return True


def _add_file(context: Any, file: File) -> None:
    # Spark keeps its own copy of added files there, and removes the folder when it stops.
    path = Path(SparkFiles.getRootDirectory(), file.layout.name)
    file.write(path)
    context.addFile(str(path))


def _add_artifact(session: Any, file: File) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, file.layout.name)
        file.write(path)
        try:
            session.addArtifacts(str(path), file=True)
        except Exception as fault:  # each platform refuses in its own words
            _log.warning("the server takes no files, so functions carry all arrays: %s", fault)
            return False
    return True
