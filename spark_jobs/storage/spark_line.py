"""What differs between the lines of Spark that local mode starts: 3.5 and 4.0."""

from dataclasses import dataclass
from pathlib import Path

from spark_jobs.core.errors import CurationError


@dataclass(frozen=True)
class SparkLine:
    """What a line of Spark needs on the machine that starts it, and the names of Delta's jars.

    java_modules: modules that Spark's launcher always names to Java, which ends at once without
    them; Spark itself runs without. antlr: the version of the parser that Delta was built with.
    ivy: Ivy's folder; Spark 4 has another version of Ivy, whose files older ones cannot read.
    """

    name: str
    java_versions: tuple[int, ...]
    java_modules: tuple[str, ...]
    scala: str
    antlr: str
    ivy: Path

    @property
    def java(self) -> str:
        """The versions as words: `8, 11 or 17`."""
        *others, last = map(str, self.java_versions)
        return f"{', '.join(others)} or {last}"


LINES = {
    "3": SparkLine("Spark 3.5", (8, 11, 17), (), "2.12", "4.9.3", Path(".ivy2")),
    "4": SparkLine(
        "Spark 4", (17, 21), ("jdk.incubator.vector",), "2.13", "4.13.1", Path(".ivy2.5.2")
    ),
}


def installed_line() -> SparkLine:
    """The line of the installed pyspark; CurationError for another major version."""
    import pyspark

    line = LINES.get(pyspark.__version__.partition(".")[0])
    if line is None:
        raise CurationError(
            f"pyspark {pyspark.__version__} is none that captionlake starts: "
            "pip install 'captionlake[spark]'"
        )
    return line
