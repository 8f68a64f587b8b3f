"""Bad input: one line that names table, column, value and remedy; nothing half-written."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession

from tests.delta_tables import read_delta


def curate_arguments(captions: Path, bank: Path, out: Path) -> list[object]:
    return ["curate", captions, "--bank", bank, "--t", 5, "--output", out]


def test_missing_caption_column_names_the_columns_there_are(captionlake, tmp_path, bank_file):
    source, out = tmp_path / "x.parquet", tmp_path / "out"
    pq.write_table(pa.table({"txt": ["a"], "link": ["b"]}), source)
    outcome = captionlake(*curate_arguments(source, bank_file, out))
    assert outcome.exit_code == 3
    assert "no column 'caption'" in outcome.error
    assert "txt, link" in outcome.error
    assert "--columns" in outcome.error
    assert outcome.summary["status"] == "failed"
    assert not out.exists()


def test_mapped_column_that_is_absent_names_the_nearest(captionlake, captions_file, tmp_path):
    outcome = captionlake(
        *("ingest-captions", "--input", captions_file, "--output", tmp_path / "out"),
        *("--columns", "{caption: capton}"),
    )
    assert outcome.exit_code == 3
    assert "no column 'capton', did you mean 'caption'?" in outcome.error


def test_unknown_column_of_ours_is_a_settings_error(captionlake, captions_file, tmp_path):
    outcome = captionlake(
        *("ingest-captions", "--input", captions_file, "--output", tmp_path / "out"),
        *("--columns", "{captoin: caption}"),
    )
    assert outcome.exit_code == 2
    assert "'captoin' is none of ours, did you mean 'caption'?" in outcome.error


def test_caption_of_another_type_is_named(captionlake, captions_file, tmp_path):
    outcome = captionlake(
        *("ingest-captions", "--input", captions_file, "--output", tmp_path / "out"),
        *("--columns", "{caption: n}"),
    )
    assert outcome.exit_code == 3
    assert "column 'n' is bigint, expected string" in outcome.error
    assert not (tmp_path / "out").exists()


def test_table_with_a_column_of_another_type_is_named(captionlake, spark, tmp_path, bank_file):
    table = tmp_path / "captions"
    spark.createDataFrame([(1, "a cat")], "uid long, caption string").write.format("delta").save(
        str(table)
    )
    outcome = captionlake(
        *("match-concepts", "--captions", table, "--bank", bank_file),
        *("--output", tmp_path / "matches"),
    )
    assert outcome.exit_code == 3
    assert f"table {table}: column 'uid' is bigint, expected string" in outcome.error


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bank.json", "[]", "has no entries"),
        ("bank.txt", "", "no file with content lies there"),
        ("bank.json", '{"a": 1}', "language 'a': expected a JSON list of strings, found int"),
        ("bank.json", '["a", 3]', "element 1 is 3, expected a string"),
        ("bank.json", '["a",', "is no JSON"),
    ],
)
def test_bank_that_is_none(captionlake, tmp_path, name, content, message):
    captions, bank = tmp_path / "captions.parquet", tmp_path / name
    pq.write_table(pa.table({"uid": ["u1"], "caption": ["a cat"]}), captions)
    bank.write_text(content)
    outcome = captionlake(
        *("match-concepts", "--captions", captions, "--bank", bank),
        *("--output", tmp_path / "matches"),
    )
    assert outcome.exit_code == 3
    assert message in outcome.error
    assert str(bank) in outcome.error
    assert not (tmp_path / "matches").exists()


@pytest.mark.slow
def test_bank_table_with_holes_in_its_ids(captionlake, spark, captions_file, tmp_path):
    bank = tmp_path / "bank"
    spark.createDataFrame([(0, "cat"), (2, "dog")], "entry_id int, entry string").write.format(
        "delta"
    ).save(str(bank))
    outcome = captionlake(*curate_arguments(captions_file, bank, tmp_path / "out"))
    assert outcome.exit_code == 3
    assert "entry_id must be 0..1, each once; found 2 in place of 1" in outcome.error


def test_t_of_zero_unknown_keys_and_missing_ones_are_told_at_once(captionlake):
    outcome = captionlake("balance-captions", "--t", 0, "--set", "sed=3")
    assert outcome.exit_code == 2
    assert "setting 't' = 0: expected a number above 0" in outcome.error
    assert "unknown setting 'sed', did you mean 'seed'?" in outcome.error
    assert "setting 'captions' is missing" in outcome.error


def test_unknown_preset_names_the_nearest(captionlake, captions_file, tmp_path):
    outcome = captionlake(
        *("ingest-captions", "--input", captions_file, "--output", tmp_path / "out"),
        *("--preset", "laion400"),
    )
    assert outcome.exit_code == 2
    assert "unknown preset, did you mean 'laion400m'?" in outcome.error


def test_input_that_is_not_there(captionlake, tmp_path, bank_file):
    missing = tmp_path / "nowhere.parquet"
    outcome = captionlake(*curate_arguments(missing, bank_file, tmp_path / "out"))
    assert outcome.exit_code == 3
    assert outcome.error == f"error: {missing}: does not exist"


def test_file_that_is_no_parquet_is_named(captionlake, tmp_path, bank_file):
    fake = tmp_path / "fake.parquet"
    fake.write_text("this is text, not parquet, whatever its name says")
    outcome = captionlake(*curate_arguments(fake, bank_file, tmp_path / "out"))
    assert outcome.exit_code == 3
    assert "fake.parquet: cannot be read" in outcome.error
    assert not (tmp_path / "out/captions").exists()


def test_corrupt_page_inside_one_of_several_files_is_named(captionlake, tmp_path, bank_file):
    folder = tmp_path / "in"
    folder.mkdir()
    for k in range(3):
        captions = [f"caption {i} of file {k}" for i in range(20_000)]
        pq.write_table(pa.table({"caption": captions}), folder / f"part{k}.parquet")
    victim = folder / "part1.parquet"
    content = bytearray(victim.read_bytes())
    content[2_000:6_000] = bytes(b ^ 0xA5 for b in content[2_000:6_000])
    victim.write_bytes(content)
    outcome = captionlake(*curate_arguments(folder, bank_file, tmp_path / "out"))
    assert outcome.exit_code == 3
    assert "part1.parquet: cannot be read" in outcome.error
    assert not (tmp_path / "out/captions/_delta_log/00000000000000000000.json").exists()


def test_files_of_unclear_format_ask_for_it(captionlake, tmp_path, bank_file):
    (tmp_path / "captions.dat").write_text("a cat\n")
    arguments = curate_arguments(tmp_path / "captions.dat", bank_file, tmp_path / "out")
    outcome = captionlake(*arguments)
    assert outcome.exit_code == 2
    assert "--format parquet, jsonl, json, csv, tsv, lines" in outcome.error


def as_a_run_writes(frame: DataFrame) -> DataFrameWriter:
    return frame.write.format("delta").option("userMetadata", '{"run_id": "r1"}')


def test_output_with_other_columns_stays_as_it_was(captionlake, spark, captions_file, tmp_path):
    out = tmp_path / "out"
    as_a_run_writes(spark.createDataFrame([(1,)], "caption long")).save(str(out))
    outcome = captionlake("ingest-captions", "--input", captions_file, "--output", out)
    assert outcome.exit_code == 3
    assert "column 'caption' is bigint there, but would be string" in outcome.error
    assert "give another output or remove that table" in outcome.error
    assert [row.caption for row in read_delta(spark, out).collect()] == [1]


def test_output_folder_with_foreign_files_is_left_alone(captionlake, captions_file, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "letter.txt").write_text("dear diary")
    outcome = captionlake("ingest-captions", "--input", captions_file, "--output", out)
    assert outcome.exit_code == 3
    assert "holds files that are no Delta table" in outcome.error
    assert [p.name for p in out.iterdir()] == ["letter.txt"]


def test_output_that_is_also_an_input_is_refused(captionlake, captions_file):
    outcome = captionlake("ingest-captions", "--input", captions_file, "--output", captions_file)
    assert outcome.exit_code == 2
    assert "an output needs an address of its own" in outcome.error


def test_settings_file_that_is_none(captionlake, tmp_path):
    config = tmp_path / "settings.yml"
    config.write_text("- a\n- b\n")
    outcome = captionlake("dedup-captions", "--config", config)
    assert outcome.exit_code == 2
    assert "expected a map of settings, found list" in outcome.error


def test_yaml_cannot_make_objects(captionlake, tmp_path):
    config = tmp_path / "settings.yml"
    config.write_text("captions: !!python/object/apply:os.getcwd []\n")
    outcome = captionlake("dedup-captions", "--config", config)
    assert outcome.exit_code == 2
    assert "is no YAML" in outcome.error


def test_empty_input_gives_empty_tables(captionlake, spark: SparkSession, tmp_path, bank_file):
    source, out = tmp_path / "empty.parquet", tmp_path / "out"
    pq.write_table(pa.table({"caption": pa.array([], pa.string())}), source)
    outcome = captionlake(*curate_arguments(source, bank_file, out))
    assert outcome.exit_code == 0
    assert outcome.summary["counts"]["dedup-captions"]["matches"] == 0
    assert read_delta(spark, out / "balanced_captions").count() == 0
    report = (out / "report.html").read_text()
    assert "No entry of the bank occurs in these captions" in report
    assert "There are no captions" in report
    assert "<svg" not in report


def test_more_rejected_rows_than_allowed_end_with_code_4(captionlake, tmp_path):
    source = tmp_path / "some.jsonl"
    rows = [{"caption": "a"}, {"caption": None}, {"caption": "b"}]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["ingest-captions", "--input", source, "--output", tmp_path / "out"]
    outcome = captionlake(*arguments, "--max-rejected-fraction", 0.1)
    assert outcome.exit_code == 4
    assert "1 of 3 rows were rejected, more than max_rejected_fraction = 0.1" in outcome.error
    assert captionlake(*arguments).exit_code == 0


def test_a_second_output_with_other_columns_stops_the_first(
    captionlake, spark, bank_file, tmp_path
):
    table, counts = tmp_path / "captions", tmp_path / "counts"
    spark.createDataFrame([("u", "a cat")], "uid string, caption string").write.format(
        "delta"
    ).save(str(table))
    other = spark.createDataFrame([("x",)], "entry_id string")
    other.write.format("delta").save(str(counts))
    match = (
        *("match-concepts", "--captions", table, "--bank", bank_file),
        *("--output", tmp_path / "matches", "--entry-counts", counts),
    )
    outcome = captionlake(*match)
    assert outcome.exit_code == 3
    assert f"{counts} is a Delta table that no run of captionlake wrote" in outcome.error
    as_a_run_writes(other).mode("overwrite").save(str(counts))
    outcome = captionlake(*match)
    assert outcome.exit_code == 3
    assert "column 'entry_id' is string there, but would be int" in outcome.error
    assert not (tmp_path / "matches").exists()
