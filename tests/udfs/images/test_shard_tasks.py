"""Shards in the tasks of a cluster, whose workers may lack what downloads."""

import importlib.util
from pathlib import Path

import pyarrow as pa
import pytest

from udfs.images.download_options import DownloadOptions
from udfs.images.fetch import FetchLimits
from udfs.images.shard_tasks import download_shards_in_task

LIMITS = FetchLimits(timeout_s=1, deadline_s=1, max_bytes=1, max_pixels=1, allow_hosts=())


@pytest.mark.parametrize("missing", ["img2dataset", "cv2"])
def test_workers_without_img2dataset_say_so(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not that the output cannot be written, which the process's end would look like."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find_spec(name)
    )
    options = DownloadOptions(str(tmp_path), rows_per_shard=1, limits=LIMITS)
    batch = pa.RecordBatch.from_pydict({"shard": pa.array([0], pa.int32())})
    with pytest.raises(ModuleNotFoundError, match=rf"'{missing}', which captionlake\[images\]"):
        next(iter(download_shards_in_task(options)(iter([batch]))))
