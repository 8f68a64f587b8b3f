"""What differs between the lines of Spark that local mode starts: 3.5 and 4.0."""

from dataclasses import dataclass
from pathlib import Path

from spark_jobs.core.errors import CurationError


@dataclass(frozen=True)
class SparkLine:
    """What a line of Spark needs on the machine that starts it, and the names of its jars.

    java_modules: modules that Spark's launcher always names to Java, which ends at once without
    them; Spark itself runs without. antlr: the version of the parser that Delta was built with.
    ivy: Ivy's folder; Spark 4 has another version of Ivy, whose files older ones cannot read.
    delta, hadoop: versions of the jars to be named for a cluster.
    """

    name: str
    java_versions: tuple[int, ...]
    java_modules: tuple[str, ...]
    scala: str
    antlr: str
    ivy: Path
    delta: str
    hadoop: str

    @property
    def java(self) -> str:
        """The versions as words: `8, 11 or 17`."""
        *others, last = map(str, self.java_versions)
        return f"{', '.join(others)} or {last}"


LINES = {
    "3": SparkLine(
        name="Spark 3.5",
        java_versions=(8, 11, 17),
        java_modules=(),
        scala="2.12",
        antlr="4.9.3",
        ivy=Path(".ivy2"),
        delta="3.3.2",
        hadoop="3.3.4",
    ),
    "4": SparkLine(
        name="Spark 4",
        java_versions=(17, 21),
        java_modules=("jdk.incubator.vector",),
        scala="2.13",
        antlr="4.13.1",
        ivy=Path(".ivy2.5.2"),
        delta="4.0.1",
        hadoop="3.4.1",
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
