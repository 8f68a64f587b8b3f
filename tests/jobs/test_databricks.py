"""CPU jobs in a session that refuses what Databricks' serverless and shared compute refuse."""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest
import yaml
from pyspark import SparkContext, SparkFiles
from pyspark.errors import AnalysisException, PySparkAttributeError
from pyspark.serializers import CloudPickleSerializer
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from pyspark.sql.conf import RuntimeConfig

from spark_jobs.core import worker_files
from spark_jobs.storage.outputs import databricks as databricks_outputs
from tests.platforms.workload import Place, make_inputs, other_jobs
from udfs import compiled, file_systems

pytestmark = pytest.mark.skipif(
    pyspark.__version__ >= "4", reason="the guard stands in front of the classes of PySpark 3.5"
)
PACKAGES = ("captionlake", "spark_jobs", "udfs")
# The settings that serverless compute lets a job read and change.
SETTINGS = {
    "spark.sql.ansi.enabled",
    "spark.sql.legacy.timeParserPolicy",
    "spark.sql.session.timeZone",
    "spark.sql.shuffle.partitions",
}
NOT_IN_CONNECT = (
    (SparkSession, ("sparkContext", "_jvm", "_jsparkSession")),
    (DataFrame, ("rdd", "_jdf")),
)
# Of the tables that jobs write there; `lake` of those that are of no recipe.
SCHEMAS = ("lake", "curated", "labels", "matched", "retrieved")
ASKS_WHETHER_IT_IS_CONNECT = "spark_jobs.storage.session"
# Small, so that what is large on real inputs goes as files here too.
MOST_PICKLED_BYTES = 4 << 10
MOST_CLOSURE_BYTES = 16 << 10
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
WATCHED = ("open", "os.mkdir", "os.remove", "os.rename")
Captionlake = Callable[..., Any]


class OnlyForPySpark:
    """An attribute that PySpark itself may use and that our packages may not."""

    def __init__(self, owner: type, name: str) -> None:
        self._name, self._of_class = name, owner.__dict__.get(name)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        caller = sys._getframe(1).f_globals["__name__"]
        if caller.startswith(PACKAGES) and caller != ASKS_WHETHER_IT_IS_CONNECT:
            raise PySparkAttributeError(f"[JVM_ATTRIBUTE_NOT_SUPPORTED] {self._name}")
        if self._of_class is not None:
            return self._of_class.__get__(instance, owner)
        return instance.__dict__[self._name]

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self._name] = value


class Guard:
    """Where files may be written while it is on; `volumes`: a folder that stands for /Volumes."""

    def __init__(self, folder: Path) -> None:
        self.volumes, self.driver = folder / "Volumes", folder / "driver"
        self._folder = folder
        # Kernels that were imported before it was on keep the folder that they had then.
        self._kernels = compiled._cache_folder() or folder
        self.volumes.mkdir()
        self.driver.mkdir()

    def check_write(self, path: object) -> None:
        """Raise PermissionError for a file outside of volumes and the folder of temporary files."""
        if not isinstance(path, str | bytes | os.PathLike):
            return
        place = Path(os.fsdecode(path)).absolute()
        is_temporary = place.is_relative_to(tempfile.gettempdir())
        is_ours = place.is_relative_to(self._folder)
        if not place.is_relative_to(self.volumes) and (is_ours or not is_temporary):
            if str(place).startswith(("/dev/", "/proc/")) or (
                place.is_relative_to(self._kernels) and not is_ours
            ):
                return
            raise PermissionError(f"{place}: written on the driver's disk")


_on: list[Guard] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not _on or event not in WATCHED or is_code_of_others():
        return
    is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
    if is_write or event != "open":
        _on[-1].check_write(arguments[1 if event == "os.rename" else 0])


