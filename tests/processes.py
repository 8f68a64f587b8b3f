"""What the Spark of tests and of programs that they start have in common."""

import os
import socket

# Spark 4's default; any test can be run in it.
IN_ANSI_MODE = os.environ.get("CAPTIONLAKE_TEST_ANSI") == "1"

# A test's tables have few rows: generated code and blocks of many megabytes cost more than they
# save. ANSI mode's run has Spark's defaults in these, and so have the programs that tests start.
FOR_FEW_ROWS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.broadcast.blockSize": "256k",
    "spark.broadcast.compress": "false",
    "spark.buffer.pageSize": "1m",
}
if IN_ANSI_MODE:
    FOR_FEW_ROWS.clear()

# Their Java ends before the optimising compiler has paid for itself: without it a command took 19 s
# of CPU instead of 33. The code cache would then be 48 MB, which Spark fills in a minute.
QUICK_JAVA = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"}


def free_port() -> int:
    """A port of loopback that nothing listens at now."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
    return port
