"""Whole runs on an S3 server on loopback: the same rows as on a local disk, and clear faults."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from tests.s3_server import KEY, S3, SECRET, serving
from udfs import stores
from udfs.file_systems import file_system

pytestmark = [pytest.mark.s3, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def inputs(s3: S3) -> Path:
    captions = [f"a {'cat' if i % 3 else 'dog and a newt'} {i}" for i in range(3_000)]
    uids = [f"u{i}" for i in range(3_000)]
    pq.write_table(pa.table({"uid": uids, "caption": captions}), s3.folder / "captions.parquet")
    (s3.folder / "bank.txt").write_text("cat\ndog\nnewt\n")
    return s3.folder


def rows_of(table: str) -> pa.Table:
    """The rows of a Delta table, local or in the bucket, without Spark."""
    from deltalake import DeltaTable

    place = stores.place_of(table)
    options = stores.shared_options().get(place.store, {}) if place else {}
    opened = DeltaTable(
        table.replace("s3a://", "s3://"),
        storage_options={
            "AWS_ENDPOINT_URL": options["fs.s3a.endpoint"],
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }
        if options
        else None,
    )
    files = [file_system(file) for file in opened.file_uris()]
    return ds.dataset([path for _, path in files], filesystem=files[0][0]).to_table()


def digest(table: str) -> str:
    """Digest of a table's rows in any order."""
    rows = rows_of(table).to_pylist()
    lines = sorted(json.dumps(row, sort_keys=True, default=str) for row in rows)
    return sha256("\n".join(lines).encode()).hexdigest()


def exists(address: str) -> bool:
    system, path = file_system(address)
    return bool(system.get_file_info(path).is_file)


def test_curate_killed_and_run_again_writes_what_it_writes_on_a_disk(s3: S3, inputs: Path) -> None:
    command = ("curate", inputs / "captions.parquet", "--bank", inputs / "bank.txt", "--t", 100)
    process = s3.start(*command, "--output", "s3a://lake/curated")
    first_commit = "s3a://lake/curated/captions/_delta_log/00000000000000000000.json"
    deadline = time.monotonic() + 200
    while not exists(first_commit) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert exists(first_commit)
    summary, stderr = s3.run(*command, "--output", "s3a://lake/curated", "-v")
    statuses = {step["job"]: step["status"] for step in summary["steps"]}
    assert statuses["report"] == statuses["balance-captions"] == "done"
    assert "warning" not in stderr
    report = "s3a://lake/curated/report.html"
    system, path = file_system(report)
    assert b"<html" in system.open_input_stream(path).read()
    again, _ = s3.run(*command, "--output", "s3a://lake/curated")
    assert again["status"] == "up_to_date"
    s3.run(*command, "--output", inputs / "local")
    for table in ("captions", "matches", "entry_counts", "balanced_captions"):
        assert rows_of(f"s3a://lake/curated/{table}").num_rows > 0
        assert digest(f"s3a://lake/curated/{table}") == digest(f"{inputs}/local/{table}"), table
    recorded = json.dumps(rows_of("s3a://lake/curated/runs").to_pylist(), default=str)
    assert SECRET not in recorded


def test_a_wrong_bucket_is_one_line_at_the_start(s3: S3, inputs: Path) -> None:
    summary, stderr = s3.run(
        *("curate", inputs / "captions.parquet", "--bank", inputs / "bank.txt", "--t", 100),
        *("--output", "s3a://nosuchbucket/curated"),
        fails=True,
    )
    assert "s3a://nosuchbucket: there is no such bucket" in summary["error"]
    assert "ingest" not in stderr  # no step has begun


FILES = """
import captionlake as cl

out = "s3a://lake/files"
captions = cl.ingest_captions(input=f"{out}/in/captions.jsonl", output=f"{out}/captions")
assert captions.counts["kept"] == 100, captions.counts
cl.export_pairs(input=f"{out}/captions", output=f"{out}/pairs")
cl.export_captions(captions=f"{out}/captions", output=f"{out}/json")
cl.sample_subset(
    input=f"{out}/captions", n=10, class_column="caption", class_names="column",
    keep_every_class=False, output=f"{out}/subset", uids=f"{out}/uids.npy",
)
cl.ingest_captions(input=f"{out}/captions", output=f"parquet:{out}/parquet")
"""


