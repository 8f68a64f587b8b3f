"""A concept bank from WordNet's database files."""

from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_jobs.concepts.sources import synset_names
from spark_jobs.concepts.synsets import Synset, imagenet_synsets
from spark_jobs.concepts.wordnet import wordnet_synsets
from spark_jobs.core.errors import InputDataError
from tests.delta_tables import read_delta

FOLDER = Path("/usr/share/wordnet")


@pytest.fixture(scope="module")
def wordnet() -> Path:
    if not (FOLDER / "data.noun").is_file():
        pytest.skip("WordNet 3.0 is not here: install Debian's package wordnet-base")
    return FOLDER


@pytest.fixture(scope="module")
def files(wordnet: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in wordnet.iterdir() if file.is_file()}


@pytest.fixture(scope="module")
def synsets(files: dict[str, bytes]) -> list[Synset]:
    return wordnet_synsets(files, "wordnet")


@pytest.mark.slow
def test_wordnet_after_another_source_keeps_provenance_and_glosses(
    captionlake, spark: SparkSession, wordnet: Path, tmp_path: Path
):
    (tmp_path / "numbers.txt").write_text("1\n2\n")
    outcome = captionlake(
        "build-concept-bank",
        *("--sources", f"['lines:{tmp_path / 'numbers.txt'}', 'wordnet:{wordnet}']"),
        *("--output", tmp_path / "bank"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    bank = read_delta(spark, tmp_path / "bank")
    husky = bank.where("wnid = 'n02110185'").collect()
    assert [row.entry for row in husky] == ["Siberian husky"]
    assert husky[0].gloss.startswith("breed of sled dog developed in northeastern Siberia")
    assert {row["source"] for row in bank.select("source").distinct().collect()} == {
        str(wordnet),
        str(tmp_path / "numbers.txt"),
    }
    assert bank.count() == outcome.summary["counts"]["entries"] == 2 + 206_978


def test_the_names_are_as_many_as_metaclip_counts(synsets: list[Synset]):
    assert Counter(synset.wnid[0] for synset in synsets) == {
        **{"n": 82_115, "v": 13_767, "s": 10_693, "a": 7_463, "r": 3_621}
    }
    names = synset_names(synsets)
    assert len({*names, *map(str, range(100))}) == 86_654  # Xu et al. 2023, table 1
    assert len(names) == len(set(names))


def test_its_synsets_are_those_of_imagenet(synsets: list[Synset]):
    of_wordnet = {synset.wnid: synset for synset in synsets}
    for synset in imagenet_synsets("imagenet1k"):
        same = of_wordnet[synset.wnid]
        assert (same.lemmas, same.gloss, same.name) == (synset.lemmas, synset.gloss, synset.name)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": "x"}, "is no WordNet folder, it lacks data.adj, data.adv"),
        (None, "does not exist"),
        (dict.fromkeys(("data.adj", "index.adj"), "x"), "it lacks data.adv"),
    ],
)
def test_a_folder_without_wordnet_is_named(captionlake, tmp_path: Path, files, message):
    folder = tmp_path / "wn"
    for name, text in (files or {}).items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    outcome = captionlake(
        *("build-concept-bank", "--sources", f"wordnet:{folder}", "--output", tmp_path / "bank")
    )
    assert outcome.exit_code == 3
    assert str(folder) in outcome.error
    assert message in outcome.error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"rubbish", "data.noun is not of WordNet 3.0"),
        (b"  1 WordNet 3.0 Copyright\nrubbish\n", "cannot be read as WordNet"),
    ],
)
def test_files_of_another_kind_are_named(files: dict[str, bytes], content: bytes, message: str):
    with pytest.raises(InputDataError, match=message):
        wordnet_synsets(files | {"data.noun": content}, "wn")
