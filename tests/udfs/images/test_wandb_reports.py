"""Reports of a download: which shards img2dataset's logger is to report."""

from pathlib import Path
from typing import Any

import pytest

from udfs.images.wandb_reports import reports_to_wandb


def test_shards_of_earlier_runs_are_not_reported_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from img2dataset import logger

    reported: list[Any] = []

    class Logger(logger.LoggerProcess):  # type: ignore[misc]
        def start(self) -> None:
            reported.append((self.wandb_project, self.done_shards))

        def join(self, timeout: float | None = None) -> None:
            reported.append("joined")

    monkeypatch.setattr(logger, "LoggerProcess", Logger)
    (tmp_path / "_ledger").mkdir()
    for shard in (0, 12):
        (tmp_path / "_ledger" / f"{shard:05}.parquet").touch()
    with reports_to_wandb(str(tmp_path), None):
        pass
    assert not reported
    with reports_to_wandb(str(tmp_path), "cats"):
        assert reported == [("cats", {0, 12})]
    assert reported[-1] == "joined"
