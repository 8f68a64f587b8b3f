"""The shards of a training: which files, how many samples each has, how open_clip names them."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from udfs.images.tar_members import BrokenTarError, tar_members

SIZES = "sizes.json"
# As open_clip's loader groups files into samples, and which extensions it takes.
_SAMPLE_FILE = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)")
_IMAGE_EXTENSIONS = {"png", "jpg", "jpeg", "webp"}
_PATTERNS = re.compile(r"[{}\\]|::|\$\{")  # braces and variables that webdataset expands
_MOST_SAMPLES = 2**62


class ShardError(ValueError):
    """Shards that cannot be trained on; one line."""


@dataclass(frozen=True)
class Shard:
    """A file and its samples; `rows` counts those that open_clip's loader takes."""

    path: str
    rows: int


def shards_of_folder(paths: Sequence[str]) -> list[Shard]:
    """The shards at these paths, by the sizes.json that lies beside them, else counted.

    Raises ShardError for a sizes.json that is none, or a path that open_clip takes for a pattern.
    """
    shards = []
    sizes_of: dict[Path, dict[str, int]] = {}
    for path in sorted(paths):
        if _PATTERNS.search(path):
            raise ShardError(
                f"{path}: open_clip takes {{ }}, \\, :: and ${{ in a path for patterns: "
                "give the folder by a link without them"
            )
        beside = Path(path).parent
        if beside not in sizes_of:
            sizes_of[beside] = _sizes(beside)
        rows = sizes_of[beside].get(os.path.basename(path))
        shards.append(Shard(path, count_samples(path) if rows is None else rows))
    return shards


def _sizes(folder: Path) -> dict[str, int]:
    """Name -> samples, of sizes.json; empty if there is none."""
    file = folder / SIZES
    if not file.is_file():
        return {}
    try:
        sizes: Any = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        sizes = None
    if not isinstance(sizes, dict) or not all(map(_is_count, sizes.values())):
        raise ShardError(f"{file}: expected a JSON object of the samples of each shard; remove it")
    return sizes


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST_SAMPLES


def count_samples(path: str) -> int:
    """The samples of a shard that have an image and a text, as far as the archive can be read."""
    rows, stem = 0, ""
    extensions: set[str] = set()
    try:
        with open(path, "rb") as stream:
            for member in tar_members(stream, lambda _: -1):
                file = _SAMPLE_FILE.fullmatch(member.name)
                if file is None:
                    continue
                if file[1] != stem or file[2].lower() in extensions:
                    rows += _is_sample(extensions)
                    stem, extensions = file[1], set()
                extensions.add(file[2].lower())
    except BrokenTarError:
        pass  # open_clip's loader, too, takes what comes before
    return rows + _is_sample(extensions)


def _is_sample(extensions: set[str]) -> bool:
    return "txt" in extensions and not _IMAGE_EXTENSIONS.isdisjoint(extensions)


def train_data(shards: Sequence[Shard]) -> str:
    """The shards as open_clip's --train-data names them: 00000.tar to 00009.tar in braces."""
    parts = []
    for first, last in _runs([shard.path for shard in shards]):
        if first == last:
            parts.append(first)
        else:
            parts.append(f"{first[: -len('00000.tar')]}{{{first[-9:-4]}..{last[-9:-4]}}}.tar")
    return "::".join(parts)


def _runs(paths: Sequence[str]) -> list[tuple[str, str]]:
    """(first, last) of paths that count on by one in their last five digits before .tar."""
    runs: list[tuple[str, str]] = []
    for path in paths:
        if runs and path == _next(runs[-1][1]):
            runs[-1] = (runs[-1][0], path)
        else:
            runs.append((path, path))
    return runs


def _next(path: str) -> str | None:
    number = re.search(r"(?<!\d)(\d{5})\.tar$", path)
    if number is None or number[1] == "99999":
        return None
    return f"{path[: number.start()]}{int(number[1]) + 1:05}.tar"
