"""Object stores: pyarrow's file system for an address such as s3a://bucket/folder.

S3 and HDFS are pyarrow's own; Azure and Google Cloud need packages of fsspec. Addresses and options
are those of Hadoop's connectors, so that one address and one set of credentials serve Spark and
what is written without it.
"""

import importlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs

from udfs.arrow import Batches, BatchFunction

# Amazon's own endpoints, which its library finds by the region; others are kept.
_PUBLIC_S3 = re.compile(r"s3(\.[a-z]{2}(-[a-z]+)+-\d)?\.amazonaws\.com")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_PUBLIC_AZURE = ".core.windows.net"
Options = Mapping[str, str]  # Hadoop's name, such as fs.s3a.access.key -> value


class StoreError(ValueError):
    """An address whose file system cannot be opened here; the message says what is missing."""


class Place(NamedTuple):
    """The parts of `scheme://authority/path`; `path` begins with no slash."""

    scheme: str
    authority: str
    path: str

    @property
    def store(self) -> str:
        """The address of the whole bucket, container or cluster."""
        return f"{self.scheme}://{self.authority}"


class Store(NamedTuple):
    """How to open the stores of one kind.

    `connect`: (place, options) -> file system. `root`: authority -> the first part of a path there.
    `options`: Hadoop's names of the options that `connect` reads; {} stands for the authority's
    host. `connector`: the Maven package that Spark needs.
    """

    connect: Callable[[Place, Options], pafs.FileSystem]
    root: Callable[[str], str]
    options: tuple[str, ...]
    connector: str


# Store -> its options, as `share_options` was given them.
_options_of: dict[str, Options] = {}


def place_of(location: str) -> Place | None:
    """The parts of an address in a store; None for paths and for schemes that have no store."""
    scheme, separator, rest = location.partition("://")
    if not separator or scheme.lower() not in STORES:
        return None
    authority, _, path = rest.partition("/")
    return Place(scheme.lower(), authority, path)


def open_store(location: str) -> tuple[pafs.FileSystem, str]:
    """The file system of an address in a store, and the path on it.

    Raises StoreError if the scheme has no store, or a package or library for it is missing.
    """
    place = place_of(location)
    if place is None:
        schemes = ", ".join(f"{scheme}://" for scheme in STORES)
        raise StoreError(f"{location}: expected a path, or an address that begins with {schemes}")
    options = _options_of.get(place.store, {})
    system = _connected(place._replace(path=""), tuple(sorted(options.items())))
    root = STORES[place.scheme].root(place.authority)
    return system, f"{root}/{place.path}".rstrip("/") or "/"


def share_options(options_of: Mapping[str, Options]) -> None:
    """Set the options of stores in this process: store, such as s3a://bucket -> options."""
    _options_of.update(options_of)


def shared_options() -> dict[str, Options]:
    """The options of all stores that were set in this process, to be set in workers too."""
    return dict(_options_of)


@lru_cache(maxsize=64)
def _connected(place: Place, options: tuple[tuple[str, str], ...]) -> pafs.FileSystem:
    try:
        return STORES[place.scheme].connect(place, dict(options))
    except (pa.ArrowException, OSError) as fault:
        raise StoreError(f"{place.store}: cannot be opened ({fault})") from None


def _s3(place: Place, options: Options) -> pafs.FileSystem:
    """S3, or what speaks its protocol at an endpoint of its own.

    Without keys the credentials are those of the environment: variables, profile, role.
    """
    endpoint = options.get("fs.s3a.endpoint") or os.environ.get("AWS_ENDPOINT_URL", "")
    scheme, _, host = endpoint.rpartition("://")
    uses_tls = options.get("fs.s3a.connection.ssl.enabled", "true").lower() != "false"
    host = host.rstrip("/")
    is_of_amazon = not host or _PUBLIC_S3.fullmatch(host) is not None
    region = options.get("fs.s3a.endpoint.region") or _region_of_host(host)
    if is_of_amazon and not (region or os.environ.get("AWS_REGION")):
        region = _region_of_bucket(place.authority)
    provider = options.get("fs.s3a.aws.credentials.provider", "")
    key = options.get("fs.s3a.access.key")
    return pafs.S3FileSystem(
        access_key=key,
        secret_key=options.get("fs.s3a.secret.key") if key else None,
        session_token=options.get("fs.s3a.session.token") if key else None,
        anonymous=not key and provider.endswith("AnonymousAWSCredentialsProvider"),
        region=region,
        scheme=scheme or ("https" if uses_tls else "http"),
        endpoint_override=None if is_of_amazon else host,
        connect_timeout=10,
    )


