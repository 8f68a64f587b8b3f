"""YAML files of settings: a map without tags or duplicate keys, of limited size and depth."""

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
MAX_NODES = 200_000  # scalars, lists and maps; those behind an alias count at each use
MAX_DEPTH = 50
_LONGEST_INTEGER = 100  # characters
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """SafeLoader with stricter rules; YAMLError says where one is broken.

    Refuses duplicate keys (PyYAML takes the last), tags and NaN; and, before it builds any value,
    too deep nesting and too many values, aliases expanded.
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
        if node is not None and _expanded_size(node, {}) > MAX_NODES:
            raise _fault(node, f"expands to more than {MAX_NODES:,} values by its aliases")
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen_keys = set()
        # Checked here, before a merge key adds the keys of another map to this node.
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:  # `<<: *base`: the map's own keys may override those
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise _fault(key_node, f"a {type(key).__name__} is a key, expected text")
            if key in seen_keys:
                raise _fault(key_node, f"{shown(key)} stands there twice")
            seen_keys.add(key)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Replace merge keys by the pairs of their maps, each key once.

        A map's own pairs go before merged ones, and in a list of maps earlier ones before later
        ones. PyYAML 6.0.4 has it otherwise: it takes 1 for x in `{<<: {<<: {x: 1}, x: 3}}`.
        """
        merged: dict[tuple[str, Any], tuple[yaml.Node, yaml.Node]] = {}
        own: dict[tuple[str, Any], tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if key.tag != _MERGE:
                own[key.tag, key.value] = (key, value)
                continue
            maps = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for base in reversed(maps):
                if not isinstance(base, yaml.MappingNode):
                    raise _fault(base, "is merged, expected a map")
                self.flatten_mapping(base)
                merged |= {(k.tag, k.value): (k, v) for k, v in base.value}
        node.value = [*(merged | own).values()]

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > _LONGEST_INTEGER:
            raise _fault(node, f"is a number of {len(node.value):,} characters")
        return int(self.construct_yaml_int(node))

    def construct_number(self, node: yaml.ScalarNode) -> float:
        number = self.construct_yaml_float(node)
        if math.isnan(number):  # infinity is allowed, as a bound of a rule
            raise _fault(node, f"{node.value} is no number")
        return number


_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_integer)


def read_yaml_map(path: Path | Traversable) -> dict[str, Any]:
    """Read a YAML file of settings; SettingsError if it is missing, too large or not a map."""
    content = _parse(_read(path), str(path))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: expected a map of settings, found {type(content).__name__}")
    return content


def parse_yaml_value(text: str, name: str) -> Any:
    """Parse a value of the command line; SettingsError, naming it `name`, if it is not YAML."""
    if len(text) > MAX_BYTES:
        raise SettingsError(f"{name}: has {len(text):,} characters, expected {MAX_BYTES:,} at most")
    return _parse(text, name)


def _read(path: Path | Traversable) -> str:
    try:
        if isinstance(path, Path) and path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise SettingsError(f"{path}: is no regular file, expected a file of YAML")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise SettingsError(f"{path}: has more than the {MAX_BYTES:,} bytes that settings may")
        return content.decode("utf-8")
    except OSError as fault:
        raise SettingsError(f"{path}: cannot be read ({fault.strerror})") from None
    except UnicodeDecodeError as fault:
        raise SettingsError(
            f"{path}: is no YAML of settings (byte {fault.start} is no UTF-8)"
        ) from None


def _parse(text: str, name: str) -> Any:
    try:
        return _Loader(text).get_single_data()
    except (yaml.YAMLError, ValueError, OverflowError) as fault:  # ValueError: an invalid date
        raise SettingsError(
            f"{name}: is no YAML of settings ({_problem_and_line(fault)})"
        ) from None


def _problem_and_line(fault: Exception) -> str:
    """The problem and its line, without the excerpt that PyYAML adds."""
    if isinstance(fault, yaml.reader.ReaderError):
        return f"character {fault.position}: {fault.reason}"
    mark = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
    problem = getattr(fault, "problem", None) or str(fault)
    where = "" if mark is None else f"line {mark.line + 1}: "
    return f"{where}{' '.join(str(problem).split())[:200]}"


def _fault(event_or_node: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event_or_node.start_mark)


def _expanded_size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Number of nodes in the tree below `node`, aliases expanded; YAMLError for a cycle.

    `sizes`: node id -> size of the nodes counted before, 0 while a node is being counted.
    """
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise _fault(node, "holds itself by an alias")
        return sizes[id(node)]
    if isinstance(node, yaml.ScalarNode):
        return 1
    sizes[id(node)] = 0
    children = node.value
    if isinstance(node, yaml.MappingNode):
        children = [child for pair in children for child in pair]
    sizes[id(node)] = 1 + sum(_expanded_size(child, sizes) for child in children)
    return sizes[id(node)]
