"""Read class files: YAML lists of a data set's classes, packaged or the user's own."""

from collections.abc import Sequence
from hashlib import sha256
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from spark_jobs.core.conf_files import conf_file, conf_file_names
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.settings import did_you_mean, fault_lines
from spark_jobs.core.yaml_files import read_yaml_map
from spark_jobs.retrieval.class_queries import ClassFile


def read_class_file(name: str) -> ClassFile:
    """Read a class file by path, or by name for one that comes with captionlake."""
    content = read_yaml_map(_class_file(name))
    try:
        return ClassFile.model_validate(content)
    except ValidationError as fault:
        raise SettingsError(f"{name}: " + "; ".join(fault_lines(fault, ClassFile))) from None


def class_file_digests(names: Sequence[str]) -> dict[str, str]:
    """Digest of the content of each class file by path, to detect changed files."""
    files = {name: _class_file(name) for name in names}
    return {
        name if "/" in name else f"conf/classes/{name}": sha256(file.read_bytes()).hexdigest()[:16]
        for name, file in files.items()
    }


def read_class_files(names: Sequence[str]) -> list[ClassFile]:
    """Read several class files, to see before a run that they are there and without faults."""
    return [read_class_file(name) for name in names]


def packaged_class_files() -> list[str]:
    """The names, sorted and without `.yml`, of the class files that come with captionlake."""
    return conf_file_names("classes")


def _class_file(name: str) -> Path | Traversable:
    """The file of a path or name; SettingsError if there is none."""
    is_path = "/" in name or name.endswith((".yml", ".yaml"))
    file = Path(name) if is_path else conf_file("classes", f"{name}.yml")
    if not file.is_file():
        packaged_names = packaged_class_files()
        raise SettingsError(
            f"no class file {name!r}{did_you_mean(Path(name).stem, packaged_names)}; there are "
            f"{', '.join(packaged_names)}, or give a YAML file"
        )
    return file