def _region_of_host(host: str) -> str | None:
    """eu-west-1 of s3.eu-west-1.amazonaws.com, or of an endpoint in a private network."""
    if not host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return None
    return next(filter(_REGION.fullmatch, host.split(".")), None)


def _region_of_bucket(bucket: str) -> str | None:
    try:
        return str(pafs.resolve_s3_region(bucket))
    except OSError:  # no such bucket, or no network: the first use says so
        return None


def _azure(place: Place, options: Options) -> pafs.FileSystem:
    """Azure's storage, by account key, SAS token or service principal, else the environment."""
    host = place.authority.rpartition("@")[2]
    endpoint = _of_host(options, "fs.azure.account.oauth2.client.endpoint", host)
    credentials = {
        "account_key": _of_host(options, "fs.azure.account.key", host),
        "sas_token": _of_host(options, "fs.azure.sas.fixed.token", host),
        "client_id": _of_host(options, "fs.azure.account.oauth2.client.id", host),
        "client_secret": _of_host(options, "fs.azure.account.oauth2.client.secret", host),
        "tenant_id": endpoint.split("/")[3] if endpoint and endpoint.count("/") > 2 else None,
        # adlfs knows the public cloud's host by the account.
        "account_host": None if host.endswith(_PUBLIC_AZURE) else host.replace(".dfs.", ".blob."),
    }
    return _of_fsspec(
        place,
        *("adlfs", "AzureBlobFileSystem", "azure"),
        account_name=host.partition(".")[0],
        anon=False,
        **{name: value for name, value in credentials.items() if value},
    )


def _of_host(options: Options, name: str, host: str) -> str | None:
    return options.get(f"{name}.{host}") or options.get(name)


def _google(place: Place, options: Options) -> pafs.FileSystem:
    """Google Cloud Storage, by a key file, else the default credentials of the environment."""
    arguments = {
        "token": options.get("fs.gs.auth.service.account.json.keyfile")
        or options.get("google.cloud.auth.service.account.json.keyfile"),
        "project": options.get("fs.gs.project.id"),
        "endpoint_url": options.get("fs.gs.storage.root.url", "").rstrip("/"),
    }
    return _of_fsspec(
        place,
        *("gcsfs", "GCSFileSystem", "gcs"),
        **{name: value for name, value in arguments.items() if value},
    )


def _of_fsspec(
    place: Place, package: str, class_name: str, extra: str, **arguments: Any
) -> pafs.FileSystem:
    """A file system of a package of fsspec, without its caches, which know no other writer."""
    try:
        file_system = getattr(importlib.import_module(package), class_name)
    except ImportError:
        raise StoreError(
            f"{place.store}: plain files there need the package {package}: pip install "
            f"'captionlake[{extra}]' on the driver and all workers"
        ) from None
    try:
        opened = file_system(use_listings_cache=False, skip_instance_cache=True, **arguments)
    except Exception as fault:  # each package raises its own
        raise StoreError(f"{place.store}: cannot be opened ({_line(fault)})") from None
    return pafs.PyFileSystem(FlatStore(_WithOSErrors(opened)))


def _line(fault: Exception) -> str:
    return " ".join(str(fault).split())[:160] or type(fault).__name__


