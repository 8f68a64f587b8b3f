"""conf/spark: each key is one that Spark has, and operators can give the files to spark-submit."""

import json
import re
import struct
import subprocess
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyspark
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "conf" / "spark"
DOCS = FOLDER.parents[1] / "docs"
FILES = sorted(FOLDER.glob("*.yml"))
FOR_SUBMIT = [path for path in FILES if path.stem not in ("local", "session")]
JARS = Path(pyspark.__file__).parent / "jars"
# Jar -> the classes in which Spark declares its settings.
DECLARED_IN = {
    "spark-core": r"org/apache/spark/internal/config/.*",
    "spark-launcher": r"org/apache/spark/launcher/SparkLauncher",
    "spark-catalyst": r"org/apache/spark/sql/internal/(Static)?SQLConf\$.*",
    "spark-sql-api": r"org/apache/spark/sql/internal/SqlApiConf.*",
    "spark-yarn": r"org/apache/spark/deploy/yarn/config/.*",
    "spark-kubernetes": r"org/apache/spark/deploy/k8s/Config\$.*",
}
# Spark puts these together from a name of the user's and parts that it declares.
WITH_A_NAME = (
    r"spark\.(?:driver|executor|task)\.(resource)\.\w+\.(\w+)",
    r"spark\.kubernetes\.(?:driver|executor)\.volumes\.(persistentVolumeClaim)\.[\w-]+\.([\w.]+)",
)
PARTS_DECLARED_IN = {
    "spark-core": r"org/apache/spark/resource/ResourceUtils.*",
    "spark-kubernetes": r"org/apache/spark/deploy/k8s/Config\$.*",
}
# Below it stand catalogs, by names of the user's.
OF_CATALOGS = "spark.sql.catalog."
# Below these stand variables of the environment.
OF_VARIABLES = {
    "spark.executorEnv.": ("spark-core", r"org/apache/spark/SparkConf"),
    "spark.yarn.appMasterEnv.": ("spark-yarn", r"org/apache/spark/deploy/yarn/Client"),
}
OF_DELTA = "spark.databricks.delta."
_WIDE_CONSTANTS, _CONSTANT_BYTES = (5, 6), {7: 3, 8: 3, 15: 4, 16: 3, 19: 3, 20: 3}


def texts_of_class(content: bytes) -> Iterator[str]:
    """The texts in the constant pool of a Java class, which stand as they are in its source."""
    [count] = struct.unpack_from(">H", content, 8)
    place, number = 10, 1
    while number < count:
        tag = content[place]
        if tag == 1:
            [length] = struct.unpack_from(">H", content, place + 1)
            yield content[place + 3 : place + 3 + length].decode("utf-8", "replace")
            place += 3 + length
        else:
            place += 9 if tag in _WIDE_CONSTANTS else _CONSTANT_BYTES.get(tag, 5)
        number += 2 if tag in _WIDE_CONSTANTS else 1


@cache
def texts_in(jar: str, classes: str) -> frozenset[str]:
    [file] = [
        path for path in JARS.glob(f"{jar}_2.*.jar") if re.match(rf"{jar}_2\.1\d-", path.name)
    ]
    with zipfile.ZipFile(file) as archive:
        names = [n for n in archive.namelist() if re.fullmatch(rf"{classes}\.class", n)]
        texts = (text for name in names for text in texts_of_class(archive.read(name)))
        # Where Spark 4 joins texts, U+0001 stands for what is put in.
        return frozenset(text.replace("\x01", "") for text in texts)


def is_a_setting(key: str) -> bool:
    """Whether Spark declares a key, or all parts of one that has a name of the user's in it."""
    declared = set().union(*(texts_in(*item) for item in DECLARED_IN.items()))
    parts = declared.union(*(texts_in(*item) for item in PARTS_DECLARED_IN.items()))
    for form in WITH_A_NAME:
        if with_name := re.fullmatch(form, key):
            return set(with_name.groups()) <= parts
    prefix, _, last = key.rpartition(".")
    if of_variables := OF_VARIABLES.get(f"{prefix}."):
        return f"{prefix}." in texts_in(*of_variables)
    is_joined = prefix in declared and f".{last}" in declared
    return key in declared or is_joined or (f"{prefix}." == OF_CATALOGS and OF_CATALOGS in declared)


