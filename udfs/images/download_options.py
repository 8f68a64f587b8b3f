"""How the images of a shard are downloaded: limits, sizes and formats, as JSON for processes."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from udfs.images.fetch import FetchLimits

ShardFormat = Literal["webdataset", "files", "parquet"]


@dataclass(frozen=True)
class DownloadOptions:
    """The options of all shards of a folder.

    `image_size`: pixels of the shorter side after `keep_ratio`. `rows_per_shard` decides the digits
    of keys; `threads`: of a process. The others are img2dataset's.
    """

    folder: str
    format: ShardFormat = "webdataset"
    image_size: int = 256
    resize_mode: str = "keep_ratio"
    resize_only_if_bigger: bool = True
    skip_reencode: bool = True
    encode_format: str = "jpg"
    encode_quality: int = 95
    min_image_size: int = 0
    max_aspect_ratio: float = 0.0
    exif: bool = True
    rows_per_shard: int = 10_000
    threads: int = 256
    limits: FetchLimits = field(default_factory=FetchLimits)

    def as_json(self) -> str:
        """The options as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "DownloadOptions":
        """The options of `as_json`."""
        values: Any = json.loads(text)
        limits = values["limits"]
        for name in ("allow_hosts", "disallowing"):
            limits[name] = tuple(limits[name])
        return cls(**{**values, "limits": FetchLimits(**limits)})
