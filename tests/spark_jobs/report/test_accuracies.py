"""The section of an evaluation: accuracy over frequency, all measures, classes at both ends."""

from spark_jobs.report.accuracies import ClassPoint, Evaluation, accuracy_blocks
from spark_jobs.report.blocks import Figure, Table

VALUES = {
    ("retrieval", "all", "image_to_text_recall@1"): 0.25,
    ("frequency", "all", "spearman"): None,
    ("zero_shot", "all", "top1"): 0.5,
}
CLASSES = [
    ClassPoint("tench", 10, 0.9, 12, 1000, "head"),
    ClassPoint("crane", 10, 0.1, 3, 40, "middle"),
    ClassPoint("yurt", 10, 0.5, 1, 0, "tail"),
]


def test_a_dot_for_each_class_with_rows_and_tables_of_both_ends() -> None:
    measures, figure, lowest, highest = accuracy_blocks(Evaluation(VALUES, CLASSES))
    assert isinstance(measures, Table)
    assert [tuple(row) for row in measures.rows] == [
        ("zero-shot", "all", "top1", "50.00%"),
        ("frequency", "all", "spearman", "none"),
        ("retrieval", "all", "image_to_text_recall@1", "25.00%"),
    ]
    assert isinstance(figure, Figure)
    assert "2 classes over their frequency, 40 to 1,000" in figure.svg
    assert "1 classes without a row" not in figure.description
    assert "A class without a row has no dot" in figure.description
    assert isinstance(lowest, Table)
    assert isinstance(highest, Table)
    assert [row[0] for row in lowest.rows] == ["crane", "yurt", "tench"]
    assert [row[0] for row in highest.rows] == ["tench", "yurt", "crane"]
    assert lowest.rows[0] == ("crane", "10.0%", "10", "3", "40")


def test_retrieval_alone_has_no_picture() -> None:
    assert [block.kind for block in accuracy_blocks(Evaluation(VALUES, []))] == ["table"]
