"""Sections of classes, similarities and searches, from numbers made by hand, without Spark."""

import re
import xml.dom.minidom

import pandas as pd

from spark_jobs.core import schemas
from spark_jobs.report.blocks import Example, Examples, Figure, Note, Section, Table
from spark_jobs.report.classes import ClassCount, class_blocks
from spark_jobs.report.frequency_curves import frequency_picture
from spark_jobs.report.generated import Outcome, WrittenBy, generated_blocks
from spark_jobs.report.page import Page, render
from spark_jobs.report.palette import AFTER, COLOURS
from spark_jobs.report.plan_picture import plan_picture
from spark_jobs.report.retrieved import ClassCaptions, Hit, Hits, retrieved_blocks
from spark_jobs.report.similarities import SimilarityPlan, ThresholdRow, similarity_blocks


def figure(block: object) -> Figure:
    assert isinstance(block, Figure)
    return block


def table(block: object) -> Table:
    assert isinstance(block, Table)
    return block


class TestClasses:
    COUNTS = (
        ClassCount("tench", 20, [30, 5], [20, 0]),
        ClassCount("crane", 10, [4, 2], [4, 2]),
    )

    def test_wanted_is_a_band_beneath_the_line_of_taken(self) -> None:
        svg = str(figure(class_blocks(self.COUNTS, ["pairs", "t2t"])[0]).svg)
        wide = [part for part in svg.split("<path") if "stroke-width: 7" in part]
        assert wide
        assert all("var(--mark)" in part for part in wide)
        assert svg.index("stroke-width: 7") < svg.index("stroke: var(--after); stroke-width: 1.6")

    def test_largest_classes_and_those_that_lack_most(self) -> None:
        _, _, largest, short = class_blocks(self.COUNTS, ["pairs", "t2t"])
        assert [tuple(row) for row in table(largest).rows] == [
            ("tench", "35", "20", "20"), ("crane", "6", "10", "6"),
        ]  # fmt: skip
        assert [tuple(row) for row in table(short).rows] == [("crane", "10", "4", "2", "4")]


class TestSimilarities:
    ROWS = (ThresholdRow(0.5, 1200, 40, 0.61), ThresholdRow(0.55, 300, 21, 0.66))

    def test_rows_and_classes_of_each_threshold(self) -> None:
        blocks = similarity_blocks(SimilarityPlan(self.ROWS, {0.5: 900, 0.56: 300}, 0.55))
        titles = [block.title for block in blocks if isinstance(block, Figure | Table)]
        assert titles == [
            "Scores", "Rows at or above a threshold", "Classes with a row at or above a threshold",
            "Mean similarity inside a class", "What each threshold keeps",
        ]  # fmt: skip
        assert [tuple(row) for row in table(blocks[-1]).rows] == [
            ("0.5", "1,200", "40", "0.610"), ("0.55", "300", "21", "0.660"),
        ]  # fmt: skip
        assert "from 40 at 0.5 to 21 at 0.55" in figure(blocks[2]).svg
        assert ">dashed: the threshold 0.55<" in figure(blocks[0]).svg

    def test_without_classes_there_are_none_to_show(self) -> None:
        plan = SimilarityPlan(self.ROWS, {0.5: 900}, has_classes=False)
        blocks = similarity_blocks(plan)
        assert len(blocks) == 3
        assert list(table(blocks[-1]).columns) == ["threshold", "rows"]


