"""The presets of filters: DataComp's published runs, row by row, and how presets compose."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.concepts.first_synsets import (
    WORD_FILES,
    imagenet21k_wnids,
    words_with_first_synset_in,
)
from spark_jobs.concepts.wordnet import FILES
from spark_jobs.core.errors import InputDataError
from spark_jobs.filtering.checks import rule_faults
from spark_jobs.filtering.filter import apply_rules
from spark_jobs.filtering.presets import expanded, preset_names
from spark_jobs.filtering.rules import FirstSynset, InTable, TopFraction, rules_of_kind
from spark_jobs.filtering.top_fraction import top_fraction_bound
from spark_jobs.formats.datacomp_uids import refuse_other_uids, write_uids_of_rows
from spark_jobs.jobs.filter_captions import FilterCaptions
from udfs.nearest_centroids import nearest_centroids
from udfs.text.listed_words import has_listed_word
from udfs.text.listed_words import listed_words as of_words

WORDNET = Path("/usr/share/wordnet")
SCORES = {"l14": "clip_l14_similarity_score", "b32": "clip_b32_similarity_score"}


@pytest.fixture(scope="module")
def listed_words() -> list[str]:
    if not (WORDNET / "noun.exc").is_file():
        pytest.skip(f"no WordNet in {WORDNET}")
    files = {name: (WORDNET / name).read_bytes() for name in WORD_FILES}
    offsets = [int(wnid[1:]) for wnid in imagenet21k_wnids()]
    return words_with_first_synset_in(files, offsets, "wordnet")


@pytest.fixture(scope="module")
def pool(spark: SparkSession, cases: Path, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    """The rows of the case, with our names, `row` as the key, and whether they are near."""
    folder = cases / "datacomp_filters"
    centroids = np.load(folder / "input_centroids.npy", allow_pickle=False)
    target = np.load(folder / "input_target_embeddings.npy", allow_pickle=False)
    wanted = set(nearest_centroids(target.astype(np.float32), centroids)[0].tolist())
    parts = []
    languages = pq.read_table(folder / "input_language.parquet").to_pandas()
    for file in sorted((folder / "input_metadata").glob("*.parquet")):
        rows = pq.read_table(file).to_pandas().rename(columns={"text": "caption"})
        rows["row"] = [f"{file.stem}/{number}" for number in range(len(rows))]
        vectors = np.load(file.with_suffix(".npz"), allow_pickle=False)["l14_img"]
        cluster = nearest_centroids(vectors.astype(np.float32), centroids)[0]
        rows["near_target"] = [number in wanted for number in cluster.tolist()]
        of_file = languages[languages["file"].str.contains(file.stem)].sort_values("row")
        rows["fasttext"], rows["gcld3"] = of_file["fasttext"].values, of_file["gcld3"].values
        parts.append(pa.Table.from_pandas(rows))
    path = tmp_path_factory.mktemp("pool") / "pool.parquet"
    pq.write_table(pa.concat_tables(parts), path)
    return spark.read.parquet(str(path)).coalesce(1)


def rules_of_run(run: dict[str, Any]) -> list[Any]:
    score = {"score": SCORES[run.get("arch", "b32")]}
    fraction = {"fraction": run.get("fraction"), **score}
    of_threshold = {"preset": "datacomp_clip_threshold", "threshold": run.get("threshold"), **score}
    english, clusters = {"language": "fasttext"}, {"clusters": "clusters"}
    if run["name"] == "clip_score":
        by_share = {"preset": "datacomp_clip_score", **fraction}
        return [of_threshold if "threshold" in run else by_share]
    if run["name"] == "image_based_intersect_clip_score" and "threshold" in run:
        return [{"preset": "datacomp_image_based", **english, **clusters}, of_threshold]
    return [
        {
            "no_filter": "datacomp_none",
            "basic_filter": {"preset": "datacomp_basic", **english},
            "text_based": {"preset": "datacomp_text_based", "wordnet": "w", **english},
            "laion2b": {"preset": "laion2b", "language": "gcld3", **score},
            "image_based": {"preset": "datacomp_image_based", **english, **clusters},
            "image_based_intersect_clip_score": {
                "preset": "datacomp_image_based_clip_score", **english, **clusters, **fraction
            },
        }[run["name"]]
    ]  # fmt: skip


QUICK = {1, 2, 4, 7}


@pytest.mark.parametrize(
    "part",
    [QUICK, pytest.param({*range(33)} - QUICK, marks=pytest.mark.slow)],
    ids=["some", "rest"],
)
def test_the_published_runs(
    pool: DataFrame, cases: Path, listed_words: list[str], tmp_path: Path, part: set[int]
) -> None:
    folder = cases / "datacomp_filters"
    kept_rows = pq.read_table(folder / "expected_keep.parquet").to_pandas()
    kept_rows["row"] = (
        kept_rows["file"].str.removesuffix(".parquet") + "/" + kept_rows["row"].astype(str)
    )
    rows = pool.withColumnsRenamed({"original_width": "width", "original_height": "height"})
    clusters = pool.select("row", "near_target")
    for run in json.loads((folder / "expected_runs.json").read_text()):
        if run["run"] not in part or "error" in run:
            continue
        settings = FilterCaptions.model_validate(
            {"captions": "c", "output": "o", "rules": rules_of_run(run)}
        )
        rules = [
            rule.model_copy(update={"key": "row"}) if isinstance(rule, InTable) else rule
            for rule in settings.rules
        ]
        tables = dict.fromkeys(rules_of_kind(rules, InTable), clusters)
        assert rule_faults(rules, rows.schema, {k: t.schema for k, t in tables.items()}) == []
        bounds = {
            rule: top_fraction_bound(rows, rule.column, rule.top_fraction, rule.place)
            for rule in rules_of_kind(rules, TopFraction)
        }
        words = dict.fromkeys(rules_of_kind(rules, FirstSynset), listed_words)
        kept = apply_rules(rows, rules, bounds=bounds, tables=tables, words=words).kept()
        expected = set(kept_rows["row"][kept_rows[f"run{run['run']}"]])
        assert {row.row for row in kept.select("row").collect()} == expected, run
        if run["run"] in (1, 7, 17, 31):
            write_uids_of_rows(kept, str(tmp_path / "uids.npy"))
            content = (tmp_path / "uids.npy").read_bytes()
            assert hashlib.sha256(content).hexdigest() == run["npy_sha256"], run


def test_uids_of_other_pools_are_refused_if_they_are_kept(spark: SparkSession) -> None:
    for uid in ("ab" * 15, "ab" * 16 + "\n", "ab" * 17, None):
        rows = spark.createDataFrame([("ab" * 16,), (uid,)], "uid string")
        refuse_other_uids(rows, rows.where(F.col("uid") == "ab" * 16))
        with pytest.raises(InputDataError, match="is not 32 hex digits"):
            refuse_other_uids(rows, rows)


def test_long_captions(spark: SparkSession, cases: Path) -> None:
    folder = cases / "simcse_filter"
    rows = spark.read.parquet(str(folder / "input_captions.parquet"))
    settings = FilterCaptions.model_validate(
        {"captions": "c", "output": "o", "rules": "long_captions"}
    )
    kept = apply_rules(rows, settings.rules, bounds={}, tables={}, words={}).kept()
    expected = pq.read_table(folder / "expected.parquet").to_pylist()
    assert {row.caption_id for row in kept.collect()} == {
        row["caption_id"] for row in expected if row["keep"]
    }


def test_measures_of_made_up_texts_and_sides(spark: SparkSession) -> None:
    """Against Python itself: white space of all kinds, and sides that are not there."""
    draws = np.random.default_rng(5)
    letters = [
        *"ab \t\n\r\v\f\0",
        "\x1c",
        "\x85",
        "\xa0",
        "\u200b",
        "\u3000",
        "\u2029",
        "é",
        "\U0001f408",
    ]
    sides = [None, -1.0, 0.0, 1.0, 199.0, 200.0, 601.0, math.nan]
    rows: list[Any] = [(0, None, None, None)]
    for number in range(1, 500):
        text = "".join(letters[i] for i in draws.integers(0, len(letters), draws.integers(0, 9)))
        rows.append((number, text, *(sides[i] for i in draws.integers(0, len(sides), 2))))
    frame = spark.createDataFrame(
        rows, "uid int, caption string, width double, height double"
    ).coalesce(1)

    def tokens(text: str) -> int:
        plain = text
        for separator in "\t\n\r\v\f\0":
            plain = plain.replace(separator, " ")
        return len([word for word in plain.split(" ") if word]) + text.count("\n")

    def are_there(*sides: float | None) -> bool:
        return all(side is not None and not math.isnan(side) for side in sides)

    def ratio(width: float, height: float) -> bool:
        return min(width, height) > 0 and max(width, height) / min(width, height) <= 3.0

    expected = {
        "words > 2": lambda text, *_: text is not None and len(text.split()) > 2,
        "tokens > 1": lambda text, *_: text is not None and tokens(text) > 1,
        "characters >= 5": lambda text, *_: text is not None and len(text) >= 5,
        "shorter_side >= 200": lambda _, *ab: are_there(*ab) and min(ab) >= 200,
        "aspect_ratio <= 3.0": lambda _, *ab: are_there(*ab) and ratio(*ab),
    }
    for name, passes in expected.items():
        measure, op, value = name.split()
        rule = {"rule": "r", "measure": measure, "op": op, "value": json.loads(value)}
        settings = FilterCaptions.model_validate({"captions": "c", "output": "o", "rules": [rule]})
        assert rule_faults(settings.rules, frame.schema, {}) == []
        kept = apply_rules(frame, settings.rules, bounds={}, tables={}, words={}).kept()
        uids = {row.uid for row in kept.select("uid").collect()}
        assert uids == {uid for uid, *of_row in rows if passes(*of_row)}, name
        assert 20 < len(uids) < 480


def test_first_synsets_are_nltks(
    listed_words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample of forms, against what nltk's reader finds in the same files."""
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):  # type: ignore[misc]
        def map_wn(self, version: str = "wordnet") -> None:
            """Skip the map to other languages."""

    for name in (*WORD_FILES, *FILES):
        (tmp_path / name).write_bytes((WORDNET / name).read_bytes())
    (tmp_path / "lexnames").write_text("".join(f"{i:02} file{i:02} 0\n" for i in range(45)))
    monkeypatch.setattr("nltk.data.path", [str(tmp_path)])
    reader = Reader(str(tmp_path), None)
    wnids = {int(wnid[1:]) for wnid in imagenet21k_wnids()}
    draws = np.random.default_rng(6)
    lemmas = sorted(reader._lemma_pos_offset_map)
    sample = [lemmas[i] for i in draws.integers(0, len(lemmas), 4_000)]
    forms = [f"{word}{end}" for word in sample for end in ("", "s", "es", "ed", "ing", "er")]
    expected = {w for w in forms if (s := reader.synsets(w)) and s[0].offset() in wnids}
    assert set(forms) & set(listed_words) == expected


