"""YAML files of settings: a map, no key twice."""

from collections.abc import Hashable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from spark_jobs.errors import SettingsError

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key that stands twice, of which YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:  # `<<: *base`, whose keys one's own may replace
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: {key!r} stands there twice")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_yaml_map(path: Path | Traversable) -> dict[str, Any]:
    """Read a YAML file of settings; SettingsError where it is missing or no map."""
    try:
        content = _Loader(path.read_text(encoding="utf-8")).get_single_data()
    except OSError as fault:
        raise SettingsError(f"{path}: cannot be read ({fault.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise SettingsError(f"{path}: is no YAML ({' '.join(str(fault).split())})") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: expected a map of settings, found {type(content).__name__}")
    return content
