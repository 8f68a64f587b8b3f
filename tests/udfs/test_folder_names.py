"""Folders named after data: inside their root, each its own, ordinary names as they are."""

import random
import unicodedata
from pathlib import Path

import pytest

from udfs.folder_names import folder_names

ORDINARY = (
    *("imagenet", "stanford_cars", "fgvc_aircraft", "flowers102", "dtd", "Food-101"),
    *("SUN 397", "v1.5", "日本語", "हिन्दी", "Straße", "é", "comet"),
    *("console", "x", "7", "ж" * 50, "a" * 100),
)
HOSTILE = (
    *("", ".", "..", "../../escape", "/etc/passwd", "a/b", "a\\b", "..\\..\\x", "C:x"),
    *("~", "~root"),
    *(
        "_hidden",
        ".hidden",
        "trailing.",
        "trailing ",
        " leading",
        "a\x00b",
        "a\nb",
        "a=b",
        "*?[]{}",
    ),
    *("CON", "con", "Aux", "nul.txt", "COM1", "lpt9 .x", "com¹", "CONIN$"),
    *("a" * 101, "ж" * 51),
    *("e\u0301", "\u202ecod.exe", "zero\u200bwidth", "\ud800", "a~b", "x~" + "0" * 24),
)
PIECES = [*"aAbBéÉßſıIİσςΣ", "e\u0301", "/", "\\", "..", ".", "_", "-", "~", " ", "\x00", "\n",
          "CON", "日本", "\ud800", "=", ":", "*", "a" * 60]  # fmt: skip


def fuzzed(n: int) -> list[str]:
    rng = random.Random(8)
    return ["".join(rng.choices(PIECES, k=rng.randint(0, 4))) for _ in range(n)]


def as_the_disk_sees(name: str) -> str:
    """What APFS, NTFS or a casefolding ext4 compare: folded or raised, decomposed."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_stay(name: str) -> None:
    assert folder_names([name]) == {name: name}


@pytest.mark.parametrize("name", HOSTILE)
def test_others_are_changed(name: str) -> None:
    assert folder_names([name])[name] != name


@pytest.mark.parametrize("data", [[*ORDINARY, *HOSTILE], fuzzed(1000)], ids=["chosen", "fuzzed"])
def test_each_is_one_folder_inside_the_root(data: list[str], tmp_path: Path) -> None:
    names = folder_names(data)
    assert names.keys() == set(data)
    for name in names.values():
        assert len(name.encode()) <= 100
        assert unicodedata.is_normalized("NFC", name)
        assert not set(name) & {*'/\\:*?"<>|\x00\n'}
        assert name[0] not in "._ ~"
        assert name[-1] not in ". "
        assert name.split(".")[0].rstrip().upper() not in {"CON", "NUL", "AUX", "PRN", "COM1"}
        (tmp_path / name).mkdir()
        assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    assert len({as_the_disk_sees(name) for name in names.values()}) == len(set(data))
    assert len({name.upper() for name in names.values()}) == len(set(data))
    assert len([*tmp_path.iterdir()]) == len(set(data))


def test_of_names_that_differ_in_case_the_lower_one_stays() -> None:
    names = folder_names(["cars", "Cars", "CARS", "dogs"])
    assert (names["cars"], names["dogs"]) == ("cars", "dogs")
    assert [name[:5] for name in (names["Cars"], names["CARS"])] == ["Cars~", "CARS~"]
    assert folder_names(["Cars"]) == {"Cars": "Cars"}


def test_a_name_depends_on_the_datum_alone_where_it_is_changed() -> None:
    assert folder_names(["a/b", "a_b"]) == folder_names(["a/b"]) | {"a_b": "a_b"}
    assert folder_names(["a/b"])["a/b"] == "a_b~c14cddc033f64b9dea80ea67"  # sha256 of a/b
