"""download-images: a row's outcome, what the same command does again, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.jobs import download_images
from tests.delta_tables import read_delta
from tests.image_server import ImageServer, running

COUNTED = ("rows_in", "images", "fetched", "downloaded", "failed")


@pytest.fixture(scope="module")
def server() -> Iterator[ImageServer]:
    with running(ImageServer()) as server:
        yield server


class Download:
    """The command on a table of the URLs' rows, in a folder."""

    def __init__(self, captionlake: Any, folder: Path, server: ImageServer) -> None:
        self._captionlake, self.folder, self._server = captionlake, folder, server

    def write(self, paths: list[str | None], **columns: list[Any]) -> None:
        urls = [None if path is None else f"{self._server.url}/{path}" for path in paths]
        uids = [f"{position:032x}" for position in range(len(paths))]
        captions = [f"caption {uid}" for uid in uids]
        table = pa.table({"uid": uids, "caption": captions, "url": urls} | columns)
        pq.write_table(table, self.folder / "pairs.parquet")

    def run(self, *options: str, fails: bool = False) -> Any:
        outcome = self._captionlake(
            "download-images", "--captions", f"parquet:{self.folder / 'pairs.parquet'}",
            "--output", self.folder / "images", "--allow-hosts", "127.0.0.1", "--timeout", "3",
            "--deadline", "4", "--processes", "1", *options,
        )  # fmt: skip
        assert (outcome.exit_code != 0) is fails, outcome.stderr
        return outcome

    def counts(self, *options: str) -> dict[str, int]:
        counts: dict[str, int] = self.run(*options).summary["counts"]
        assert counts["rows_in"] == counts["dropped_nsfw"] + counts["images"] + counts.get(
            "further_rows", 0
        )
        assert counts["images"] == counts["downloaded"] + counts["failed"]
        return counts

    def requests(self, path: str) -> int:
        return self._server.seen.count(f"/{path}")


@pytest.fixture
def download(captionlake: Any, tmp_path: Path, server: ImageServer) -> Download:
    server.seen.clear()
    return Download(captionlake, tmp_path, server)


@pytest.mark.slow
def test_a_row_has_its_outcome_and_is_tried_again_only_where_asked(
    download: Download, spark: SparkSession, caplog: pytest.LogCaptureFixture
) -> None:
    download.write(["good?1", "404?2", "500?3", None])
    counts = download.counts("--columns", "{}")
    assert [counts[name] for name in COUNTED] == [4, 4, 4, 1, 3]
    assert (counts["failed_http"], counts["failed_url"]) == (2, 1)

    counts = download.counts("--retry", "5xx")
    assert (counts["fetched"], counts["downloaded"], counts["failed"]) == (1, 1, 3)
    requests = [download.requests(path) for path in ("good?1", "404?2", "500?3")]
    assert requests == [1, 1, 2]
    # Rows that may be tried again are tried again, by the same command.
    assert download.counts("--retry", "5xx")["fetched"] == 1

    download.write(["good?1", "404?2", "500?3", None, "good?5"])
    counts = download.counts()
    assert [counts[name] for name in COUNTED] == [5, 5, 1, 2, 3]
    assert download.requests("good?1") == 1
    ledger = read_delta(spark, download.folder / "images_downloads")
    of_third = ledger.where("url like '%?3'").orderBy("attempt").collect()
    assert [(row.attempt, row.status) for row in of_third] == [(n, "failed") for n in (1, 2, 3)]
    (download.folder / "images" / "00000.tar").unlink()
    assert download.counts()["fetched"] == 0
    assert "shards that were written are not there, and not downloaded again: 00000" in caplog.text
    assert len({(row.shard, row.key) for row in ledger.collect() if row.key}) == 2