def name_of(value: object) -> str:
    return value.name if isinstance(value, Path) else str(value)


def keys(path: Path) -> list[str]:
    """The keys of a file, but for those of Delta."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [key for key in content if not key.startswith(OF_DELTA)]


@pytest.mark.parametrize(
    ("path", "key"), [(path, key) for path in FILES for key in keys(path)], ids=name_of
)
def test_spark_has_each_setting(path: Path, key: str) -> None:
    assert is_a_setting(key), f"{path.name}: Spark {pyspark.__version__} has no {key}"


@pytest.mark.parametrize(
    "key",
    [
        *("spark.executor.memmory", "spark.executor.core", "spark.yarn.maxAppAttempt", "spark.gpu"),
        *("spark.executor.resource.gpu.amounts", "spark.executor.resources.gpu.amount"),
        "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1.options.claim",
    ],
)
def test_a_misspelt_setting_is_none(key: str) -> None:
    assert not is_a_setting(key)


@pytest.mark.parametrize("path", FOR_SUBMIT, ids=lambda path: path.name)
def test_spark_submit_reads_a_file_as_yaml_does(path: Path) -> None:
    """As Java properties: a key up to the first colon, no quotes, no nesting."""
    lines = path.read_text(encoding="utf-8").splitlines()
    properties = dict(
        re.split(r"\s*:\s*", line, maxsplit=1) for line in lines if line and line[0] != "#"
    )
    of_yaml = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    assert properties == of_yaml
    assert not any(set(value) & set("'\"\\") for value in properties.values())


@pytest.mark.parametrize("path", FOR_SUBMIT, ids=lambda path: path.name)
def test_each_paragraph_of_settings_is_explained(path: Path) -> None:
    for paragraph in path.read_text(encoding="utf-8").split("\n\n"):
        assert paragraph.startswith("#") or paragraph.startswith("spark.master"), paragraph


def test_executors_may_write_to_their_claims() -> None:
    """A new claim is root's, and Spark's images run as the user 185."""
    settings = yaml.safe_load((FOLDER / "kubernetes.yml").read_text(encoding="utf-8"))
    template = FOLDER.parents[1] / settings["spark.kubernetes.executor.podTemplateFile"]
    pod = yaml.safe_load(template.read_text(encoding="utf-8"))
    assert (pod["apiVersion"], pod["kind"]) == ("v1", "Pod")
    assert pod["spec"]["securityContext"]["fsGroup"] == 185


@pytest.mark.parametrize("page", ["README.md", *sorted(DOCS.glob("*.md"))], ids=name_of)
def test_packages_of_spark_are_one_list_with_delta(page: str | Path) -> None:
    """Each --packages takes the place of those before it, and of a settings file's."""
    text = (DOCS.parent / page).read_text(encoding="utf-8")
    for packages in re.findall(r"--packages ([\w.:,-]+:[\w.:,-]+)", text):
        assert packages.startswith("io.delta:delta-spark_"), packages


def find_gpus(tmp_path: Path, answer: str) -> subprocess.CompletedProcess[str]:
    """The discovery script beside a stub of nvidia-smi that prints this."""
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\nprintf '{answer}'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    return subprocess.run(
        [str(FOLDER / "find_gpus.sh")],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("answer", "gpus"), [("0\\n", ["0"]), ("0\\n1\\n2\\n", ["0", "1", "2"])])
def test_the_discovery_script_lists_gpus(tmp_path: Path, answer: str, gpus: list[str]) -> None:
    found = find_gpus(tmp_path, answer)
    assert json.loads(found.stdout) == {"name": "gpu", "addresses": gpus}


def test_the_discovery_script_fails_without_gpus(tmp_path: Path) -> None:
    found = find_gpus(tmp_path, "")
    assert found.returncode == 1
    assert found.stderr == "find_gpus.sh: nvidia-smi lists no GPU\n"
