"""What must not stand in the packages: it breaks shared clusters, repeatability, or safety."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    p for name in ("captionlake", "spark_jobs", "udfs") for p in (ROOT / name).rglob("*.py")
)

FORBIDDEN_NAMES = {
    "SparkContext": "absent on shared clusters and Spark Connect",
    "sparkContext": "absent on shared clusters and Spark Connect",
    "_jvm": "absent on Spark Connect",
    "_jdf": "absent on Spark Connect",
    "_jsparkSession": "absent on Spark Connect",
    "_sc": "absent on Spark Connect",
    "rdd": "absent on shared clusters and Spark Connect",
    "DeltaTable": "needs _jvm; use SQL",
    "rand": "depends on partitioning; use draws.Draw",
    "randn": "depends on partitioning; use draws.Draw",
    "monotonically_increasing_id": "depends on partitioning",
    "dropDuplicates": "keeps any row; say which",
    "drop_duplicates": "keeps any row; say which",
    "zipWithIndex": "depends on partitioning",
    "setLogLevel": "needs SparkContext",
    "eval": "runs what it reads",
    "exec": "runs what it reads",
}
# Where a forbidden name stands all the same.
ALLOWED_NAMES = {
    "spark_jobs/storage/java_classes.py": "_jvm",  # of a session that was built here
    "spark_jobs/storage/session.py": "_sc",  # not of Spark Connect: whether the context is stopped
    "spark_jobs/core/worker_files.py": "sparkContext",  # nor this: Connect has addArtifacts
    "spark_jobs/filtering/top_fraction.py": "rand",  # an estimate, which the exact value follows
}
# What serverless compute of Databricks refuses, but for a few settings.
REFUSED_METHODS = {"cache", "persist", "unpersist", "checkpoint", "localCheckpoint", "conf"}
# Where it stands all the same.
USES_REFUSED_METHODS = {
    "spark_jobs/storage/session_settings.py": REFUSED_METHODS,  # with a way to do without
    "spark_jobs/storage/session.py": {"conf"},  # asks of classic sessions alone
    "udfs/models/clip_tokens.py": {"cache"},  # a dict of open_clip's tokenizer
    "spark_jobs/storage/faults/lines.py": {"conf"},  # which session_settings imports
}
FORBIDDEN_IMPORTS = {"pickle", "joblib", "dill", "random"}
# Where F.col takes a name that is no constant: what quotes it, and names of ours below that layer.
NAMES_COLUMNS = {"spark_jobs/core/columns.py", "spark_jobs/ingest/record_texts.py"}
# Where a list becomes literals of an expression, each of which costs the driver a millisecond.
LISTS_LITERALS = {
    "spark_jobs/jobs/measure_captions.py": "its own eight measures",
    "spark_jobs/comparing/difference.py": "names of two sides",
    "spark_jobs/filtering/filter.py": "at most 200 values of a rule",
    "spark_jobs/balancing/probabilities.py": "languages",
    "spark_jobs/jobs/gather_neighbours.py": "what a user lists as unsafe",
    "spark_jobs/core/unique_keys.py": "at most 1,000 hashes",
    "spark_jobs/formats/report_examples.py": "at most five examples",
}
# Where a number becomes a double: of columns whose type was checked, so that each value fits.
CASTS_NUMBERS = {
    "spark_jobs/captioning/measure_ngrams.py",  # bins of numbers from -1 to 1
    "spark_jobs/core/even_partitions.py",  # its own literal
    "udfs/arrow.py",  # columns that udfs made
    "spark_jobs/filtering/filter.py",
    "spark_jobs/filtering/listed_values.py",  # values of a rule, which were checked
    "spark_jobs/filtering/top_fraction.py",
    "spark_jobs/scoring/thresholds.py",
}
# Where text is checked before a kernel sees it; all jobs go through it.
MAPS_IN_ARROW = {"spark_jobs/core/arrow_mapping.py"}
# Where rows are counted, for all; and a table's own count of its rows.
COUNTS_ROWS = {
    "spark_jobs/core/row_counts.py": {"rows"},
    "spark_jobs/formats/caption_input.py": {"captions.source"},
    "spark_jobs/formats/text_corpus.py": {"captions.source"},
    "spark_jobs/jobs/match_and_balance.py": {"caption_input.source"},
    "spark_jobs/jobs/show.py": {"opened"},
    "captionlake/tables.py": {"opened"},
}
# Methods work on frames; what else they need comes as arguments.
AREAS = {path.name for path in (ROOT / "spark_jobs").iterdir() if path.is_dir()} - {
    *("jobs", "running", "formats", "storage", "core", "__pycache__"),
}
OF_FILES = {"os", "pathlib", "shutil", "tempfile", "glob", "fsspec", "pyarrow.fs"}
OPENS_FILES = {
    "spark_jobs/concepts/wordnet.py": "nltk reads WordNet from folders alone",
}
# A class of torch, in a module that is imported only where it is used.
IS_OF_TORCH = "udfs/training/torch_dataset.py"
HEAVY_IMPORTS = {
    *("torch", "petastorm", "img2dataset", "delta", "open_clip", "timm", "faiss"),
    *("sentence_transformers", "transformers"),
}


def forbidden_in(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    # `model.eval()` of torch reads nothing.
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    bare = {id(call.func) for call in calls if not call.args and not call.keywords}
    for node in ast.walk(tree):
        if id(node) in bare and getattr(node, "attr", None) == "eval":
            continue
        name = getattr(node, "attr", None) or getattr(node, "id", None)
        if name in FORBIDDEN_NAMES:
            yield f"line {node.lineno}: {name} ({FORBIDDEN_NAMES[name]})"
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            modules = [module] if module else [alias.name for alias in node.names]
            top = {m.partition(".")[0] for m in modules}
            yield from (f"line {node.lineno}: import of {m}" for m in top & FORBIDDEN_IMPORTS)
            names = {alias.name for alias in node.names} & set(FORBIDDEN_NAMES)
            yield from (f"line {node.lineno}: import of {n}" for n in names)
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or node.names[0].name
            if module.partition(".")[0] in HEAVY_IMPORTS:
                yield f"line {node.lineno}: {module} is imported at the top, not where it is used"


def refused_methods_in(source: str) -> Iterator[tuple[str, str]]:
    """(name, line) of what serverless compute refuses; `functools.cache` is something else."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in REFUSED_METHODS:
            text = ast.unparse(node)
            if text != "functools.cache":
                yield node.attr, f"line {node.lineno}: {text} (use storage/session_settings.py)"


