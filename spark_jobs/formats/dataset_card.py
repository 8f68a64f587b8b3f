"""The dataset card and schema notes by which Hugging Face's `datasets` loads parquet files."""

import json
from typing import Any

import pyarrow as pa
import yaml

from spark_jobs.core.errors import InputDataError
from udfs.training.manifest import Manifest

CARD = "README.md"
_IMAGE = "image"
# Arrow's names of types that `datasets` calls otherwise.
_DTYPES = {"float": "float32", "double": "float64", "halffloat": "float16", "date32[day]": "date32"}
_SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")


def schema_notes(schema: pa.Schema) -> dict[str, str]:
    """The note `huggingface` of a file's schema: the features of its columns.

    Raises InputDataError for a map, which `datasets` cannot hold.
    """
    features = {field.name: _feature(field.name, field.type) for field in schema}
    return {"huggingface": json.dumps({"info": {"features": features}})}


def dataset_card(title: str, schema: pa.Schema, manifest: Manifest, licence: str | None) -> str:
    """README.md: YAML with features, sizes and the files of the split train; then a few lines."""
    n_bytes = sum(sum(file.row_group_bytes) for file in manifest.files)
    split = {"name": "train", "num_bytes": n_bytes, "num_examples": manifest.rows}
    front: dict[str, Any] = {
        **({} if licence is None else {"license": licence}),
        "size_categories": [_size_category(manifest.rows)],
        "dataset_info": {
            "features": [{"name": f.name, **_yaml_feature(f.name, f.type)} for f in schema],
            "splits": [split],
            "download_size": sum(file.bytes for file in manifest.files),
            "dataset_size": n_bytes,
        },
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/*.parquet"}],
            }
        ],
    }
    text = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    columns = "\n".join(f"| {name} | {type_} |" for name, type_ in manifest.columns.items())
    return (
        f"---\n{text}---\n\n# {title}\n\n{manifest.rows:,} rows in {len(manifest.files):,} files "
        f"of parquet, of the version `{manifest.version}` of the table `{manifest.source}`, "
        f"written by captionlake export-hf.\n\n| column | type |\n| --- | --- |\n{columns}\n"
    )


def _feature(name: str, type_: pa.DataType) -> Any:
    """A feature as `datasets` keeps it in JSON; a list is that of its one kind of items."""
    if pa.types.is_struct(type_):
        return {field.name: _feature(name, field.type) for field in _fields(type_)}
    if pa.types.is_list(type_):
        return [_feature(f"{name}[]", type_.value_type)]
    if name == _IMAGE and pa.types.is_binary(type_):
        return {"_type": "Image"}
    return {"dtype": _dtype(name, type_), "_type": "Value"}


def _yaml_feature(name: str, type_: pa.DataType) -> dict[str, Any]:
    """The same as cards have it."""
    if pa.types.is_struct(type_):
        fields = [{"name": f.name, **_yaml_feature(name, f.type)} for f in _fields(type_)]
        return {"struct": fields}
    if pa.types.is_list(type_):
        items = _yaml_feature(f"{name}[]", type_.value_type)
        return {"list": items.get("struct") or items.get("dtype") or items}
    if name == _IMAGE and pa.types.is_binary(type_):
        return {"dtype": "image"}
    return {"dtype": _dtype(name, type_)}


def _fields(type_: pa.DataType) -> list[pa.Field]:
    return [type_.field(number) for number in range(type_.num_fields)]


def _dtype(name: str, type_: pa.DataType) -> str:
    if pa.types.is_map(type_):
        raise InputDataError(
            f"column {name!r} is {type_}, which Hugging Face's datasets cannot hold; name the "
            "other columns (--columns)"
        )
    return _DTYPES.get(str(type_), str(type_))


def _size_category(rows: int) -> str:
    """The Hub's words for a number of rows, such as 10K<n<100K."""
    powers = (10 ** (3 + place) for place in range(len(_SIZES)))
    place = sum(rows >= power for power in powers)
    if place == 0:
        return "n<1K"
    return f"n>{_SIZES[-1]}" if place == len(_SIZES) else f"{_SIZES[place - 1]}<n<{_SIZES[place]}"