def test_files_of_every_kind_are_read_from_and_written_to_a_store(s3: S3) -> None:
    system, path = file_system("s3a://lake/files/in/captions.jsonl")
    lines = [json.dumps({"uid": f"u{i:031}", "caption": f"a cat {i}"}) for i in range(100)]
    with system.open_output_stream(path) as stream:
        stream.write("\n".join(lines).encode())
    done = subprocess.run(
        [sys.executable, "-c", FILES],
        env=s3.environment,
        cwd=s3.folder,
        capture_output=True,
        text=True,
        timeout=560,
    )
    assert done.returncode == 0, done.stderr[-6_000:]
    listed = [f.path for f in system.get_file_info(pafs.FileSelector("lake/files", recursive=True))]
    files = {path.removeprefix("lake/files/") for path in listed}
    assert {"uids.npy", ".uids.npy._captionlake", "json/captions_00000.json"} <= files
    assert {"pairs/pairs_00000.parquet", "pairs/_captionlake", "parquet/_captionlake"} <= files
    assert not [file for file in files if "writing" in file or "captionlake_writer" in file]
    pairs = pq.read_table("lake/files/pairs/pairs_00000.parquet", filesystem=system)
    assert pairs.num_rows == 100


IMAGES = """
import captionlake as cl

out = "s3a://lake/images"
pairs, shards, images = f"parquet:{out}/pairs", f"{out}/shards", f"{out}/images"
download = {"captions": pairs, "output": shards, "allow_hosts": ["127.0.0.1"], "processes": 1}
first = cl.download_images(**download, columns={"wnid": "wnid"})
assert (first.counts["downloaded"], first.counts["failed_http"]) == (3, 1), first.counts
again = cl.download_images(**download, columns={"wnid": "wnid"}, retry=["404"])
assert (again.counts["fetched"], again.counts["downloaded"]) == (1, 3), again.counts
read = cl.read_images(input=shards, output=images)
assert (read.counts["images"], read.counts["faulty"]) == (3, 0), read.counts
arrange = {"layout": "laionet", "metadata": f"{out}/arranged_images"}
for source in (shards, images):
    given = arrange | ({"labels": pairs} if source == images else {})
    arranged = cl.arrange_images(input=source, output=f"{out}/arranged", **given)
    assert arranged.counts["arranged"] == 3, arranged.counts
groups = cl.dedup_images(input=images, by="phash", groups=f"{out}/groups", output=f"{out}/one")
assert groups.counts["kept"] == 1, groups.counts
clean = cl.decontaminate(
    input=images, benchmarks={"test": f"{out}/one"}, by="dhash",
    output=f"{out}/clean", contaminated=f"{out}/found",
)
assert (clean.counts["kept"], clean.counts["in_test"]) == (0, 3), clean.counts
"""


def test_images_are_downloaded_read_and_arranged_in_a_store(s3: S3) -> None:
    from tests.image_server import ImageServer, running

    system, path = file_system("s3a://lake/images/pairs/0.parquet")
    with running(ImageServer()) as server:
        urls = [f"{server.url}/{path}" for path in ("good?1", "good?2", "webp", "404")]
        uids = [f"{number:032x}" for number in range(4)]
        pairs = {"uid": uids, "url": urls, "wnid": ["n1", "n2/a", "n2/a", "n1"]}
        pq.write_table(pa.table(pairs), path, filesystem=system)
        done = subprocess.run(
            [sys.executable, "-c", IMAGES],
            env=s3.environment,
            cwd=s3.folder,
            capture_output=True,
            text=True,
            timeout=560,
        )
    assert done.returncode == 0, done.stderr[-6_000:]
    assert SECRET not in done.stdout + done.stderr
    listed = system.get_file_info(pafs.FileSelector("lake/images/arranged", recursive=True))
    files = {f.path.removeprefix("lake/images/arranged/") for f in listed if f.is_file}
    assert {name for name in files if name.endswith(".jpg")} == {
        f"n1/{uids[0]}.jpg", *(name for name in files if name.startswith("n2_a~")),
    }  # fmt: skip
    assert not [name for name in files if "/" in name and name.startswith(".")]