# Calls that may run or expand what they read -> the argument that makes them safe, None for none.
READERS: dict[str, tuple[str, object] | None] = {
    "np.load": ("allow_pickle", False),
    "np.save": ("allow_pickle", False),
    "torch.load": ("weights_only", True),
    "open_clip.load_checkpoint": ("weights_only", True),
    "pd.read_pickle": None,
    "yaml.load": None,
    "yaml.safe_load": None,
    "yaml.full_load": None,
    "yaml.unsafe_load": None,
    "Pillow.open": None,
    "tempfile.mkstemp": None,  # files of mode 0600, whatever the umask
    "tempfile.NamedTemporaryFile": None,
}


def unsafe_reads_in(source: str) -> Iterator[str]:
    """Calls that read what strangers wrote without the argument that keeps them from harm."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        if any(keyword.arg == "trust_remote_code" for keyword in node.keywords):
            yield f"line {node.lineno}: trust_remote_code"
        if ast.unparse(node.func) not in READERS:
            continue
        safe = READERS[ast.unparse(node.func)]
        given = [(k.arg, getattr(k.value, "value", None)) for k in node.keywords]
        if safe is None or safe not in given:
            yield f"line {node.lineno}: {ast.unparse(node)}"


def unquoted_columns_in(source: str) -> Iterator[str]:
    """Calls of F.col with a name that is no constant: a dot or backtick in it would be read."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "F.col":
            yield from (
                f"line {node.lineno}: {ast.unparse(node)} (use columns.named)"
                for name in node.args
                if not is_constant(name)
            )


