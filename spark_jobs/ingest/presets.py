"""The column names of published data sets, and the map from an input's columns to ours."""

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


# A record of several texts, each with its ids or without.
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
    preset: Preset | None,
    columns: Mapping[str, str] | None,
    input_columns: Sequence[str],
    where: str = "input",
) -> dict[str, str]:
    """Our column name -> the input's, for the columns that the input, so called, has.

    `columns` goes before the preset; without a preset our own names are looked for. A name is
    found as it is written, else in any case. Raises SettingsError for a name that is not ours,
    MissingColumnError for one that the input lacks.
    """
    ours = preset.columns if preset else {name: (name,) for name in CAPTION_COLUMNS.names}
    found: dict[str, str] = {}
    for name, others in ours.items():
        matching = [there for other in others if (there := _called(other, input_columns))]
        found |= {name: matching[0]} if matching else {}
    for name, other in (columns or {}).items():
        if name not in CAPTION_COLUMNS.names:
            raise SettingsError(
                f"columns: {name!r} is none of ours{did_you_mean(name, CAPTION_COLUMNS.names)}; "
                f"there are {', '.join(CAPTION_COLUMNS.names)}"
            )
        there = _called(other, input_columns)
        if there is None:
            raise MissingColumnError(
                f"{where} has no column {other!r}{did_you_mean(other, input_columns)}; "
                f"it has {', '.join(input_columns)}"
            )
        found[name] = there
    if CAPTION not in found:
        raise MissingColumnError(
            f"{where} has no column {ours[CAPTION][0]!r} for the caption; it has "
            f"{', '.join(input_columns)}; {_remedy(preset, input_columns)}"
        )
    return found


def _remedy(preset: Preset | None, input_columns: Sequence[str]) -> str:
    """What to give where no column is the caption."""
    if preset is None and {"uuid", "texts"} <= set(input_columns):
        return f"records such as {METACLIP_RECORD} are read by --preset metaclip"
    return "give --columns '{caption: NAME}'"


def _called(name: str, input_columns: Sequence[str]) -> str | None:
    if name in input_columns:
        return name
    return next((column for column in input_columns if column.lower() == name.lower()), None)
