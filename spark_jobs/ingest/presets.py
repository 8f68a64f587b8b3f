"""Presets of published data sets' column names, and the map from our column names to an input's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from spark_jobs.core.errors import MissingColumnError, SettingsError
from spark_jobs.core.schemas import (
    CAPTION,
    CAPTION_COLUMNS,
    CAPTION_ID,
    CAPTION_SOURCE,
    ENTRY_IDS,
    FILEPATH,
    HEIGHT,
    LABEL,
    LANG,
    LICENSE,
    NSFW,
    PUNSAFE,
    SIMILARITY,
    UID,
    URL,
    WIDTH,
)
from spark_jobs.core.settings import did_you_mean
from spark_jobs.ingest.record_texts import TEXTS, Text
from udfs.json_items import ItemForm

InputFormat = Literal["parquet", "jsonl", "json", "csv", "tsv", "lines"]


@dataclass(frozen=True)
class Preset:
    """The file format and column names of a published data set.

    `columns`: our name -> the input's names in order of preference, matched without regard to case.
    `header`: column names of files without a header. `items`: what items of JSON files may be,
    besides objects and captions. `texts`: columns from which the caption is joined. `numbers`:
    columns of text files that hold whole numbers. `separator`: of CSV files.
    """

    format: InputFormat
    columns: Mapping[str, tuple[str, ...]]
    header: tuple[str, ...] = ()
    items: ItemForm = "plain"
    texts: tuple[Text, ...] = ()
    numbers: tuple[str, ...] = ()
    separator: str = ","


# A MetaCLIP record with several texts; the list of entry ids may be absent.
METACLIP_RECORD = '{"uuid": ID, "url": URL, "texts": [[SOURCE, CAPTION, [ENTRY_ID, ...]], ...]}'

_LAION = {
    URL: ("URL",),
    CAPTION: ("TEXT", "caption"),
    HEIGHT: ("HEIGHT",),
    WIDTH: ("WIDTH",),
    LICENSE: ("LICENSE",),
    NSFW: ("NSFW",),
    SIMILARITY: ("similarity",),
}
_LAION_5B = {**_LAION, LANG: ("LANGUAGE",), PUNSAFE: ("punsafe",)}

PRESETS: dict[str, Preset] = {
    # SAMPLE_ID is not used as uid, since it repeats over shards.
    "laion400m": Preset("parquet", _LAION),
    "laion5b": Preset("parquet", _LAION_5B),
    "relaion": Preset("parquet", _LAION_5B),
    "datacomp": Preset(
        "parquet",
        {
            UID: ("uid",),
            URL: ("url",),
            CAPTION: ("text",),
            WIDTH: ("original_width",),
            HEIGHT: ("original_height",),
            SIMILARITY: ("clip_l14_similarity_score",),
        },
    ),
    "cc12m": Preset("tsv", {URL: (URL,), CAPTION: (CAPTION,)}, header=(URL, CAPTION)),
    "yfcc15m": Preset("jsonl", {URL: (URL,), CAPTION: (CAPTION,)}),
    "synthclip": Preset("json", {CAPTION: (CAPTION,)}),
    "synthclip_matches": Preset(
        "json", {CAPTION: (CAPTION,), ENTRY_IDS: (ENTRY_IDS,)}, items="pairs"
    ),
    "metaclip": Preset(
        "json",
        {UID: ("uuid",)}
        | {name: (name,) for name in (URL, CAPTION, CAPTION_ID, CAPTION_SOURCE, ENTRY_IDS)},
        items="records",
    ),
    # File names are the uids, since other data sets refer to the records by them.
    "imagenet_captions": Preset("json", {UID: ("filename",), CAPTION: (CAPTION,)}, texts=TEXTS),
    # clip-beyond-tail's files, which other jobs write with `--tsv`; quoted like CSV.
    "labels": Preset(
        "csv", {UID: (FILEPATH,), CAPTION: (CAPTION,)}, numbers=(LABEL,), separator="\t"
    ),
    "lines": Preset("lines", {CAPTION: (CAPTION,)}),
}


def column_map(
    preset: Preset | None,
    columns: Mapping[str, str] | None,
    input_columns: Sequence[str],
    where: str = "input",
) -> dict[str, str]:
    """Map our column names to the input's, for the columns that the input has.

    `columns` takes precedence over the preset; without a preset our own names are looked up. An
    exact match of a name is preferred to one in another case. `where`: the input's name in
    messages. Raises SettingsError for a key that is not one of our names, MissingColumnError for a
    column that the input lacks.
    """
    candidates = preset.columns if preset else {name: (name,) for name in CAPTION_COLUMNS.names}
    mapping: dict[str, str] = {}
    for name, input_names in candidates.items():
        matching = [
            column
            for candidate in input_names
            if (column := _find_column(candidate, input_columns))
        ]
        mapping |= {name: matching[0]} if matching else {}
    for name, input_name in (columns or {}).items():
        if name not in CAPTION_COLUMNS.names:
            raise SettingsError(
                f"columns: {name!r} is none of ours{did_you_mean(name, CAPTION_COLUMNS.names)}; "
                f"there are {', '.join(CAPTION_COLUMNS.names)}"
            )
        input_column = _find_column(input_name, input_columns)
        if input_column is None:
            raise MissingColumnError(
                f"{where} has no column {input_name!r}{did_you_mean(input_name, input_columns)}; "
                f"it has {', '.join(input_columns)}"
            )
        mapping[name] = input_column
    if CAPTION not in mapping:
        raise MissingColumnError(
            f"{where} has no column {candidates[CAPTION][0]!r} for the caption; it has "
            f"{', '.join(input_columns)}; {_remedy(preset, input_columns)}"
        )
    return mapping


def _remedy(preset: Preset | None, input_columns: Sequence[str]) -> str:
    """Advice for an input without a column for the caption."""
    if preset is None and {"uuid", "texts"} <= set(input_columns):
        return f"records such as {METACLIP_RECORD} are read by --preset metaclip"
    return "give --columns '{caption: NAME}'"


def _find_column(name: str, input_columns: Sequence[str]) -> str | None:
    """The input column of this name, else the first that differs only in case, else None."""
    if name in input_columns:
        return name
    return next((column for column in input_columns if column.lower() == name.lower()), None)