def is_code_of_others() -> bool:
    """Whether no code of ours is on the stack, as in the threads of pytest and py4j."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(PACKAGES):
            return False
        frame = frame.f_back
    return True


sys.addaudithook(_watch)


@pytest.fixture
def guard(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    """The session as serverless compute has it, with Spark's ANSI mode on."""
    place = Guard(tmp_path)
    ansi = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", "true")
    for schema in SCHEMAS:
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS spark_catalog.{schema}")
    with monkeypatch.context() as patch:
        _refuse_settings(patch)
        _refuse_methods(patch)
        _refuse_files_of_spark(patch)
        _refuse_large_closures(patch)
        _take_artifacts(patch, spark.sparkContext)
        for owner, names in NOT_IN_CONNECT:
            for name in names:
                patch.setattr(owner, name, OnlyForPySpark(owner, name), raising=False)
        patch.setenv("DATABRICKS_RUNTIME_VERSION", "15.4")
        patch.setenv("HOME", "/dev/null/home")
        patch.delenv("XDG_CACHE_HOME", raising=False)
        patch.chdir(place.driver)
        patch.setattr(file_systems, "VOLUMES", f"{place.volumes}/")
        patch.setattr(databricks_outputs, "_LASTING", (f"{place.volumes}/",))
        compiled._cache_folder.cache_clear()
        _on.append(place)
        try:
            yield place
        finally:
            _on.pop()
            compiled._cache_folder.cache_clear()
    for schema in SCHEMAS:
        spark.sql(f"DROP SCHEMA spark_catalog.{schema} CASCADE")
    spark.conf.set("spark.sql.ansi.enabled", str(ansi))
    assert list(place.driver.iterdir()) == []  # pyarrow's files raise no audit event


def _refuse_settings(patch: pytest.MonkeyPatch) -> None:
    get, set_ = RuntimeConfig.get, RuntimeConfig.set

    def refuse_others(key: str) -> None:
        if key not in SETTINGS:
            raise AnalysisException(f"[CONFIG_NOT_AVAILABLE] Configuration {key} is not available.")

    def guarded_get(self: RuntimeConfig, key: str, *default: Any) -> Any:
        refuse_others(key)
        return "auto" if key == "spark.sql.shuffle.partitions" else get(self, key, *default)

    def guarded_set(self: RuntimeConfig, key: str, value: Any) -> None:
        refuse_others(key)
        set_(self, key, value)

    patch.setattr(RuntimeConfig, "get", guarded_get)
    patch.setattr(RuntimeConfig, "set", guarded_set)


def _refuse_methods(patch: pytest.MonkeyPatch) -> None:
    def refuse(self: DataFrame, *_: object, **__: object) -> None:
        raise AnalysisException(
            "[NOT_SUPPORTED_WITH_SERVERLESS] PERSIST TABLE is not supported on serverless compute."
        )

    for name in ("cache", "persist", "checkpoint", "localCheckpoint"):
        patch.setattr(DataFrame, name, refuse)


def _refuse_files_of_spark(patch: pytest.MonkeyPatch) -> None:
    """Refuse writes to file:, which would be the disk of each executor."""
    for name in ("save", "parquet", "json", "csv", "text"):
        write = getattr(DataFrameWriter, name)

        def guarded(
            self: Any, path: str | None = None, *a: Any, _write: Any = write, **b: Any
        ) -> None:
            if (path or "").startswith("file:"):
                raise AnalysisException(f"[UNAUTHORIZED_ACCESS] no access to {path}")
            _write(self, path, *a, **b)

        patch.setattr(DataFrameWriter, name, guarded)


def _refuse_large_closures(patch: pytest.MonkeyPatch) -> None:
    dumps = CloudPickleSerializer.dumps

    def guarded(self: Any, value: object) -> bytes:
        content = bytes(dumps(self, value))
        # Not rows of createDataFrame, which it pickles too.
        is_function = isinstance(value, tuple) and len(value) > 0 and callable(value[0])
        if is_function and len(content) > MOST_CLOSURE_BYTES:
            raise AnalysisException(f"a closure of {len(content):,} bytes is too large a message")
        return content

    patch.setattr(CloudPickleSerializer, "dumps", guarded)


def _take_artifacts(patch: pytest.MonkeyPatch, context: SparkContext) -> None:
    """Files for workers, as Spark Connect takes them; here they stay in a folder of the session."""

    def add(self: SparkSession, path: str, *, file: bool) -> None:
        kept = Path(SparkFiles.getRootDirectory(), Path(path).name)
        shutil.copyfile(path, kept)
        context.addFile(str(kept))

    patch.setattr(worker_files, "MOST_PICKLED_BYTES", MOST_PICKLED_BYTES)
    patch.setattr(worker_files, "is_remote", lambda _: True)
    patch.setattr(SparkSession, "session_id", "serverless", raising=False)
    patch.setattr(SparkSession, "addArtifacts", add)


