"""Claims of folders on S3: who writes there now, who has ended, and who was first."""

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spark_jobs.core.errors import OutputTableError
from spark_jobs.jobs.dedup_captions import DedupCaptions
from spark_jobs.storage.outputs import writers
from spark_jobs.storage.outputs.writers import CLAIM, Writer, folders_to_claim


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "RENEWED_EVERY_S", 0.05)
    monkeypatch.setattr(writers, "ABANDONED_AFTER_S", 1.5)
    monkeypatch.setattr(writers, "_SETTLES_AFTER_S", 0.1)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Writer:
    """A writer of a machine of its own, whose processes this one cannot look up."""
    monkeypatch.setattr(writers, "_has_ended", lambda claim: False)
    return Writer()


def test_a_second_writer_is_refused_until_the_first_has_ended(
    elsewhere: Writer, tmp_path: Path
) -> None:
    own = Writer()
    with own.run():
        own.claim([str(tmp_path)])
        with own.run():  # of another thread
            own.claim([str(tmp_path)])
        with pytest.raises(OutputTableError, match="writes there, and the store keeps no two"):
            elsewhere.claim([str(tmp_path)])
    assert not (tmp_path / CLAIM).exists()
    with elsewhere.run():
        elsewhere.claim([str(tmp_path)])


def test_an_abandoned_claim_is_taken_over(elsewhere: Writer, tmp_path: Path) -> None:
    Writer()._write(str(tmp_path))  # and never renewed: its machine was switched off
    started = time.monotonic()
    with elsewhere.run():
        elsewhere.claim([str(tmp_path)])
    assert time.monotonic() - started >= writers.ABANDONED_AFTER_S


def test_the_claim_of_a_killed_process_of_this_machine_costs_no_wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(writers, "ABANDONED_AFTER_S", 60.0)
    with monkeypatch.context() as other:
        ended = os.fork()
        if not ended:
            os._exit(0)
        os.waitpid(ended, 0)
        other.setattr(os, "getpid", lambda: ended)
        Writer()._write(str(tmp_path))
    writer = Writer()
    with writer.run():
        writer.claim([str(tmp_path)])


def test_of_two_claims_at_once_one_is_refused(
    elsewhere: Writer, tmp_path: Path, monkeypatch
) -> None:
    other = Writer()

    def claimed_meanwhile(seconds: float) -> None:
        monkeypatch.undo()
        other._write(str(tmp_path))

    monkeypatch.setattr(time, "sleep", claimed_meanwhile)
    with pytest.raises(OutputTableError, match="writes there"):
        elsewhere.claim([str(tmp_path)])


def test_a_driver_that_stood_still_commits_no_more(
    elsewhere: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "RENEWED_EVERY_S", 60.0)
    slept = Writer()
    with slept.run():
        slept.claim([str(tmp_path)])
        slept.refuse_if_taken(str(tmp_path))
        elsewhere._write(str(tmp_path))  # it found the claim unchanged for long enough
        slept._renew_claims()
        with pytest.raises(OutputTableError, match="writes there"):
            slept.refuse_if_taken(str(tmp_path))
    assert (tmp_path / CLAIM).exists()  # that of the other


def test_a_refusal_leaves_no_claim_of_other_folders(elsewhere: Writer, tmp_path: Path) -> None:
    free, taken = tmp_path / "free", tmp_path / "taken"
    free.mkdir()
    taken.mkdir()
    own = Writer()
    with own.run():
        own.claim([str(taken)])
        with pytest.raises(OutputTableError, match="writes there"), elsewhere.run():
            elsewhere.claim([str(free), str(taken)])
        assert not (free / CLAIM).exists()
        assert (taken / CLAIM).exists()


def test_a_store_that_cannot_be_asked_is_refused_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OutputTableError, match=r"cannot be told .*logStore\.s3a\.impl=io"):
        Writer().claim([str(file)])


@pytest.mark.parametrize(
    ("output", "conf", "claimed"),
    [
        ("s3a://b/out/t", {}, ["s3a://b/out", "s3a://b"]),
        ("s3a://b/out/t", {"spark.delta.logStore.s3a.impl": "x.S3DynamoDBLogStore"}, []),
        ("s3a://b/out/t", {"spark.delta.logStore.s3.impl": "x.S3DynamoDBLogStore"}, None),
        ("s3a://b/out/t", {"spark.delta.logStore.s3a.impl": "x.S3SingleDriverLogStore"}, []),
        ("gs://b/out/t", {}, ["s3a://b"]),
        ("/out/t", {}, ["s3a://b"]),
    ],
)
def test_folders_on_s3_without_a_commit_store_are_claimed(
    output: str, conf: dict[str, str], claimed: list[str] | None
) -> None:
    spark: Any = SimpleNamespace(
        conf=SimpleNamespace(get=lambda key, default: conf.get(key, default))
    )
    settings = DedupCaptions(captions="/in", by="caption", output=output, workspace="s3a://b")
    expected = ["s3a://b/out", "s3a://b"] if claimed is None else claimed
    assert folders_to_claim(spark, settings) == expected
