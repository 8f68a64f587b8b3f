"""Which input column becomes which of ours."""

import pytest

from spark_jobs.core.errors import MissingColumnError, SettingsError
from spark_jobs.ingest.column_map import column_map
from spark_jobs.ingest.presets import PRESETS


def test_datacomp_keeps_its_uid_and_takes_the_l14_score():
    there = ["uid", "url", "text", "original_width", "clip_b32_similarity_score"]
    there.append("clip_l14_similarity_score")
    assert column_map(PRESETS["datacomp"], None, there) == {
        "uid": "uid",
        "url": "url",
        "caption": "text",
        "width": "original_width",
        "similarity": "clip_l14_similarity_score",
    }


def test_the_given_map_goes_before_the_preset():
    found = column_map(PRESETS["laion400m"], {"caption": "ALT"}, ["URL", "TEXT", "alt"])
    assert found == {"url": "URL", "caption": "alt"}


def test_without_a_preset_our_own_names_are_found():
    assert column_map(None, None, ["Caption", "x"]) == {"caption": "Caption"}


def test_no_caption_column_is_an_error():
    with pytest.raises(MissingColumnError, match="no column 'TEXT' for the caption; it has URL"):
        column_map(PRESETS["laion400m"], None, ["URL"])


def test_a_name_that_is_not_ours_is_a_settings_error():
    with pytest.raises(SettingsError, match="'heigth' is none of ours, did you mean 'height'"):
        column_map(None, {"heigth": "h"}, ["caption", "h"])


def test_relaion_has_its_names_in_lower_case():
    there = ["url", "caption", "similarity", "punsafe", "pwatermark", "language"]
    assert column_map(PRESETS["relaion"], None, there) == {
        "url": "url",
        "caption": "caption",
        "similarity": "similarity",
        "lang": "language",
        "punsafe": "punsafe",
    }


@pytest.mark.parametrize(
    ("preset", "there", "where", "advice"),
    [
        (
            None,
            ["SAMPLE_ID", "URL", "TEXT"],
            "/x/part-0.parquet",
            "it has SAMPLE_ID, URL, TEXT; give --preset laion400m, laion5b or relaion, or "
            "--columns '{url: URL, caption: TEXT}'",
        ),
        (None, ["URL", "TEXT", "LANGUAGE", "punsafe"], "/x.parquet", "--preset laion5b or relaion"),
        (None, ["uid", "url", "text", "original_width"], "input", "give --preset datacomp, or"),
        # That preset would read parquet.
        (None, ["URL", "TEXT"], "/x.csv", "; give --columns '{url: URL, caption: TEXT}'"),
        (None, ["filename", "title", "tags", "description"], "/x.json", "imagenet_captions, or"),
        (None, ["id", "alt_text"], "/x.csv", "; give --columns '{caption: alt_text}'"),
        (None, ["id", "link"], "/x.csv", "; give --columns '{caption: NAME}'"),
        ("datacomp", ["URL", "caption"], "input", "leave out --preset, or give another one"),
    ],
)
def test_an_input_without_caption_gets_advice(
    preset: str | None, there: list[str], where: str, advice: str
) -> None:
    with pytest.raises(MissingColumnError) as raised:
        column_map(PRESETS[preset] if preset else None, None, there, where)
    assert str(raised.value).startswith(f"{where} has no column ")
    assert advice in str(raised.value)