class TestRetrieved:
    def test_the_captions_of_a_prompt_with_their_similarity(self) -> None:
        classes = [ClassCaptions("Pets", "cat", 3), ClassCaptions("Pets", "dog", 1200)]
        hits = [Hits("Pets", "cat", "a photo of a cat.", [Hit("my <cat>", "u1", 0.8125)], "texts")]
        picture, most, _, found = retrieved_blocks(classes, 5, hits)
        assert figure(picture).description == (
            "2 of 5 classes have captions; the most has dog, 1,200."
        )
        assert [tuple(row) for row in table(most).rows] == [
            ("dog", "Pets", "1,200"), ("cat", "Pets", "3"),
        ]  # fmt: skip
        assert isinstance(found, Examples)
        assert found.title == "“a photo of a cat.”: cat (Pets), among texts"
        assert list(found.examples) == [Example("my <cat>", None, "similarity 0.8125", uid="u1")]
        html = render(Page("t", "s", [], [Section("a", [found])])).decode()
        assert 'class="verdict"' not in html
        assert "uid <bdi>u1</bdi>" in html

    def test_a_text_search_has_no_prompt_and_no_similarity(self) -> None:
        hits = [Hits("Pets", "cat", None, [Hit("my cat", "u1", None)])]
        *_, found = retrieved_blocks([ClassCaptions("Pets", "cat", 1)], 1, hits)
        assert isinstance(found, Examples)
        assert found.title == "cat (Pets)"
        assert list(found.examples) == [Example("my cat", None, "", uid="u1")]

    def test_nothing_found_is_a_note(self) -> None:
        (note,) = retrieved_blocks([], 7, [])
        assert isinstance(note, Note)
        assert "None of the 7 classes" in note.text


def test_an_example_has_its_uid_and_what_it_was_compared_with() -> None:
    example = Example("a tench", True, "similarity 0.6, above 0.5", ["n01440764"], "u<1>", "fish")
    page = Page("t", "s", [], [Section("a", [Examples("Just above", [example])])])
    html = render(page).decode()
    assert "u&lt;1&gt;" in html
    assert "<bdi>fish</bdi>" in html


def test_the_page_is_light_on_paper_and_dark_on_a_dark_screen() -> None:
    html = render(Page("5 → 3 captions", "s", [], [])).decode()
    assert "<title>5 → 3 captions – captionlake report</title>" in html
    light, dark = html.split("@media screen and (prefers-color-scheme: dark)")
    for colour, (name, dark_colour) in COLOURS.items():
        assert f"--{name}: {colour};" in light
        assert f"--{name}: {dark_colour};" in dark
    assert "print-color-adjust: exact" in html


def test_pictures_of_nothing_are_drawn() -> None:
    for counts in ({"a": [], "b": [0]}, {"a": [5]}, {}):
        assert b"Rows of each class" in frequency_picture(counts)
    empty = pd.DataFrame({name: [0.0] for name in schemas.PLAN.names} | {"t": [1]})
    assert b"t = 1: 0 rows" in plan_picture(empty, 1)


def test_picture_files_are_titled_and_have_dark_colours() -> None:
    columns = {name: [0.25, 0.5] for name in schemas.PLAN.names}
    plan = pd.DataFrame(columns | {"t": [10, 1000], "expected_rows": [30, 4000]})
    for picture, title in (
        (plan_picture(plan, 1000), "What balancing keeps at each t"),
        (frequency_picture({"LAIONet": [100, 7]}), "Rows of each class"),
    ):
        text = picture.decode()
        xml.dom.minidom.parseString(picture)  # well-formed
        assert f"<title>{title}</title>" in text
        assert f'role="img" aria-label="{title}"' in text
        assert f'[style*="stroke: {AFTER}"]' in text
        assert not re.search(r"url\((?!#)|@import|<script", text)
    assert ">t = 1,000: 4,000 rows<" in plan_picture(plan, 1000).decode()


class TestGenerated:
    def test_tries_by_model_causes_and_examples(self) -> None:
        written = [WrittenBy("smollm2, d49e2b79", 10, 6, 4, 12.25, 1_200, 0.5)]
        outcomes = [Outcome("accepted", "", "", 6), Outcome("failed", "timeout", "no answer", 4)]
        example = Example("A dog", True, "at try 1", matched=["dog"])
        by_model, causes, examples = generated_blocks(written, outcomes, [example], [])
        assert [tuple(row) for row in table(by_model).rows] == [
            ("smollm2, d49e2b79", "10", "6", "4", "12.2", "1,200", "0.50")
        ]
        assert [tuple(row)[3:] for row in table(causes).rows] == [("6", "60.0%"), ("4", "40.0%")]
        assert isinstance(examples, Examples)
        assert examples.title == "Accepted"

    def test_a_model_without_tries_has_no_means(self) -> None:
        by_model, causes = generated_blocks([WrittenBy("m", 0, 0, 0, None, 0, None)], [], [], [])
        assert table(by_model).rows[0][-3:] == ("", "0", "")
        assert table(causes).rows == []