def as_ours(code: str, **names: object) -> None:
    """Run code as if it stood in our packages."""
    exec(code, {"__name__": "spark_jobs.some_module", **names})


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("spark.conf.set('spark.sql.execution.arrow.maxRecordsPerBatch', '1')", "CONFIG_NOT"),
        ("spark.conf.get('spark.sql.execution.arrow.maxRecordsPerBatch')", "CONFIG_NOT"),
        ("int(spark.conf.get('spark.sql.shuffle.partitions'))", "auto"),
        ("spark.range(1).cache()", "PERSIST TABLE"),
        ("spark.range(1).persist()", "PERSIST TABLE"),
        ("spark.sparkContext", "sparkContext"),
        ("spark._jvm", "_jvm"),
        ("spark.range(1)._jdf", "_jdf"),
        ("spark.range(1).rdd", "rdd"),
        ("open('report.html', 'w')", "driver's disk"),
        ("import os; os.makedirs('folder')", "driver's disk"),
        ("spark.range(1).write.parquet('file:/x')", "no access to file:/x"),
        (
            "content = bytes(1 << 14)\n"
            "spark.range(1).mapInArrow(lambda b: content and b, 'id long')",
            "too large a message",
        ),
    ],
)
def test_the_guard_refuses(guard: Guard, spark: SparkSession, code: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        as_ours(code, spark=spark)


def test_the_guard_lets_volumes_and_pyspark_be(guard: Guard, spark: SparkSession) -> None:
    as_ours("open(path, 'w').close()", path=guard.volumes / "report.html")
    assert spark.range(2).collect()[1].id == 1


@pytest.fixture
def captions(guard: Guard) -> Path:
    path = guard.volumes / "captions.parquet"
    table = {"caption": ["a tabby cat", "a dog", "two tabby cats"], "url": ["a", "b", "c"]}
    pq.write_table(pa.table(table), path)
    return path


NOT_RUN = {
    "count-concepts": "needs the files of WordNet, which are not everywhere",
}


def serverless_jobs() -> set[str]:
    """The commands whose Databricks jobs run on serverless compute."""
    folder = Path(__file__).parents[2] / "conf/databricks/resources/jobs"
    resources = (yaml.safe_load(path.read_text()) for path in folder.glob("*.yml"))
    jobs = [job for resource in resources for job in resource["resources"]["jobs"].values()]
    return {
        task["python_wheel_task"]["parameters"][0]
        for job in jobs
        for task in job["tasks"]
        if "environment_key" in task
    }


def commands(inputs: Path, out: Place) -> dict[str, list[str]]:
    """The commands that run on serverless compute, in an order in which they can run.

    Tables lie in a catalog, plain files in a volume: reports, pictures, TSV, npy, folders. What
    jobs with models would have written are tables of the inputs.
    """
    table, files = out.table, out.files
    labels, captions = table("labels/labels"), table("labels/captions")
    first = {
        "curate": f"{inputs}/captions --bank {inputs}/bank.txt --t 20 --decisions "
        f"--output {out.tables('curated')}",
        "ingest-captions": f"--input {inputs}/laion --preset laion400m --output {captions}",
        "ingest-captions of records": f"--input {inputs}/records.json "
        f"--preset imagenet_captions --output {table('matched/records')}",
        "label-synsets": f"--captions {captions} --output {labels} --tsv {files}/labels.tsv "
        f"--frequencies {files}/classes.txt",
        "match-concepts": f"--captions {captions} --bank {inputs}/bank.txt "
        f"--output {table('matches')} --entry-counts {table('entry_counts')}",
        "balance-captions": f"--captions {captions} --matches {table('matches')} --t 20 "
        f"--output {table('balanced')}",
        "match-frequencies": f"--sources [{labels}] --shape flat --rows 20 "
        f"--captions {captions} --output {table('uniform')} --uids {files}/uids.npy",
        "make-queries": f"--classes {inputs}/pets.yml --output {table('queries')}",
        "gather-neighbours": f"--queries {table('queries')} --by-text {inputs}/found.parquet "
        f"--captions {captions} --output {table('gathered')} --chunks {files}/chunks",
        "assign-neighbours": f"--neighbours {inputs}/near.parquet --items {inputs}/items.parquet "
        f"--output {table('assigned')}",
        "compare-evaluations": f"--evaluations '{{a@0: {inputs}/evaluation.parquet}}' "
        f"--output {table('comparison')}",
    }
    others = other_jobs(inputs, out)
    # compare-evaluations: of a table of evaluate-clip, which has a model; match-concepts: above.
    for name in ("compare-evaluations", "match-concepts"):
        del others[name]
    others["score-clip"] = shlex.split(
        f"score-clip --images {inputs}/vectors.parquet --captions {inputs}/vectors.parquet "
        f"--output {table('clip_scores')}"
    )
    others["cluster-images"] = shlex.split(
        f"cluster-images --embeddings {inputs}/vectors.parquet --k 2 --output {table('clusters')}"
    )
    others["plan-balance"] += ["--picture", f"{files}/plan.svg"]
    of_first = {name: [name.split()[0], *shlex.split(words)] for name, words in first.items()}
    return of_first | {name: words for name, words in others.items() if name in serverless_jobs()}


def make_tables(inputs: Path) -> None:
    """What the jobs with models write: vectors, an evaluation, neighbours of queries and items."""
    uids = [f"{i:032x}" for i in range(3)]
    vectors = {
        "uid": uids,
        "embedding": pa.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], pa.list_(pa.float32())),
        "model": ["open_clip:tiny"] * 3,
        "weights": pa.array([None] * 3, pa.string()),
        "fault": pa.array([None] * 3, pa.string()),
    }
    items = {"uid": ["a", "b"], "wnid": ["n01440764", "n01443537"]}
    pq.write_table(pa.table(vectors), inputs / "vectors.parquet")
    evaluation = {
        "model": ["open_clip:tiny"],
        "weights": pa.array([None], pa.string()),
        "task": ["zero_shot"],
        "set": ["all"],
        "measure": ["top1"],
        "value": [0.5],
        "n": pa.array([3], pa.int64()),
    }
    pq.write_table(pa.table(items), inputs / "items.parquet")
    pq.write_table(pa.table(evaluation), inputs / "evaluation.parquet")
    for name, queries in (("found", ["Pets/cat/0", "Pets/dog/0"]), ("near", ["a", "b"])):
        neighbours = {
            "query_id": queries,
            "uid": uids[:2],
            "rank": pa.array([0, 0], pa.int32()),
            "similarity": pa.array([0.5, 0.25], pa.float32()),
        }
        pq.write_table(pa.table(neighbours), inputs / f"{name}.parquet")


