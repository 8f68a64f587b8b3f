"""Several processes that could not train together are refused before anything is read."""

import pytest

from spark_jobs.core.errors import SettingsError
from spark_jobs.running import torch_processes
from spark_jobs.running.torch_processes import refuse_impossible_workers

STORE = {"output": "s3://bucket/encoder"}


@pytest.mark.parametrize(
    ("workers", "device", "gpus", "is_local", "message"),
    [
        (2, "auto", "0.5", False, "a GPU of its own, but spark.task.resource.gpu.amount is 0.5"),
        (2, "auto", "1", False, "output = s3://bucket/encoder is in a store"),
        (2, "cpu", "0.5", False, "is in a store"),
        (2, "auto", "0.5", True, None),
        (1, "auto", "0.5", False, None),
    ],
)
def test_workers_that_cannot_train_together(
    monkeypatch: pytest.MonkeyPatch, workers, device, gpus, is_local, message
) -> None:
    monkeypatch.setattr(torch_processes, "is_remote", lambda _: False)
    monkeypatch.setattr(torch_processes, "reads_local_paths", lambda: is_local)
    monkeypatch.setattr(torch_processes, "setting", lambda *_: gpus)
    if message is None:
        refuse_impossible_workers(None, workers, device, STORE)
        return
    with pytest.raises(SettingsError, match=message):
        refuse_impossible_workers(None, workers, device, STORE)
