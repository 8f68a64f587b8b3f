"""The platform that a run is on, where it matters to what may be done there."""

import os


def is_databricks() -> bool:
    """Whether this program runs on a cluster or the serverless compute of Databricks."""
    return "DATABRICKS_RUNTIME_VERSION" in os.environ
