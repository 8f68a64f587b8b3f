"""The manifest of a snapshot: its files, the rows of each row group, and where they are from."""

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from udfs.training.faults import SnapshotError

MANIFEST, FOLDER = "manifest.json", "data"
FORMAT = "captionlake snapshot 1"
_MAGIC = b"PAR1"
_LENGTH_BYTES = 4


@dataclass(frozen=True)
class SnapshotFile:
    """A parquet file. `name`: below the snapshot.

    `row_groups`, `row_group_bytes`: rows, and bytes when decoded, of each row group. `sha256`: of
    all of it; `footer_sha256`: of parquet's footer, which has the sizes and statistics of all
    columns. `nulls`: column -> its nulls, where it has any; of a list, those of its items too.
    """

    name: str
    bytes: int
    sha256: str
    footer_sha256: str
    row_groups: list[int]
    row_group_bytes: list[int]
    nulls: dict[str, int]


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds.

    `source`, `version`: the table, and its version that was read. `columns`: name -> Arrow's type;
    `schema_digest`: of names, types and nullability, in order.
    """

    source: str
    version: str
    schema_digest: str
    columns: dict[str, str]
    rows: int
    row_group_rows: int
    files: list[SnapshotFile]

    def as_json(self) -> bytes:
        """The content of manifest.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode()

    @property
    def digest(self) -> str:
        """Tells this snapshot from others, whatever it is called."""
        digests = [self.schema_digest, *(file.sha256 for file in self.files)]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


def parse_manifest(content: bytes, location: str) -> Manifest:
    """The manifest of its JSON; SnapshotError if it is none, or its numbers do not add up."""
    try:
        values: dict[str, Any] = json.loads(content)
        if values.pop("format") != FORMAT:
            raise ValueError
        files = [SnapshotFile(**file) for file in values.pop("files")]
        manifest = Manifest(files=files, **values)
        rows = sum(sum(file.row_groups) for file in files)
        lengths = all(len(f.row_groups) == len(f.row_group_bytes) for f in files)
        if rows != manifest.rows or not lengths or any(".." in f.name.split("/") for f in files):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SnapshotError(
            f"{location}/{MANIFEST}: is no manifest of a snapshot, or was changed; make the "
            "snapshot again (export-snapshot)"
        ) from None
    return manifest


def schema_digest(schema: pa.Schema) -> str:
    """Digest of the names, types and nullability of columns."""
    fields = [[field.name, type_name(field.type), field.nullable] for field in schema]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def type_name(type_: pa.DataType) -> str:
    """Arrow's type in words, without the names of lists' items, which its versions differ in."""
    if pa.types.is_map(type_):
        return f"map<{type_name(type_.key_type)}, {type_name(type_.item_type)}>"
    if pa.types.is_struct(type_):
        fields = [type_.field(number) for number in range(type_.num_fields)]
        return f"struct<{', '.join(f'{field.name}: {type_name(field.type)}' for field in fields)}>"
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return f"list<{type_name(type_.value_type)}>"
    return str(type_)


def describe_file(
    name: str, content_sha256: str, n_bytes: int, tail: "Footer", list_nulls: Mapping[str, int]
) -> SnapshotFile:
    """What the manifest says of a file, from parquet's own footer.

    list_nulls: column of lists -> its nulls, which the footer does not tell from empty lists.
    """
    metadata = tail.metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return SnapshotFile(
        name,
        n_bytes,
        content_sha256,
        tail.sha256,
        [group.num_rows for group in groups],
        [group.total_byte_size for group in groups],
        {**_nulls(groups, list_nulls), **{name: n for name, n in list_nulls.items() if n}},
    )


def _nulls(groups: Iterable[pq.RowGroupMetaData], lists: Container[str]) -> dict[str, int]:
    nulls: dict[str, int] = {}
    for group in groups:
        for number in range(group.num_columns):
            column = group.column(number)
            statistics = column.statistics
            name = column.path_in_schema.partition(".")[0]
            if statistics is not None and statistics.null_count and name not in lists:
                nulls[name] = nulls.get(name, 0) + statistics.null_count
    return nulls


@dataclass(frozen=True)
class Footer:
    """The footer of a parquet file, and its digest."""

    metadata: pq.FileMetaData
    sha256: str


def read_footer(file: Any, n_bytes: int) -> Footer:
    """The footer of an open file of so many bytes; ValueError if there is none."""
    file.seek(max(0, n_bytes - _LENGTH_BYTES - len(_MAGIC)))
    ending = file.read(_LENGTH_BYTES + len(_MAGIC))
    length = int.from_bytes(ending[:_LENGTH_BYTES], "little")
    start = n_bytes - _LENGTH_BYTES - len(_MAGIC) - length
    if ending[_LENGTH_BYTES:] != _MAGIC or start < 0:
        raise ValueError("no parquet file")
    file.seek(start)
    content = file.read(length)
    file.seek(0)
    return Footer(pq.read_metadata(file), hashlib.sha256(content).hexdigest())
