"""Presets: file format and column names of published data sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator

from spark_jobs.core.schemas import (
    CAPTION,
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
    # A Wikipedia dump's articles, as wikiextractor --json writes them.
    "wikiextractor": Preset("jsonl", {CAPTION: ("text",), URL: ("url",)}),
    "lines": Preset("lines", {CAPTION: (CAPTION,)}),
}


_NAMES = ", ".join(PRESETS)


def _known_preset(name: str) -> str:
    if name not in PRESETS:
        raise ValueError(f"unknown preset{did_you_mean(name, PRESETS)}; there are {_NAMES}")
    return name


PresetName = Annotated[str, AfterValidator(_known_preset)]
PRESET_HELP = f"one of {_NAMES}; metaclip reads {METACLIP_RECORD}"