def casts_of_inputs_in(source: str) -> Iterator[str]:
    """Casts of columns of the input to anything but text, and places of arrays that may be none.

    In ANSI mode they stop the run at the first value that does not fit.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "F.element_at":
            yield f"line {node.lineno}: F.element_at (use F.get)"
        is_place = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        if is_place and ast.unparse(node.value).startswith("F.col("):
            yield f"line {node.lineno}: {ast.unparse(node)} (use F.get)"
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "cast":
            of = ast.unparse(node.func)
            is_input = "named(" in of or ".column(" in of
            kind = ast.unparse(node.args[0])  # of pyarrow's another rule holds: a fault is raised
            if is_input and kind not in {"'string'", "'binary'"} and not kind.startswith("pa."):
                yield f"line {node.lineno}: {ast.unparse(node)} (use columns.as_type)"


def counts_in(source: str) -> Iterator[tuple[str, str]]:
    """(what is counted, line) of each `.count()` but that of groups, which makes a column."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "count":
            counted = node.func.value  # type: ignore[attr-defined]
            is_of_groups = getattr(getattr(counted, "func", None), "attr", None) == "groupBy"
            if not (node.args or node.keywords or is_of_groups):
                line = f"line {node.lineno}: {ast.unparse(node)} (use row_counts.count_rows)"
                yield ast.unparse(counted), line


def is_constant(name: ast.expr) -> bool:
    """A literal, a CONSTANT, or an f-string of such."""
    if isinstance(name, ast.JoinedStr):
        return all(is_constant(v.value) for v in name.values if isinstance(v, ast.FormattedValue))
    called = getattr(name, "attr", None) or getattr(name, "id", "")
    return isinstance(name, ast.Constant) or called.isupper()


def literal_lists_in(source: str) -> Iterator[str]:
    """Calls of isin and create_map with what is no constant: a list of any length."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or ast.unparse(node.func) == "np.isin":
            continue
        is_list = getattr(node.func, "attr", None) in ("isin", "create_map")
        if is_list and not all(map(is_constant, node.args)):
            yield f"line {node.lineno}: {ast.unparse(node)} (join a table by rows_of_classes)"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_serverless_compute_refuses_has_a_way_round(path: Path) -> None:
    allowed = USES_REFUSED_METHODS.get(str(path.relative_to(ROOT)), set())
    found = refused_methods_in(path.read_text())
    assert [line for method, line in found if method not in allowed] == []


@pytest.mark.parametrize(
    "source", ["rows.cache()", "rows.persist(level)", "spark.conf.set('a', 'b')", "s.conf.get('a')"]
)
def test_the_check_of_refused_methods_finds_them(source: str) -> None:
    assert list(refused_methods_in(source))
    assert list(refused_methods_in("@functools.cache\ndef f(): ...")) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rows_are_counted_by_one_function(path: Path) -> None:
    allowed = COUNTS_ROWS.get(str(path.relative_to(ROOT)), set())
    assert [line for of, line in counts_in(path.read_text()) if of not in allowed] == []


def test_the_check_of_counts_finds_them() -> None:
    assert list(counts_in("rows.where(x).count()"))
    assert list(counts_in("rows.groupBy(UID).count(); 'abc'.count('b'); F.count('*')")) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_list_of_any_length_becomes_literals(path: Path) -> None:
    if str(path.relative_to(ROOT)) not in LISTS_LITERALS:
        assert list(literal_lists_in(path.read_text())) == []


@pytest.mark.parametrize(
    "source", ["c.isin(names)", "c.isin(*names)", "c.isin([k for k in x])", "F.create_map(*pairs)"]
)
def test_the_check_of_lists_finds_them(source: str) -> None:
    assert list(literal_lists_in(source))
    assert (
        list(literal_lists_in('c.isin("", "0"), rule.isin(DRAWN, RESTORED), np.isin(a, b)')) == []
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_columns_are_named_whatever_they_are_called(path: Path) -> None:
    if str(path.relative_to(ROOT)) not in NAMES_COLUMNS:
        assert list(unquoted_columns_in(path.read_text())) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_inputs_are_cast_so_that_no_value_stops_the_run(path: Path) -> None:
    if str(path.relative_to(ROOT)) not in CASTS_NUMBERS:
        assert list(casts_of_inputs_in(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        'named(column).cast("double")',
        'F.trim(named(column)).cast("int")',
        "part.column(name).cast(wanted)",
        "F.element_at(items, 1)",
        "F.col(LEMMAS)[0]",
    ],
)
def test_the_check_of_casts_finds_them(source: str) -> None:
    assert list(casts_of_inputs_in(source))
    assert list(casts_of_inputs_in('named(x).cast("string"), F.lit(0).cast("long")')) == []


@pytest.mark.parametrize(
    "source", ["F.col(name)", "F.col(rule.column)", 'F.col(f"_{name}")', "F.col(names[0])"]
)
def test_the_check_of_columns_finds_them(source: str) -> None:
    assert list(unquoted_columns_in(source))
    assert (
        list(unquoted_columns_in('F.col("x"), F.col(UID), F.col(schemas.T), F.col(f"k.{T}")')) == []
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_module_keeps_to_what_runs_everywhere(path: Path) -> None:
    allowed_name = ALLOWED_NAMES.get(str(path.relative_to(ROOT)))
    found = forbidden_in(path.read_text())
    if str(path.relative_to(ROOT)) == IS_OF_TORCH:
        found = (line for line in found if "torch.utils.data is imported at the top" not in line)
    assert [line for line in found if f": {allowed_name} (" not in line] == []


@pytest.mark.parametrize(
    "source",
    [
        "spark.sparkContext.parallelize([1])",
        "frame._jdf",
        "F.rand(42)",
        "from pyspark.sql.functions import rand",
        "from pyspark import SparkContext",
        "import pickle",
        "import torch.nn",
        "df.dropDuplicates(['uid'])",
        "df.eval('a + b')",
        "eval(text)",
    ],
)
def test_check_finds_what_it_is_for(source: str) -> None:
    assert list(forbidden_in(source))


def classic_methods_in(source: str) -> Iterator[str]:
    """Methods of the classes DataFrame and Column: those of Spark Connect are of other classes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("DataFrame", "Column"):
            yield f"line {node.lineno}: {ast.unparse(node)} (call it on a frame)"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_frames_of_spark_connect_are_frames_too(path: Path) -> None:
    assert list(classic_methods_in(path.read_text())) == []