@pytest.mark.slow
def test_a_run_that_is_cut_off_goes_on_and_fetches_nothing_twice(
    download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"good?{number}" for number in range(60)]
    download.write([*paths])
    whole = download_images.download_shards

    def cut_off(shards: list[int], options: Any, **arguments: Any) -> None:
        assert len(shards) > 3
        whole(shards[:2], options, **arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(download_images, "download_shards", cut_off)
        download.run("--rows-per-shard", "30", fails=True)
    n_seen = len([path for path in paths if download.requests(path)])
    assert 0 < n_seen < 60
    counts = download.counts("--rows-per-shard", "30")
    assert (counts["fetched"], counts["downloaded"], counts["failed"]) == (60 - n_seen, 60, 0)
    assert [download.requests(path) for path in paths] == [1] * 60
    assert download.run("--rows-per-shard", "30").summary["status"] == "up_to_date"


@pytest.mark.slow
def test_a_run_that_is_cut_off_goes_on_with_what_is_wanted_now(
    download: Download, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nsfw = ["NSFW", *["UNLIKELY"] * 19]
    download.write([f"good?{number}" for number in range(20)], nsfw=nsfw)

    def cut_off(*_: Any, **_names: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(download_images, "download_shards", cut_off)
        download.run(fails=True)
    (download.folder / "images" / "00000.tar").write_bytes(b"as a killed run may leave it")
    monkeypatch.setenv("https_proxy", "http://user:secret@127.0.0.1:1")
    counts = download.counts("--nsfw", "unlikely")
    assert (counts["fetched"], counts["downloaded"]) == (19, 19)
    assert not download.requests("good?0")
    assert "the environment's proxy for https is not used" in caplog.text
    assert "secret" not in caplog.text

    with monkeypatch.context() as patched:  # none of a shard is wanted
        patched.setattr(download_images, "download_shards", cut_off)
        download.run(fails=True)
    assert download.counts("--nsfw", "unlikely")["fetched"] == 0
    assert not (download.folder / "images" / "_shards" / "00001.parquet").exists()


@pytest.mark.slow
def test_presets_are_as_published(download: Download) -> None:
    nsfw = ["UNLIKELY", "NSFW", "UNSURE", None]
    rows = {"nsfw": nsfw, "similarity": [0.3] * 4, "wnid": ["n1"] * 4, "width": [7] * 4}
    download.write([f"good?{number}" for number in range(4)], **rows)
    counts = download.counts("--preset", "laionet")
    assert (counts["dropped_nsfw"], counts["downloaded"]) == (3, 1)
    carried = pq.read_table(download.folder / "images" / "00000.parquet").to_pylist()
    assert [(row["NSFW"], row["similarity"], row["wnid"]) for row in carried] == [
        ("UNLIKELY", 0.3, "n1")
    ]
    other = ["--output", str(download.folder / "files"), "--preset", "unmet_promise"]
    counts = download.counts(*other, "--columns", "{width: width}")
    assert (counts["dropped_nsfw"], counts["downloaded"]) == (1, 3)
    assert len(list((download.folder / "files").glob("*/*.jpg"))) == 3
    (carried, *_) = (download.folder / "files").glob("*.parquet")
    assert set(pq.read_table(carried)["input_width"].to_pylist()) == {7}


@pytest.mark.slow
def test_an_image_of_several_captions_is_downloaded_once(download: Download) -> None:
    uids = ["a" * 32, "a" * 32, "b" * 32]
    download.write(
        ["good?1"] * 2 + ["good?2"], uid=uids, caption_id=pa.array([1, 0, 0], pa.int32())
    )
    counts = download.counts()
    assert (counts["further_rows"], counts["downloaded"]) == (1, 2)
    assert download.requests("good?1") == 1


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, ["--retry", "timeouts"], "'timeouts' is no cause, did you mean 'timeout'?"),
        ({}, ["--columns", "{wnids: wnid}"], "has no column 'wnids'"),
        ({}, ["--columns", "{uid: A, url: a}"], "two have the name 'a' in the files"),
        ({}, ["--allow-hosts", "10.0.0.0/33"], "'10.0.0.0/33' is no network"),
        ({}, ["--nsfw", "unlikely"], "has no column 'nsfw'; which --nsfw unlikely needs"),
        ({}, ["--encode-format", "png"], "encode_quality of png is 0 to 9"),
        ({}, ["--output", "s3a://b/x", "--enable-wandb"], "reports only from a folder on a disk"),
        ({"uid": ["a", "a"]}, [], "rows of a uid have different urls (1 uids)"),
        ({"uid": [None, "a"]}, [], "a uid is null"),
        ({"pixels": [b"x", b"y"]}, ["--columns", "{pixels: pixels}"], "'pixels' holds bytes"),
    ],
)
def test_bad_input_is_one_line(
    download: Download, columns: dict[str, Any], options: list[str], message: str
) -> None:
    download.write(["good", "404"], **columns)
    outcome = download.run(*options, fails=True)
    assert message in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) <= 2


@pytest.mark.slow
def test_a_ledger_of_another_folder_is_refused(download: Download, tmp_path: Path) -> None:
    download.write(["good"])
    spark_ledger = ["--downloads", str(tmp_path / "ledger")]
    download.run(*spark_ledger)
    refused = download.run(*spark_ledger, "--output", str(tmp_path / "other"), fails=True)
    assert "has shards that" in refused.stderr
    assert "it is of another folder; give another --downloads" in refused.stderr


def test_files_of_others_stay(download: Download) -> None:
    download.write(["good"])
    (download.folder / "images").mkdir()
    (download.folder / "images" / "mine.txt").write_text("mine")
    assert "holds other files, such as mine.txt" in download.run(fails=True).stderr


@pytest.mark.slow
def test_files_of_another_form_stay(download: Download) -> None:
    download.write(["good"])
    download.run()
    refused = download.run("--image-size", "512", fails=True).stderr
    assert "holds download-images of run" in refused
    assert "to which download-images --image-size 512 cannot add" in refused