class _WithOSErrors:
    """An object of fsspec whose faults are OSErrors, which is what pyarrow's own stores raise."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **options: Any) -> Any:
            try:
                result = value(*arguments, **options)
            except (OSError, ValueError):
                raise
            except Exception as fault:
                raise OSError(f"{type(fault).__name__}: {_line(fault)}") from None
            return _WithOSErrors(result) if name == "open" else result

        return call


class FlatStore(pafs.FSSpecHandler):  # type: ignore[misc]
    """A store of fsspec for pyarrow: folders need not be made, and files have their times."""

    def create_dir(self, path: str, recursive: bool) -> None:
        """Nothing: a file may have any name, and fsspec might make a bucket here."""

    def move(self, source: str, target: str) -> None:
        """Move a file: a store has no folders to be moved at once."""
        self.fs.mv(source, target)

    @staticmethod
    def _create_file_info(path: str, info: Mapping[str, Any]) -> pafs.FileInfo:
        kinds = {"file": pafs.FileType.File, "directory": pafs.FileType.Directory}
        kind = kinds.get(info["type"], pafs.FileType.Unknown)
        size = info["size"] if kind == pafs.FileType.File else None
        times = (info.get(name) for name in ("mtime", "last_modified", "LastModified"))
        time = next((time for time in times if time is not None), None)
        return pafs.FileInfo(path.lstrip("/"), kind, size=size, mtime=time)


def _hdfs(place: Place, _options: Options) -> pafs.FileSystem:
    """HDFS, by libhdfs of Hadoop's native library, which reads Hadoop's own configuration."""
    try:
        return pafs.HadoopFileSystem.from_uri(f"hdfs://{place.authority}/")
    except OSError as fault:
        raise StoreError(
            f"{place.store}: plain files there need libhdfs: set HADOOP_HOME, and CLASSPATH to "
            f"what `hadoop classpath --glob` prints ({_line(fault)})"
        ) from None


_S3 = Store(
    _s3,
    lambda bucket: bucket,
    (
        *("fs.s3a.access.key", "fs.s3a.secret.key", "fs.s3a.session.token", "fs.s3a.endpoint"),
        *("fs.s3a.endpoint.region", "fs.s3a.connection.ssl.enabled"),
        "fs.s3a.aws.credentials.provider",
    ),
    "org.apache.hadoop:hadoop-aws",
)
_AZURE_NAMES = (
    *("fs.azure.account.key", "fs.azure.sas.fixed.token", "fs.azure.account.oauth2.client.id"),
    *("fs.azure.account.oauth2.client.secret", "fs.azure.account.oauth2.client.endpoint"),
)
_AZURE = Store(
    _azure,
    lambda container_at_host: container_at_host.partition("@")[0],
    (*_AZURE_NAMES, *(f"{name}.{{}}" for name in _AZURE_NAMES)),
    "org.apache.hadoop:hadoop-azure",
)
_GOOGLE = Store(
    _google,
    lambda bucket: bucket,
    (
        *("fs.gs.auth.service.account.json.keyfile", "fs.gs.project.id"),
        *("google.cloud.auth.service.account.json.keyfile", "fs.gs.storage.root.url"),
    ),
    "com.google.cloud.bigdataoss:gcs-connector",
)
_HDFS = Store(_hdfs, lambda _cluster: "", (), "org.apache.hadoop:hadoop-client")
STORES: dict[str, Store] = {
    **dict.fromkeys(("s3a", "s3", "s3n"), _S3),
    **dict.fromkeys(("abfss", "abfs", "wasbs", "wasb"), _AZURE),
    "gs": _GOOGLE,
    "hdfs": _HDFS,
}


def with_options(function: BatchFunction, options_of: Mapping[str, Options]) -> BatchFunction:
    """`function` for mapInArrow, whose workers know the options of stores before it runs."""
    if not options_of:
        return function

    def with_stores(batches: Batches) -> Iterator[pa.RecordBatch]:
        share_options(options_of)
        return function(batches)

    return with_stores


def stores_in(addresses: Iterable[str]) -> Iterator[Place]:
    """The stores of the addresses that are in one; a prefix that names the format is allowed."""
    for address in addresses:
        place = place_of(address.removeprefix("parquet:").removeprefix("delta:"))
        if place is not None:
            yield place._replace(path="")
