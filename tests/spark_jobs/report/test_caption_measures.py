"""The section on measured captions, from numbers made by hand, without Spark."""

from spark_jobs.report.blocks import Figure, Note, Table
from spark_jobs.report.caption_measures import Measured, SourceMeasures, measure_blocks

RAW = SourceMeasures(
    1000,
    {"cosine_image": Measured(0.21), "clip_s": Measured(0.525, 0.5, 0.55), "words": Measured(9.0)},
    {0.18: 400, 0.22: 600},
    [(10, 30.0), (1000, 2000.0)],
)
BLIP = SourceMeasures(900, {"cider": Measured(1.25)}, {}, [(900, 800.0)])


def test_scores_trigrams_and_a_table_of_what_was_measured() -> None:
    scores, trigrams, table = measure_blocks({"raw": RAW, "blip": BLIP})
    assert isinstance(scores, Figure)
    assert "Means: raw 0.210." in str(scores.svg)
    assert isinstance(trigrams, Figure)
    assert "raw 2,000 in 1,000, blip 800 in 900" in str(trigrams.svg)
    assert isinstance(table, Table)
    assert list(table.columns) == ["source", "captions", "CLIP-S", "CIDEr"]
    assert [tuple(row) for row in table.rows] == [
        ("raw", "1,000", "0.525 (0.500 – 0.550)", ""),
        ("blip", "900", "", "1.250"),
    ]


def test_only_the_first_sources_are_drawn() -> None:
    blocks = measure_blocks({f"source {k}": RAW for k in range(9)})
    assert [block.text for block in blocks if isinstance(block, Note)] == [
        "Drawn: the first 5 of 9 sources."
    ]
    [table] = [block for block in blocks if isinstance(block, Table)]
    assert len(table.rows) == 9


def test_without_scores_there_is_no_picture_of_them() -> None:
    assert [block.kind for block in measure_blocks({"blip": BLIP})] == ["table"]
