"""Python values as settings."""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest

from captionlake.results import Result
from captionlake.values import plain_value, with_dotted_keys


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Path("/data/x"), "/data/x"),
        (Path("./x"), "./x"),  # a Path drops the ./, which tells a folder from a table
        (("a", Path("b/c")), ["a", "b/c"]),
        ({"rule": np.int64(3)}, {"rule": 3}),
        (np.float32(0.5), 0.5),
        (True, True),
        (None, None),
        ("x", "x"),
    ],
)
def test_values_become_those_of_yaml(value: Any, plain: Any) -> None:
    converted = plain_value("setting", value)
    assert converted == plain
    assert type(converted) is type(plain)


def test_a_uri_in_a_path_is_refused() -> None:
    with pytest.raises(ValueError, match="setting 'bank' = s3:/bucket/x: write a URI as text"):
        plain_value("bank", PurePosixPath("s3://bucket/x"))


def test_a_frame_of_pandas_is_refused_with_what_to_write() -> None:
    with pytest.raises(
        ValueError, match=r"frame\.to_parquet\('captions\.parquet'\), then captions"
    ):
        plain_value("captions", pd.DataFrame({"caption": ["a"]}))


def test_a_result_is_refused_with_its_address() -> None:
    result = Result("match-concepts", "done", {}, {"entry_counts": "/c"}, None, 1.0)
    with pytest.raises(ValueError, match=r"write bank=result\.outputs\['entry_counts'\]"):
        plain_value("bank", result)


def test_dotted_keys_are_settings_of_steps() -> None:
    settings = {"recipe": "x", "set": {"a.t": 1, "a.rules": {"b.c": 2}, "input": "./x"}}
    assert with_dotted_keys(settings) == {
        "recipe": "x",
        "a": {"t": 1, "rules": {"b.c": 2}},
        "input": "./x",
    }
