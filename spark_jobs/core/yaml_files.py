"""YAML of settings: a map, no key twice, no tags, and no larger than settings are."""

import math
import stat
from collections.abc import Hashable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from spark_jobs.core.errors import SettingsError
from spark_jobs.core.redaction import shown

MAX_BYTES = 8 << 20
MAX_NODES = 200_000  # scalars, lists and maps, those behind an alias each time it stands there
MAX_DEPTH = 50
_LONGEST_INTEGER = 100  # characters
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses what no file of settings holds: YAMLError says where.

    A key that stands twice, of which YAML would take the last; tags; NaN; and, before any value is
    made, what nests deeper or expands further than is allowed.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._n_nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) not in (None, "!"):
            raise _fault(event, f"has the tag {shown(event.tag)}, expected none")
        self._depth += 1
        self._n_nodes += 1
        if self._depth > MAX_DEPTH:
            raise _fault(event, f"nests deeper than {MAX_DEPTH} levels")
        if self._n_nodes > MAX_NODES:
            raise _fault(event, f"holds more than {MAX_NODES:,} values")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None and _expanded(node, {}) > MAX_NODES:
            raise _fault(node, f"expands to more than {MAX_NODES:,} values by its aliases")
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        # Here, since a merge that uses the map later adds its keys to it.
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:  # `<<: *base`, whose keys one's own may replace
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise _fault(key_node, f"a {type(key).__name__} is a key, expected text")
            if key in seen:
                raise _fault(key_node, f"{shown(key)} stands there twice")
            seen.add(key)
        return node

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > _LONGEST_INTEGER:
            raise _fault(node, f"is a number of {len(node.value):,} characters")
        return int(self.construct_yaml_int(node))

    def construct_number(self, node: yaml.ScalarNode) -> float:
        number = self.construct_yaml_float(node)
        if math.isnan(number):  # an infinity may bound a rule
            raise _fault(node, f"{node.value} is no number")
        return number


_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_integer)


def read_yaml_map(path: Path | Traversable) -> dict[str, Any]:
    """Read a YAML file of settings; SettingsError where it is missing, too large or no map."""
    content = _parsed(_read(path), str(path))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: expected a map of settings, found {type(content).__name__}")
    return content


def parse_yaml_value(text: str, name: str) -> Any:
    """A value of the command line; SettingsError, which calls it `name`, where it is no YAML."""
    if len(text) > MAX_BYTES:
        raise SettingsError(f"{name}: has {len(text):,} characters, expected {MAX_BYTES:,} at most")
    return _parsed(text, name)


def _read(path: Path | Traversable) -> str:
    try:
        if isinstance(path, Path) and path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise SettingsError(f"{path}: is no regular file, expected a file of YAML")
        with path.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise SettingsError(f"{path}: has more than the {MAX_BYTES:,} bytes that settings may")
        return content.decode("utf-8")
    except OSError as fault:
        raise SettingsError(f"{path}: cannot be read ({fault.strerror})") from None
    except UnicodeDecodeError as fault:
        raise SettingsError(
            f"{path}: is no YAML of settings (byte {fault.start} is no UTF-8)"
        ) from None


def _parsed(text: str, name: str) -> Any:
    try:
        return _Loader(text).get_single_data()
    except (yaml.YAMLError, ValueError, OverflowError) as fault:  # ValueError: a date of no month
        raise SettingsError(f"{name}: is no YAML of settings ({_in_short(fault)})") from None


def _in_short(fault: Exception) -> str:
    """What is wrong and on which line, without the text around it."""
    if isinstance(fault, yaml.reader.ReaderError):
        return f"character {fault.position}: {fault.reason}"
    mark = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
    problem = getattr(fault, "problem", None) or str(fault)
    where = "" if mark is None else f"line {mark.line + 1}: "
    return f"{where}{' '.join(str(problem).split())[:200]}"


def _fault(place: Any, problem: str) -> yaml.MarkedYAMLError:
    """The fault of an event or node."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


def _expanded(node: yaml.Node, sizes: dict[int, int]) -> int:
    """The nodes at and below one, each as often as an alias repeats it; YAMLError for a circle.

    `sizes`: of nodes seen before, 0 of those that are being counted.
    """
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise _fault(node, "holds itself by an alias")
        return sizes[id(node)]
    if isinstance(node, yaml.ScalarNode):
        return 1
    sizes[id(node)] = 0
    parts = node.value
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in parts for part in pair]
    sizes[id(node)] = 1 + sum(_expanded(part, sizes) for part in parts)
    return sizes[id(node)]
