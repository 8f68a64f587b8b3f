"""Read what a report shows of rows that are in benchmark sets: their numbers, the nearest pairs."""

import base64
import io
from collections.abc import Iterable
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, StringType

from spark_jobs.core.columns import named
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import (
    BENCHMARK,
    CAPTION,
    CONTAMINATED,
    EMBEDDING,
    EMPTY,
    IMAGE,
    ITEM,
    QUERY_ID,
    UID,
    VALUE,
)
from spark_jobs.formats.report_tables import read_run_input, read_run_output
from spark_jobs.report.blocks import Pair, Side, visible
from spark_jobs.storage.old_versions import read_recorded_version
from spark_jobs.subsets.draw import rows_of_classes
from udfs.images.decoding import ImageError, decode_image

_MOST_PAIRS = 12
_SIDE_PX = 96  # of a thumbnail
_QUALITY = 70


def contaminated_pairs(spark: SparkSession, run: RunRecord) -> list[Pair]:
    """The rows of a run of decontaminate that are nearest to their item, and that item."""
    by = run.settings["by"]
    rows = read_run_output(spark, run, "contaminated", CONTAMINATED)
    nearest = rows.orderBy(_nearest_first(by), UID, BENCHMARK, ITEM).limit(_MOST_PAIRS).collect()
    column = run.settings.get("column", CAPTION)
    of_uid = _sides(read_run_input(spark, run, "input"), UID, [row[UID] for row in nearest], column)
    of_item: dict[tuple[str, str], Side] = {}
    for name, address in run.settings["benchmarks"].items():
        items = read_recorded_version(spark, address, EMPTY, run.inputs.get(address))
        key = UID if UID in items.columns else QUERY_ID
        names = [row[ITEM] for row in nearest if row[BENCHMARK] == name]
        sides = _sides(items, key, names, column)
        of_item |= {(name, item): side for item, side in sides.items()}
    return [
        Pair(
            of_uid.get(row[UID], Side(visible(row[UID]))),
            of_item.get((row[BENCHMARK], row[ITEM]), Side(visible(row[ITEM]))),
            f"{visible(row[BENCHMARK], 60)}: {_nearness(by, row[VALUE])}",
        )
        for row in nearest
    ]


def _nearest_first(by: str) -> Column:
    return F.desc(VALUE) if by == EMBEDDING else F.asc(VALUE)


def _nearness(by: str, value: float | None) -> str:
    if value is None:
        return f"equal {by.replace('_', ' ')}"
    return f"inner product {value:.4f}" if by == EMBEDDING else f"{by}, {value:.0f} bits differ"


def _sides(rows: DataFrame, key: str, names: Iterable[str], column: str) -> dict[str, Side]:
    """Name -> what is shown of the row of that name: a picture or text where the table has one."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    types = {field.name: field.dataType for field in rows.schema}
    shown = [named(key).cast("string").alias(key)]
    if isinstance(types.get(IMAGE), BinaryType):
        shown.append(F.col(IMAGE))
    if isinstance(types.get(column), StringType):
        shown.append(named(column).alias("text"))
    sides: dict[str, Side] = {}
    for row in rows_of_classes(rows.select(*shown), key, wanted).collect():
        values: dict[str, Any] = row.asDict()
        name = values[key]
        picture, text = thumbnail(values.get(IMAGE)), visible(values.get("text") or "")
        sides.setdefault(name, Side(visible(name), picture, text))
    return sides


def thumbnail(image: bytes | None) -> str:
    """A data: URI of the image, decoded and encoded anew in small; empty if it has no pixels."""
    if image is None:
        return ""
    try:
        small = decode_image(bytes(image)).convert("RGB")
    except ImageError:
        return ""
    small.thumbnail((_SIDE_PX, _SIDE_PX))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
