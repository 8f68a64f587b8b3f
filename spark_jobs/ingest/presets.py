"""The column names of published data sets, and the map from an input's columns to ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from spark_jobs.errors import MissingColumnError, SettingsError
from spark_jobs.record_texts import TEXTS, Text
from spark_jobs.schemas import (
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
from spark_jobs.settings import nearest
from udfs.json_items import ItemForm

InputFormat = Literal["parquet", "jsonl", "json", "csv", "tsv", "lines"]


@dataclass(frozen=True)
class Preset:
    """A published form.

    `columns` maps our names to the input's, in order of preference, matched in any case. `header`
    names the columns of files that have no header of their own, `items` what the items of JSON
    files are beside objects and captions. `texts`: columns of which the caption is joined;
    `numbers`: those of files of text that are whole numbers; `separator` of CSV files.
    """

    format: InputFormat
    columns: Mapping[str, tuple[str, ...]]
    header: tuple[str, ...] = ()
    items: ItemForm = "plain"
    texts: tuple[Text, ...] = ()
    numbers: tuple[str, ...] = ()
    separator: str = ","


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
    # Its SAMPLE_ID is no identity (it repeats over shards), so it is only carried along.
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
    # Its file names are the ids by which other data refer to its records.
    "imagenet_captions": Preset("json", {UID: ("filename",), CAPTION: (CAPTION,)}, texts=TEXTS),
    # clip-beyond-tail's files, which `--tsv` of other jobs writes; quoted as CSV is.
    "labels": Preset(
        "csv", {UID: (FILEPATH,), CAPTION: (CAPTION,)}, numbers=(LABEL,), separator="\t"
    ),
    "lines": Preset("lines", {CAPTION: (CAPTION,)}),
}


def column_map(
    preset: Preset | None, columns: Mapping[str, str] | None, input_columns: Sequence[str]
) -> dict[str, str]:
    """Our column name -> the input's, for the columns that the input has.

    `columns` goes before the preset; without a preset our own names are looked for. Raises
    SettingsError for a name that is not ours, MissingColumnError for one that the input lacks.
    """
    ours = preset.columns if preset else {name: (name,) for name in CAPTION_COLUMNS.names}
    there = {name.lower(): name for name in input_columns}
    found: dict[str, str] = {}
    for name, others in ours.items():
        matching = [there[other.lower()] for other in others if other.lower() in there]
        found |= {name: matching[0]} if matching else {}
    for name, other in (columns or {}).items():
        if name not in CAPTION_COLUMNS.names:
            raise SettingsError(
                f"columns: {name!r} is none of ours{nearest(name, CAPTION_COLUMNS.names)}; "
                f"there are {', '.join(CAPTION_COLUMNS.names)}"
            )
        found[name] = _present(other, input_columns)
    if CAPTION not in found:
        raise MissingColumnError(
            f"input has no column {ours[CAPTION][0]!r} for the caption; it has "
            f"{', '.join(input_columns)}; give --columns '{{caption: NAME}}'"
        )
    return found


def _present(name: str, input_columns: Sequence[str]) -> str:
    by_case = {column.lower(): column for column in input_columns}
    if name.lower() not in by_case:
        raise MissingColumnError(
            f"input has no column {name!r}{nearest(name, input_columns)}; "
            f"it has {', '.join(input_columns)}"
        )
    return by_case[name.lower()]