def test_a_word_of_a_list_in_any_case() -> None:
    words = of_words(["dog", "hot_dog", "kelvin"])
    texts = ["A DOG", "dog,", "hot dogs", "x\xa0Hot_Dog", "\u212aelvin", "dogs", "", None, "a\0dog"]
    assert has_listed_word(pa.array(texts), words).to_pylist() == [
        *(True, False, False, True, True, False, False, False, False)
    ]


def test_presets_compose() -> None:
    rules = expanded(
        [
            "long_captions",
            {"rule": "r", "any_of": [{"preset": "datacomp_clip_threshold", "threshold": 0.5}]},
            {"preset": "datacomp_image_based_clip_score", "clusters": "t", "fraction": 0.2},
            "datacomp_basic",
        ]
    )
    assert [rule["rule"] for rule in rules] == [
        *("long", "r", "english", "tokens", "characters", "near_target", "clip_score"),
        *("words", "shorter_side", "aspect_ratio"),
    ]
    assert rules[1]["any_of"][0]["value"] == 0.5
    laion = {"preset": "laion2b", "score": "b32"}
    [alternatives] = expanded([{"rule": "r", "any_of": ["datacomp_basic", laion]}])
    assert [(rule["rule"], len(rule["all_of"])) for rule in alternatives["any_of"]] == [
        *(("datacomp_basic", 5), ("laion2b", 2))
    ]
    named = expanded([laion, "datacomp_clip_score", "datacomp_clip_score", laion])
    assert [rule["rule"] for rule in named] == ["english", "clip_score", "clip_score_2"]
    assert len(preset_names()) == 9


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("datacomp_basics", "did you mean 'datacomp_basic'?: there are datacomp_basic, "),
        ("datacomp_clip_threshold", "needs threshold: write {preset: datacomp_clip_threshold, "),
        ([{"preset": "datacomp_basic", "lang": "x"}], "has no value 'lang'; it takes language"),
        ([{"preset": "datacomp_clip_score", "fraction": 1.5}], "less than or equal to 1"),
        ([{"rule": "r", "top_fraction": 0, "column": "c"}], "top_fraction 0 keeps nothing"),
    ],
)  # fmt: skip
def test_presets_that_cannot_be_held(rules: Any, message: str) -> None:
    with pytest.raises(ValueError, match=".") as fault:  # noqa: RUF043
        FilterCaptions.model_validate({"captions": "c", "output": "o", "rules": rules})
    assert message in str(fault.value)
