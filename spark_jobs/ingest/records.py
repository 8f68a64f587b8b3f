"""Rows of published forms with what their columns stand for."""

from collections.abc import Sequence

from pyspark.sql.types import ArrayType, IntegerType, StringType

from spark_jobs.core.errors import MissingColumnError
from spark_jobs.core.schemas import CAPTION, IC_INDEX
from spark_jobs.core.settings import did_you_mean
from spark_jobs.ingest.common_types import conform
from spark_jobs.ingest.presets import Preset
from spark_jobs.ingest.record_texts import TAGS, Text, joined_texts
from spark_jobs.ingest.source import Part
from spark_jobs.ingest.values import as_type

_FILENAME = "filename"


def apply_preset(part: Part, preset: Preset) -> Part:
    """The part with a preset's numbers as such, and its texts joined as caption.

    Raises MissingColumnError where one of these is absent.
    """
    if preset.texts and part.names:
        part = _with_caption(part, preset.texts)
    numbers = [name for name in preset.numbers if name in part.names]
    return part.with_columns(
        {name: as_type(part.column(name), part.kind(name), IntegerType()) for name in numbers}
    )


def _with_caption(part: Part, texts: Sequence[Text]) -> Part:
    """ImageNet-Captions' records; their file name stays as ic_index."""
    for name in (_FILENAME, *texts):
        if name not in part.names:
            raise MissingColumnError(
                f"{part.where} has no column {name!r}{did_you_mean(name, part.names)}; it has "
                f"{', '.join(part.names)}"
            )
    kinds = {name: ArrayType(StringType()) if name == TAGS else StringType() for name in texts}
    typed = part.with_columns(
        {name: conform(part.column(name), part.kind(name), kinds[name]) for name in texts}
    )
    by_name = typed.frame.withColumns({name: typed.column(name) for name in texts})
    named = Part(by_name, typed.names, typed.files, typed.as_stored)
    return named.with_columns({CAPTION: joined_texts(texts), IC_INDEX: named.column(_FILENAME)})