def test_each_serverless_job_runs_under_the_guard_or_is_named_here(tmp_path: Path) -> None:
    given = commands(tmp_path, Place(tmp_path, "spark_catalog"))
    assert serverless_jobs() - {job for job, *_ in given.values()} == NOT_RUN.keys()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_serverless_jobs_do_without_what_is_refused(captionlake: Captionlake, guard: Guard) -> None:
    volume = guard.volumes
    make_inputs(volume / "in", image_server="http://127.0.0.1:9")
    make_tables(volume / "in")
    given = commands(volume / "in", Place(volume, "spark_catalog"))
    faults = {}
    for job, words in given.items():
        done = captionlake(*words)
        if done.exit_code != 0 or done.summary["status"] != "done":
            faults[job] = done.stderr
    assert not faults
    for name in ("plan.svg", "report.html", "labels.tsv", "classes.txt", "uids.npy"):
        assert (volume / name).stat().st_size, name
    assert list((volume / "files").glob("*.json"))
    assert list((volume / "chunks").rglob("*.json"))
    assert not list(volume.rglob("_delta_log"))  # tables beside the files, out of the catalog
    again = captionlake(*given["report"])
    assert again.summary["status"] == "up_to_date"


def test_the_drivers_disk_is_refused_before_the_run(
    captionlake: Captionlake, captions: Path
) -> None:
    refused = captionlake("ingest-captions", "--input", captions, "--output", "./captions")
    assert refused.exit_code != 0
    assert "the disk of Databricks' driver ends with its cluster" in refused.error
