"""The Java classes that PySpark looks up by name for each column, looked up once a session."""

from py4j.java_gateway import JavaClass
from pyspark.sql import SparkSession

_NAMES = (
    *("functions", "PythonUtils", "PythonSQLUtils", "PythonRDD", "SerDeUtil"),
    *("SimplePythonFunction", "SparkSession", "SparkSession$"),
)


def remember_java_classes(session: SparkSession) -> None:
    """Keep these classes as attributes of what the session's Python knows of its JVM.

    py4j asks the JVM anew at each mention, and the JVM searches all its jars for the name in each
    imported package: most of the time that building a plan in Python takes.
    """
    jvm = session._jvm
    for name in _NAMES:
        found = getattr(jvm, name)
        if isinstance(found, JavaClass):  # else the name of a package, which Spark 4 leaves it
            setattr(jvm, name, found)
