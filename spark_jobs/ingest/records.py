"""Convert and join the columns of parts as their preset says."""

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
    """Convert the preset's number columns to int, and join its texts into a caption.

    Raises MissingColumnError if a text column is absent.
    """
    if preset.texts and part.names:
        part = _with_caption(part, preset.texts)
    numbers = [name for name in preset.numbers if name in part.names]
    return part.with_columns(
        {name: as_type(part.column(name), part.type_of(name), IntegerType()) for name in numbers}
    )


def _with_caption(part: Part, texts: Sequence[Text]) -> Part:
    """Add the caption of ImageNet-Captions' records, and their file name as ic_index."""
    for name in (_FILENAME, *texts):
        if name not in part.names:
            raise MissingColumnError(
                f"{part.where} has no column {name!r}{did_you_mean(name, part.names)}; it has "
                f"{', '.join(part.names)}"
            )
    text_types = {name: ArrayType(StringType()) if name == TAGS else StringType() for name in texts}
    typed = part.with_columns(
        {name: conform(part.column(name), part.type_of(name), text_types[name]) for name in texts}
    )
    # joined_texts takes the text columns by name, so the frame needs them under these too.
    named_texts = typed.frame.withColumns({name: typed.column(name) for name in texts})
    with_names = Part(named_texts, typed.names, typed.files, typed.as_stored)
    return with_names.with_columns(
        {CAPTION: joined_texts(texts), IC_INDEX: with_names.column(_FILENAME)}
    )