def test_the_check_of_methods_finds_them() -> None:
    assert list(classic_methods_in("reduce(DataFrame.union, frames)"))
    assert list(classic_methods_in("reduce(Column.__and__, conditions)"))
    assert list(classic_methods_in("rows: DataFrame = frame.union(other)")) == []


def of_files_in(source: str) -> Iterator[str]:
    """What of a module touches files, the system or a session."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names = {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        else:
            names = {node.id} & {"open"} if isinstance(node, ast.Name) else set()
        yield from sorted(names & (OF_FILES | {"open", "pyspark.sql.SparkSession"}))


@pytest.mark.parametrize("area", sorted(AREAS))
def test_areas_touch_no_file_and_no_session(area: str) -> None:
    touching = {
        str(path.relative_to(ROOT)): names
        for path in (ROOT / "spark_jobs" / area).rglob("*.py")
        if (names := [*of_files_in(path.read_text())])
    }
    assert set(touching) <= set(OPENS_FILES), touching


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "from pathlib import Path",
        "from pyarrow import fs",
        "open('x')",
        "from pyspark.sql import DataFrame, SparkSession",
    ],
)
def test_the_check_of_areas_finds_them(source: str) -> None:
    assert list(of_files_in(source))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_of_strangers_are_read_safely(path: Path) -> None:
    assert list(unsafe_reads_in(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "np.load(file)",
        "np.load(file, allow_pickle=True)",
        "torch.load(file, weights_only=False)",
        "yaml.safe_load(text)",
        "Pillow.open(file)",
        "tempfile.mkstemp()",
        "Model(name, trust_remote_code=True)",
    ],
)
def test_the_check_of_reads_finds_them(source: str) -> None:
    assert list(unsafe_reads_in(source))
    safe = "np.load(file, allow_pickle=False), torch.load(file, weights_only=True)"
    assert list(unsafe_reads_in(safe)) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_batches_reach_python_through_one_wrapper(path: Path) -> None:
    if str(path.relative_to(ROOT)) in MAPS_IN_ARROW:
        return
    names = {getattr(node, "attr", None) for node in ast.walk(ast.parse(path.read_text()))}
    assert not names & {"mapInArrow", "mapInPandas", "pandas_udf", "applyInPandas"}, (
        "use arrow_mapping.map_in_arrow"
    )
