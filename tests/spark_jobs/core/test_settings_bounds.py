"""Each setting of each job given what nobody means: taken, or refused in one short line."""

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from spark_jobs.core.errors import SettingsError
from spark_jobs.core.settings import Settings, load_settings, validate_settings
from spark_jobs.running.registry import all_jobs

DEEP: Any = 1
for _ in range(100):  # as deep as a YAML file may be
    DEEP = [DEEP]

EXTREMES: list[Any] = [
    *(0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400, 1.5, -0.0, 1e308),
    *(math.nan, math.inf, -math.inf, True, None, b"\xff", "", " ", "\0", "/a\0b", "\ud800", "~~"),
    *("x" * 100_000, "\n\n", "9" * 5_000, "nan", "a.b.c.d", "../..", "s3://", "delta:", "file://"),
    *([], [None], [[]], {}, {"": ""}, {"a": math.nan}, {1: 2}, ["\ud800"], [2**70], [math.inf]),
    *({"caption": "\ud800"}, [{}], [{"rule": "r", "column": "c", "op": ">", "value": 10**400}]),
    *([{"rule": "", "all_of": []}], [{"rule": "r", "top_fraction": math.nan, "column": "c"}], DEEP),
]
TEXTS = [
    *("1e999", "-1e999", ".nan", ".inf", "9" * 5_000, "-" + "9" * 40, "[" * 100, "[" * 3_000),
    *("{a: " * 60, "!!python/object:os.system x", "&a [*a]", "\ud800", "\0", "1_000", "0x" * 9),
    *("2026-01-01", "9999-99-99", "0b1", "12:30:45", "- - -", ": :", "%", "@", "`", "\t", "'"),
]
# Its own phrases, and ours for a type of error that has no words yet.
OF_PYDANTIC = re.compile(
    r"[Ii]nput should|Value error|Assertion failed|[Uu]nable to parse|Extra inputs|Field required"
    r"|should (have|match)|valid dictionary|pydantic|is not valid"
)
# What a required setting needs, so that what is checked over all settings is reached too.
PLAUSIBLE = {"rules": [{"rule": "r", "column": "c", "op": ">", "value": 1}], "t": 5, "n": 5}


def plausible(model: type[Settings]) -> dict[str, Any]:
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    ways = set(model.mutually_exclusive[:1]) | ({"n"} & set(model.model_fields))
    values = {name: PLAUSIBLE.get(name, f"/folder/{name}") for name in required | ways}
    return {
        name: [value] if name in ("sources", "classes", "queries") and name in required else value
        for name, value in values.items()
    }


def is_taken(model: type[Settings], values: dict[str, Any]) -> bool:
    message = refusal(lambda: validate_settings(model, values).model_dump_json().encode())
    return message is None


def refusal(read: Callable[[], object]) -> str | None:
    """The line of a refusal, as people see it; None where what is read is taken."""
    try:
        read()
    except SettingsError as fault:
        line = " ".join(str(fault).split())
    else:
        return None
    assert 0 < len(line) < 1_000, line[:300]
    assert not OF_PYDANTIC.search(line), line[:300]
    return line


@pytest.mark.parametrize("job", all_jobs())
def test_extremes_are_taken_or_refused_in_one_line(job: str) -> None:
    model = all_jobs()[job].settings
    for name in model.model_fields:
        for value in EXTREMES:
            is_taken(model, plausible(model) | {name: value})


@pytest.mark.parametrize("job", all_jobs())
def test_no_number_beyond_64_bits_and_none_that_is_not_finite_is_taken(job: str) -> None:
    model = all_jobs()[job].settings
    for name, field in model.model_fields.items():
        kind = str(field.annotation)
        if "int" in kind or "float" in kind:
            for value in (2**63, -(2**63) - 1, 10**400, math.inf, -math.inf, math.nan):
                wrapped = [value] if "list" in kind else value
                if isinstance(value, int) and "float" in kind:
                    continue  # a float, within its own bounds
                assert not is_taken(model, plausible(model) | {name: wrapped}), (name, value)


@pytest.mark.slow
@pytest.mark.parametrize("job", all_jobs())
def test_texts_of_the_command_line_are_taken_or_refused_in_one_line(job: str) -> None:
    model = all_jobs()[job].settings
    given = {name: str(value) for name, value in plausible(model).items() if name != "rules"}
    for name, field in model.model_fields.items():
        if field.annotation in (str, str | None):
            continue  # taken as it stands: as above
        for text in TEXTS:
            refusal(partial(load_settings, model, job, None, [], given | {name: text}))


@pytest.mark.parametrize(
    ("job", "name", "value"),
    [
        ("sample-subset", "n", 0),
        ("sample-subset", "fraction", 0.0),
        ("sample-subset", "seed", 2**63),
        ("balance-captions", "t", 0),
        ("balance-captions", "seed", -(2**63) - 1),
        ("embed-texts", "batch_size", 10**9),
        ("embed-texts", "commits", 0),
        ("search-neighbours", "k", 10**9),
        ("search-neighbours", "n_probe", 2**31),
        ("export-captions", "rows_per_file", 0),
        ("build-index", "memory", math.nan),
        ("demo", "seed", -1),
        ("match-frequencies", "exponent", 1e9),
        ("diff", "top", 10**9),
    ],
)
def test_a_bound_names_setting_and_value(job: str, name: str, value: float) -> None:
    model = all_jobs()[job].settings
    with pytest.raises(SettingsError, match=rf"setting '{name}' = {value}"):
        validate_settings(model, plausible(model) | {name: value})
