"""Addresses of object stores: file systems, options, and what is said where one is missing."""

import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from spark_jobs.core.errors import SettingsError, UnwritableOutputError
from spark_jobs.formats.clip_retrieval_embeddings import EmbeddingFolder
from spark_jobs.storage.outputs import growing_folder, writers
from spark_jobs.storage.outputs.files import check_file, write_output_file
from spark_jobs.storage.outputs.folder_marks import marked_run_id, visible_files_in
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.outputs.local_copies import local_copy
from spark_jobs.storage.outputs.places import _refuse_inside_delta
from udfs import stores
from udfs.embedding_files import read_files
from udfs.file_systems import file_system, move_file, write_atomically
from udfs.stores import StoreError, place_of, share_options, stores_in, with_options

AZURE = "abfss://lake@account.dfs.core.windows.net"


@pytest.fixture(autouse=True)
def _no_stores(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(stores, "_options_of", {})
    stores._connected.cache_clear()
    yield
    stores._connected.cache_clear()


@pytest.fixture
def adlfs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A double of the package adlfs, in memory; the arguments that it was opened with."""
    opened: dict[str, Any] = {}

    class AzureBlobFileSystem(MemoryFileSystem):
        def __init__(self, **arguments: Any) -> None:
            opened.update(arguments)
            super().__init__()

    module = ModuleType("adlfs")
    module.AzureBlobFileSystem = AzureBlobFileSystem  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "adlfs", module)
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
    return opened


def test_the_parts_of_an_address() -> None:
    assert place_of("s3a://b/x/y") == ("s3a", "b", "x/y")
    assert place_of("S3A://b") == ("s3a", "b", "")
    assert place_of(f"{AZURE}/x").store == AZURE  # type: ignore[union-attr]
    assert place_of("/x/y") is place_of("file:///x") is place_of("a.b") is None


def test_the_stores_of_addresses() -> None:
    addresses = ["s3a://b/x", "/x", "parquet:gs://c/y", "delta:s3a://b/z", "a.b"]
    assert [place.store for place in stores_in(addresses)] == ["s3a://b", "gs://c", "s3a://b"]


def test_s3_is_pyarrows_with_the_options_of_hadoop() -> None:
    keys = {"fs.s3a.access.key": "key", "fs.s3a.secret.key": "secret"}
    share_options({"s3a://b": keys | {"fs.s3a.endpoint": "http://127.0.0.1:1"}})
    system, path = file_system("s3a://b/x/y/")
    assert (system.type_name, path) == ("s3", "b/x/y")
    assert file_system("s3a://b")[1] == "b"
    assert file_system("s3a://b/z")[0] is system
    with pytest.raises(OSError, match="NETWORK_CONNECTION"):  # nothing listens at the endpoint
        system.get_file_info("b/x")


@pytest.mark.parametrize(
    ("endpoint", "override", "region"),
    [
        ("s3.amazonaws.com", "", "eu-north-1"),
        ("https://s3.eu-west-1.amazonaws.com/", "", "eu-west-1"),
        *(
            (f"https://{host}", host, region)
            for host, region in (
                ("vpce-1.s3.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
                ("s3-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
                ("s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
                ("minio.local:9000", "eu-north-1"),
            )
        ),
    ],
)
def test_endpoints_of_private_networks_are_kept(
    endpoint: str, override: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    seen: dict[str, Any] = {}
    monkeypatch.setattr(stores.pafs, "S3FileSystem", lambda **options: seen.update(options))
    stores._s3(stores.Place("s3a", "b", ""), {"fs.s3a.endpoint": endpoint})
    assert (seen["endpoint_override"] or "") == override
    assert (seen["region"] or "eu-north-1") == region


def test_clouds_of_azure_other_than_the_public_one(adlfs: dict[str, Any]) -> None:
    file_system(f"{AZURE}/x")
    assert "account_host" not in adlfs
    file_system("abfss://lake@account.dfs.core.usgovcloudapi.net/x")
    assert adlfs["account_host"] == "account.blob.core.usgovcloudapi.net"


def test_an_output_inside_a_delta_table_of_a_store_is_refused(adlfs: dict[str, Any]) -> None:
    system, path = file_system(f"{AZURE}/curated/captions/_delta_log/0.json")
    with system.open_output_stream(path) as file:
        file.write(b"{}")
    _refuse_inside_delta("job", "output", f"{AZURE}/curated/captions2/sub")
    with pytest.raises(SettingsError, match=rf"inside the Delta table {AZURE}/curated/captions,"):
        _refuse_inside_delta("job", "output", f"{AZURE}/curated/captions/deep/sub")


def test_a_growing_folder_of_a_store_is_claimed(
    adlfs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "_SETTLES_AFTER_S", 0.0)
    monkeypatch.setattr(growing_folder, "WRITER", writers.Writer())
    folder = f"{AZURE}/shards"
    for _ in range(2):  # a claim left in it would be a file of others
        with (
            growing_folder.WRITER.run(),
            growing_folder.growing_folder(folder, {"run_id": "r"}, content="shards"),
        ):
            assert writers._read(folder) is not None
        assert writers._read(folder) is None


def test_an_address_without_a_file_system_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "adlfs", None)  # as if it were not installed
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    for address, package in ((f"{AZURE}/x", "azure"), ("gs://b/x", "gcs")):
        with pytest.raises(StoreError, match=rf"pip install 'captionlake\[{package}\]'"):
            file_system(address)
        with pytest.raises(UnwritableOutputError, match=rf"captionlake\[{package}\]"):
            check_file(address)
    with pytest.raises(StoreError, match="expected a path, or an address that begins with s3a://"):
        file_system("ftp://host/x")


def test_azure_takes_the_credentials_of_the_account(adlfs: dict[str, Any]) -> None:
    host = "account.dfs.core.windows.net"
    share_options(
        {
            AZURE: {
                f"fs.azure.account.key.{host}": "key",
                "fs.azure.account.oauth2.client.endpoint": "https://login/tenant/oauth2/token",
            }
        }
    )
    assert file_system(f"{AZURE}/x")[1] == "lake/x"
    assert adlfs["account_name"] == "account"
    assert adlfs["account_key"] == "key"
    assert adlfs["tenant_id"] == "tenant"
    assert "sas_token" not in adlfs


def test_files_and_folders_in_a_store_of_fsspec(adlfs: dict[str, Any]) -> None:
    page = f"{AZURE}/out/report.html"
    for content in (b"one", b"two"):
        write_output_file(page, [content])
        check_file(page)  # it is known as ours
    system, path = file_system(page)
    assert system.open_input_stream(path).read() == b"two"
    for name in ("a.json", "b.json"):
        with replaced_folder(f"parquet:{AZURE}/out/export", {"run_id": name}) as staging:
            system, path = file_system(f"{staging}/{name}")
            with system.open_output_stream(path) as file:
                file.write(b"[]")
    assert list(visible_files_in(f"{AZURE}/out/export")) == ["b.json"]
    assert marked_run_id(f"{AZURE}/out/export") == "b.json"


def test_faults_of_a_package_are_one_line(
    adlfs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class HttpResponseError(Exception):
        pass

    def refuse(*arguments: Any, **options: Any) -> None:
        raise HttpResponseError("403\nThis request is not authorized")

    monkeypatch.setattr(MemoryFileSystem, "info", refuse)
    with pytest.raises(UnwritableOutputError, match="HttpResponseError: 403 This request is not"):
        check_file(f"{AZURE}/report.html")


def test_times_of_files_are_kept() -> None:
    info = {"size": 3, "type": "file", "last_modified": 5.0}
    file = stores.FlatStore._create_file_info("a/b", info)
    assert (file.type, file.size, file.mtime_ns) == (pafs.FileType.File, 3, 5_000_000_000)


def test_workers_get_the_options_with_the_function() -> None:
    def same(batches: Any) -> Any:
        assert stores.shared_options() == {"s3a://b": {"fs.s3a.access.key": "key"}}
        yield from batches

    assert with_options(same, {}) is same
    in_worker = with_options(same, {"s3a://b": {"fs.s3a.access.key": "key"}})
    batch = pa.RecordBatch.from_pydict({"n": [1]})
    assert list(in_worker([batch])) == [batch]


def test_a_file_is_copied_to_a_store_once_it_is_whole(adlfs: dict[str, Any]) -> None:
    write_atomically(f"{AZURE}/v/0.npy", lambda path: Path(path).write_bytes(b"vectors"))
    move_file(f"{AZURE}/v/0.npy", f"{AZURE}/v/1.npy")
    assert list(visible_files_in(f"{AZURE}/v")) == ["1.npy"]

    def half(path: str) -> None:
        Path(path).write_bytes(b"vec")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(f"{AZURE}/v/2.npy", half)
    assert list(visible_files_in(f"{AZURE}/v")) == ["1.npy"]


def test_changes_of_a_local_copy_go_back(adlfs: dict[str, Any], tmp_path: Path) -> None:
    for name in ("shard_0.index", "metadata/m.parquet"):
        write_atomically(f"{AZURE}/i/{name}", lambda path: Path(path).write_bytes(b"part"))
    with local_copy(f"{AZURE}/i") as folder:
        (folder / "image.index").write_bytes((folder / "shard_0.index").read_bytes())
        (folder / "shard_0.index").unlink()
    assert list(visible_files_in(f"{AZURE}/i")) == ["image.index", "metadata/m.parquet"]
    with local_copy(str(tmp_path)) as folder:
        assert folder == tmp_path


def test_vectors_are_read_from_a_store(adlfs: dict[str, Any]) -> None:
    vectors = np.eye(3, 8, dtype=np.float16)
    uids = pa.table({"uid": ["a", "b", "c"]})
    write_atomically(f"{AZURE}/e/img_emb/img_emb_0.npy", partial(_save, vectors))
    write_atomically(f"{AZURE}/e/metadata/metadata_0.parquet", partial(pq.write_table, uids))
    pairs = EmbeddingFolder(f"{AZURE}/e", "clip_retrieval", "image").pairs()
    columns = [pa.array([file]) for file in pairs[0]]
    batch = pa.RecordBatch.from_arrays(columns, ["vectors", "metadata"])
    [rows] = read_files(None, "uid", 8)([batch])
    assert rows["uid"].to_pylist() == ["a", "b", "c"]
    assert rows["embedding"].to_pylist() == vectors.tolist()


def _save(vectors: np.ndarray, path: str) -> None:
    with open(path, "wb") as file:
        np.save(file, vectors)
