"""Files as others leave them: every row is taken, rejected by name, or refused with its file."""

import bz2
import gzip
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.core.errors import InputDataError, MissingColumnError, SettingsError

Take = Callable[..., Any]


def write_lines(path: Path, *records: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_folders_in_folders_are_read_and_name_columns(take: Take, tmp_path: Path):
    write_lines(tmp_path / "in/a.jsonl", {"caption": "top"})
    write_lines(tmp_path / "in/more/b.jsonl", {"caption": "below"})
    write_lines(tmp_path / "in/lang=de/year=20%2024/c.jsonl", {"caption": "hive"})
    write_lines(tmp_path / "in/lang=__HIVE_DEFAULT_PARTITION__/d.jsonl", {"caption": "none"})
    (tmp_path / "in/_SUCCESS").touch()
    taken = take(tmp_path / "in")
    got = {row["caption"]: (row["lang"], row["year"]) for row in taken.rows}
    assert got == {
        "top": (None, None),
        "below": (None, None),
        "hive": ("de", "20 24"),
        "none": (None, None),
    }


@pytest.mark.parametrize("form", ["parquet", "csv", "tsv", "txt", "json"])
def test_folder_columns_come_with_every_format(take: Take, tmp_path: Path, form: str):
    for lang in ("en", "zh cn"):
        folder = tmp_path / f"in/lang={lang}"
        folder.mkdir(parents=True)
        frame = pd.DataFrame({"caption": [f"a {lang} cat", f"a {lang} dog"]})
        file = folder / f"part [0].{form}"
        match form:
            case "parquet":
                frame.to_parquet(file)
            case "csv":
                frame.to_csv(file, index=False)
            case "tsv":
                frame.to_csv(file, index=False, sep="\t")
            case "json":
                frame.to_json(file, orient="records")
            case "txt":
                file.write_text("\n".join(frame["caption"]))
    taken = take(tmp_path / "in")
    assert sorted((row["lang"], row["caption"]) for row in taken.rows) == [
        ("en", "a en cat"),
        ("en", "a en dog"),
        ("zh cn", "a zh cn cat"),
        ("zh cn", "a zh cn dog"),
    ]


def test_a_column_of_the_files_stays_whatever_folders_are_called(take: Take, tmp_path: Path):
    (tmp_path / "lang=en").mkdir()
    pd.DataFrame({"caption": ["a"], "lang": ["xx"]}).to_parquet(tmp_path / "lang=en/0.parquet")
    taken = take(tmp_path)
    assert taken.rows[0]["lang"] == "xx"
    assert "folders called lang=... are no column where files have one" in taken.notes


def test_a_glob_reads_what_it_names_and_its_folders_name_columns(take: Take, tmp_path: Path):
    for lang in ("en", "de", "fr"):
        write_lines(tmp_path / f"in/lang={lang}/x.jsonl", {"caption": lang})
    taken = take(tmp_path / "in/lang={en,de}/*.jsonl")
    assert sorted((row["caption"], row["lang"]) for row in taken.rows) == [
        ("de", "de"),
        ("en", "en"),
    ]


@pytest.mark.parametrize(
    "name", ["caps [v1].jsonl", "a{b}.jsonl", "back\\slash.jsonl", "q?.jsonl", "sp %20 ü#&+.jsonl"]
)
def test_names_of_any_kind(take: Take, tmp_path: Path, name: str):
    write_lines(tmp_path / "in" / name, {"caption": "a cat"})
    assert take(tmp_path / "in").captions == ["a cat"]
    assert take(tmp_path / "in" / name).captions == ["a cat"]


def test_columns_of_some_files_alone_are_null_in_the_others(take: Take, tmp_path: Path):
    pq.write_table(pa.table({"caption": ["a"], "url": ["u1"]}), tmp_path / "0.parquet")
    table = {"score": [0.5], "url": ["u2"], "caption": ["b"], "similarity": [0.25]}
    pq.write_table(pa.table(table), tmp_path / "1.parquet")
    taken = take(tmp_path)
    got = {row["caption"]: (row["url"], row["similarity"], row["score"]) for row in taken.rows}
    assert got == {"a": ("u1", None, None), "b": ("u2", 0.25, 0.5)}


def test_types_of_several_files_are_united(take: Take, tmp_path: Path):
    parts = [
        {"n": pa.array([1], pa.int32()), "x": pa.array([1], pa.int64()), "t": pa.nulls(1)},
        {"n": pa.array([2**40]), "x": pa.array([0.5]), "t": pa.array(["text"])},
        {"n": pa.array([2**63], pa.uint64()), "x": pa.array([2], pa.int8())},
        {
            "n": pa.array([7], pa.uint32()),
            "x": pa.nulls(1),
            "t": pa.array(["é"]).dictionary_encode(),
        },
    ]
    for k, part in enumerate(parts):
        pq.write_table(pa.table({"caption": [f"c{k}"]} | part), tmp_path / f"{k}.parquet")
    taken = take(tmp_path)
    rows = {row["caption"]: row for row in taken.rows}
    assert f"'x' is bigint in {tmp_path}/0.parquet, double in {tmp_path}/1.parquet" in taken.notes
    assert f"{tmp_path}/2.parquet lacks 't': null there" in taken.notes
    assert [int(rows[f"c{k}"]["n"]) for k in range(4)] == [1, 2**40, 2**63, 7]
    assert [rows[f"c{k}"]["x"] for k in range(4)] == [1.0, 0.5, 2.0, None]
    assert [rows[f"c{k}"]["t"] for k in range(4)] == [None, "text", None, "é"]


def test_types_without_a_common_one_are_refused_with_file_and_column(take: Take, tmp_path: Path):
    pq.write_table(pa.table({"caption": ["a"], "tag": ["x"]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"caption": ["b"], "tag": [[1]]}), tmp_path / "1.parquet")
    with pytest.raises(InputDataError, match=r"'tag' is array<bigint> in .*1.parquet.*0.parquet"):
        take(tmp_path)
    assert take(tmp_path, carry=False).captions == ["a", "b"]


def test_a_file_that_calls_the_caption_otherwise_is_named(take: Take, tmp_path: Path):
    for form in ("parquet", "jsonl"):
        folder = tmp_path / form
        folder.mkdir()
        tables = [pd.DataFrame({"caption": ["a"]}), pd.DataFrame({"alt": ["b"], "n": [1]})]
        for k, table in enumerate(tables):
            if form == "parquet":
                table.to_parquet(folder / f"{k}.parquet")
            else:
                table.to_json(folder / f"{k}.jsonl", orient="records", lines=True)
        with pytest.raises(MissingColumnError, match=r"1\.\w+ has no column 'caption'.*alt, n"):
            take(folder)


def test_presets_find_other_names_file_by_file(take: Take, tmp_path: Path):
    for k, name in enumerate(("TEXT", "caption", "text")):
        pq.write_table(pa.table({"URL": [f"u{k}"], name: [f"c{k}"]}), tmp_path / f"{k}.parquet")
    taken = take(tmp_path, preset="laion400m")
    assert taken.captions == ["c0", "c1", "c2"]


def test_parquet_that_spark_does_not_read_is_read_all_the_same(take: Take, tmp_path: Path):
    instants = pd.Series(["2024-01-02 03:04:05.123456789"] * 2).astype("datetime64[ns]")
    table = pa.table(
        {
            "TEXT": ["a", "b"],
            "text": ["c", "d"],
            "at": pa.array(instants),
            "ids": pa.array([[2**63], []], pa.list_(pa.uint64())),
            "clock": pa.array([1, None], pa.time64("us")),
            "none": pa.nulls(2),
            "empty": pa.array([[], []], pa.list_(pa.null())),
            "dots": pa.array([{"a b": 1}, None], pa.struct([("a b", pa.int64())])),
        }
    )
    pq.write_table(table, tmp_path / "odd.parquet", compression="brotli")
    first = min(take(tmp_path, preset="laion400m").rows, key=lambda row: row["caption"])
    assert (first["caption"], first["text"], first["clock"]) == ("a", "c", "00:00:00.000001")
    assert (str(first["at"]), int(first["ids"][0])) == ("2024-01-02 03:04:05.123456", 2**63)
    assert (first["none"], first["empty"], first["dots"]) == (None, [], {"a_b": 1})


def test_instants_as_spark_and_pandas_write_them_stay_what_they_are(take: Take, tmp_path: Path):
    instants = [datetime(1971, 1, 2, tzinfo=UTC), datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)]
    for k, (name, is_old) in enumerate((("spark", True), ("pandas", False))):
        at = pa.array([instants[k]], pa.timestamp("us", "UTC"))
        table = pa.table({"caption": [name], "at": at})
        pq.write_table(table, tmp_path / f"{k}.parquet", use_deprecated_int96_timestamps=is_old)
    got = {row["caption"]: row["at"] for row in take(tmp_path).rows}
    assert str(got["spark"]).startswith("1971-01-02")
    assert got["pandas"].astimezone(UTC) == instants[1]


def test_two_columns_of_one_name_are_refused(take: Take, tmp_path: Path):
    (tmp_path / "x.csv").write_text("caption,n,n\na,1,2\n")
    with pytest.raises(InputDataError, match=r"x\.csv: two columns are called 'n'"):
        take(tmp_path)
    assert take(tmp_path, carry=False).captions == ["a"]
    (tmp_path / "x.csv").unlink()
    (tmp_path / "x.jsonl").write_text('{"caption": "a", "caption": "b"}\n{"caption": "c"}\n')
    taken = take(tmp_path)
    assert (taken.captions, taken.reasons) == (["c"], {"repeated_field": 1})


def test_a_caption_id_that_is_none_takes_no_others_place(take: Take, tmp_path: Path):
    lines = [("u", 1, "a"), ("u", None, "b"), ("u", 4294967296, "c"), ("u", 1.5, "d")]
    write_lines(
        tmp_path / "x.jsonl", *({"uid": u, "caption_id": i, "caption": c} for u, i, c in lines)
    )
    taken = take(tmp_path)
    assert {row["caption"]: row["caption_id"] for row in taken.rows} == {"a": 1, "b": 0}
    assert taken.reasons == {"invalid_caption_id": 2}


def test_a_field_is_of_one_type_in_all_files(take: Take, tmp_path: Path):
    write_lines(tmp_path / "a.jsonl", {"caption": "x", "url": "u", "id": 1, "m": {"b": 1, "a": 2}})
    write_lines(tmp_path / "b.jsonl", {"caption": "y", "id": "a7", "m": {"c": 1}})
    rows = {row["caption"]: row for row in take(tmp_path).rows}
    assert (rows["x"]["id"], rows["y"]["id"]) == ("1", "a7")
    assert list(rows["x"]["m"]) == ["a", "b", "c"]


def test_text_that_begins_like_another_format_is_text(take: Take, tmp_path: Path):
    texts = ["SQLite logo on a laptop", "PAR14 lamp", "BZh bus", "ARROW1 sign", "PK mask"]
    for k, text in enumerate(texts):
        (tmp_path / f"{k}.txt").write_text(f"{text}\n")
    assert take(tmp_path).captions == sorted(texts)


def test_shards_without_rows_say_nothing_of_columns(take: Take, tmp_path: Path):
    pd.DataFrame({"caption": []}).to_parquet(tmp_path / "0.parquet")  # floats, to pandas
    pd.DataFrame().to_parquet(tmp_path / "1.parquet")
    pd.DataFrame({"caption": ["a"]}, index=["row"]).to_parquet(tmp_path / "2.parquet")
    assert take(tmp_path).captions == ["a"]


@pytest.mark.parametrize("n_bytes", [0, 7, 300])
def test_a_cut_off_parquet_file_is_named(take: Take, tmp_path: Path, n_bytes: int):
    for k in range(2):
        pq.write_table(pa.table({"caption": ["a"]}), tmp_path / f"{k}.parquet")
    content = (tmp_path / "1.parquet").read_bytes()
    (tmp_path / "1.parquet").write_bytes(content[:n_bytes])
    with pytest.raises(InputDataError, match=rf"^{tmp_path}/1.parquet: cannot be read"):
        take(tmp_path)


def test_working_columns_may_be_input_columns(take: Take, tmp_path: Path):
    names = ["_fault", "_row", "_raw", "_rank", "_key", "_line", "_corrupt_record", "file", "line"]
    names += ["fault", "c0", "c1", "(key)", "a.b", "`x`", "count"]
    record = {"caption": "a", "url": "u"} | {name: f"of {name}" for name in names}
    write_lines(tmp_path / "x.jsonl", record, {"url": "v"} | dict.fromkeys(names, "y"))
    taken = take(tmp_path)
    assert taken.reasons == {"null_caption": 1}
    (row,) = taken.rows
    for name in names:
        assert row[name.replace("(", "_").replace(")", "_")] == f"of {name}"


def test_several_objects_on_a_line_and_what_is_left_over(take: Take, tmp_path: Path):
    (tmp_path / "x.jsonl").write_text('{"caption":"a"}{"caption":"b"} {"caption":"c"}\n{"caption":')
    taken = take(tmp_path)
    assert taken.captions == ["a", "b", "c"]
    assert taken.lines == ['{"caption":']


def test_what_is_no_text_is_no_caption(take: Take, tmp_path: Path):
    lines = [
        '{"caption": 5, "url": "u"}',
        '{"caption": ["a"], "url": "u"}',
        '{"caption": {"en": "a"}, "url": "u"}',
        '{"caption": true, "url": "u"}',
        '{"caption": NaN, "url": "u"}',
        '{"caption": "ok", "url": NaN}',
        '{"caption": "bad url", "url": 7}',
        '{"caption": "5", "url": "u"}',
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    taken = take(tmp_path)
    assert taken.captions == ["5", "ok"]
    assert taken.reasons == {"caption_not_text": 4, "null_caption": 1, "url_not_text": 1}
    assert {row["caption"]: row["url"] for row in taken.rows} == {"5": "u", "ok": None}


def test_numbers_that_are_no_width_become_null(take: Take, tmp_path: Path):
    widths = [
        "640",
        "640.0",
        "NaN",
        "5e9",
        "-Infinity",
        "4294967303",
        '"512"',
        '"x"',
        "0.5",
        "null",
    ]
    lines = [f'{{"caption": "c{k}", "width": {width}}}' for k, width in enumerate(widths)]
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    rows = {row["caption"]: row["width"] for row in take(tmp_path).rows}
    expected = [640, 640, None, None, None, None, 512, None, None, None]
    assert [rows[f"c{k}"] for k in range(len(widths))] == expected


def test_ids_of_any_size_stay_what_they_are(take: Take, tmp_path: Path):
    write_lines(
        tmp_path / "m/x.jsonl", {"caption": "a", "k": 2**53 + 1}, {"caption": "b", "k": 0.5}
    )
    assert {row["k"] for row in take(tmp_path / "m").rows} == {str(2**53 + 1), "0.5"}
    ids = [7, 2**63 + 5, 2**53 + 1]
    write_lines(tmp_path / "j/x.jsonl", *({"id": i, "caption": str(i)} for i in ids))
    pq.write_table(
        pa.table({"id": pa.array(ids, pa.uint64()), "caption": list(map(str, ids))}),
        tmp_path / "x.parquet",
    )
    for path in (tmp_path / "j", tmp_path / "x.parquet"):
        rows = take(path, columns={"uid": "id"}).rows
        assert sorted(row["uid"] for row in rows) == sorted(row["caption"] for row in rows)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, None])
@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "tsv", "txt"])
def test_compressed_files_and_byte_order_marks(take: Take, tmp_path: Path, pack: Any, form: str):
    text = {
        "json": '[{"caption": "a fox"}, {"caption": "an owl"}]',
        "jsonl": '{"caption": "a fox"}\n{"caption": "an owl"}\n',
        "csv": 'caption,n\n"a fox",1\r\nan owl,2',
        "tsv": "caption\tn\na fox\t1\nan owl\t2\n",
        "txt": "a fox\r\nan owl",
    }[form]
    content = b"\xef\xbb\xbf" + text.encode()
    end = {gzip.compress: ".gz", bz2.compress: ".bz2", None: ""}[pack]
    (tmp_path / f"x.{form}{end}").write_bytes(content if pack is None else pack(content))
    assert take(tmp_path).captions == ["a fox", "an owl"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", gzip.compress(b'{"caption": "a"}\n'), "compressed by gzip by its content"),
        ("x.csv", "caption\na\n".encode("utf-16"), "UTF-16 text by its content"),
        ("x.txt", "a cat\n".encode("utf-16"), "UTF-16 text by its content"),
        ("x.tsv", b"PAR1\x15...", "a parquet file by its content"),
        ("x.csv", b"PK\x03\x04....", "a zip archive"),
        ("x.jsonl.gz", gzip.compress(b'{"caption": "a"}\n' * 9_000)[:-30], "is cut off"),
        ("x.txt.gz", gzip.compress(bytes(range(97, 123)) * 9_000)[:-9], "is cut off"),
        ("x.csv.gz", gzip.compress(b"caption\n" + b"abc\n" * 90_000)[:-30], "is cut off"),
        ("x.json.gz", gzip.compress(json.dumps(["a cat"] * 9_000).encode())[:-9], "cut off"),
        ("x.csv.gz", b"caption\na cat\n", "is cut off, or not compressed as its name says"),
        ("x.txt.bz2", b"plain text", "is cut off, or not compressed as its name says"),
        ("x.json", b'{\n"caption": "a"\n}', "is no JSON list (found dict); expected a list of"),
        ("x.json", b'[{"caption": "a"}', "is no JSON list"),
        ("x.json", b"[" * 100_000, "is no JSON list"),
    ],
    ids=range(14),  # the bytes have the time in them
)
def test_files_that_are_not_what_they_are_called_are_named(
    take: Take, tmp_path: Path, name: str, content: bytes, message: str
):
    (tmp_path / "good.txt").write_text("a cat\n")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Exception, match=f"{tmp_path}/{name}: .*") as told:
        take(tmp_path / name)
    assert message in " ".join(str(told.value).split())


def test_json_lines_are_read_whatever_their_name(take: Take, tmp_path: Path):
    write_lines(tmp_path / "pandas.json", {"caption": "a"}, {"caption": "b"})
    (tmp_path / "pretty.jsonl").write_text(
        json.dumps([{"caption": "c"}, {"caption": "d"}], indent=1)
    )
    assert take(tmp_path / "pandas.json").captions == ["a", "b"]
    assert take(tmp_path / "pretty.jsonl").captions == ["c", "d"]
    assert take(tmp_path, format="json").captions == ["a", "b", "c", "d"]
    (tmp_path / "one.json").write_text('{"caption": "e"}')
    assert take(tmp_path / "one.json").captions == ["e"]


def test_headers_in_any_order_and_headers_again(take: Take, tmp_path: Path):
    (tmp_path / "0.tsv").write_text("caption\turl\na fox\tu1\ncaption\turl\nan owl\tu2\n")
    (tmp_path / "1.tsv").write_text("url\tcaption\tn\nu3\ta kite\t1\r\nu4\ta bridge\t2\r\n")
    taken = take(tmp_path)
    assert {row["caption"]: row["url"] for row in taken.rows} == {
        "a fox": "u1",
        "an owl": "u2",
        "a kite": "u3",
        "a bridge": "u4",
    }
    assert taken.reasons == {"header_again": 1}


def test_a_header_that_a_published_form_lacks_is_no_caption(take: Take, tmp_path: Path):
    (tmp_path / "0.tsv").write_text("url\tcaption\nu1\ta fox\n")
    (tmp_path / "1.tsv").write_text("u2\tan owl\n")
    assert take(tmp_path, preset="cc12m").captions == ["a fox", "an owl"]


def test_csv_of_several_headers_and_separators(take: Take, tmp_path: Path):
    pd.DataFrame({"caption": ["a, b", 'c "d"'], "n": [1, 2]}).to_csv(tmp_path / "0.csv")
    (tmp_path / "1.csv").write_bytes("url;caption\nu;ein Café\n".encode())
    (tmp_path / "2.csv").write_bytes(b'caption,url\r\n"one\r\ntwo",u1\r\nplain,u2\r\n')
    taken = take(tmp_path)
    assert taken.captions == ["a, b", 'c "d"', "ein Café", "one\r\ntwo", "plain"]
    assert "1.csv: fields are separated by ';', not ','" in taken.notes


def test_broken_records_of_csv_are_rejected_as_they_stand(take: Take, tmp_path: Path):
    (tmp_path / "x.csv").write_bytes(b'caption,n\n"open,1\na cat,2\nb\nc,\xff\n')
    taken = take(tmp_path)
    assert taken.captions == ["a cat"] or taken.captions == ["a cat", "c"]
    assert taken.reasons["wrong_quotes"] == taken.reasons["wrong_number_of_fields"] == 1
    assert '"open,1' in taken.lines


def test_ids_and_urls_that_are_no_utf8_are_rejected(take: Take, tmp_path: Path):
    table = {
        "uid": [b"u1", b"\x01\xff", b"u3"],
        "caption": ["a", "b", "c"],
        "url": [b"", b"", b"\xe9"],
    }
    pq.write_table(pa.table(table), tmp_path / "x.parquet")
    taken = take(tmp_path)
    assert (taken.captions, taken.reasons) == (["a"], {"invalid_utf8": 2})


def test_lines_of_cr_alone_are_lines(take: Take, tmp_path: Path):
    (tmp_path / "mac.txt").write_bytes(b"a cat\ra dog\r")
    (tmp_path / "unix.txt").write_bytes(b"a fox\nan owl\rwith a CR\n")
    assert take(tmp_path).captions == ["a cat", "a dog", "a fox", "an owl\rwith a CR"]


def test_text_that_is_no_utf8_is_rejected_byte_for_byte(take: Take, tmp_path: Path, spark):
    (tmp_path / "x.txt").write_bytes(b"caf\xe9\r\nplain\r\nna\xefve\xff")
    taken = take(tmp_path)
    assert taken.captions == ["plain"]
    assert taken.reasons == {"invalid_utf8": 2}


def test_what_is_left_unread_or_empty_is_said(take: Take, tmp_path: Path):
    write_lines(tmp_path / "0.jsonl", {"caption": "a"})
    (tmp_path / "1.jsonl").touch()
    (tmp_path / "entry_count.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "README.md").write_text("x")
    taken = take(tmp_path)
    assert taken.captions == ["a"]
    assert "left unread, since they hold no captions: README.md, entry_count.npy" in taken.notes
    assert "empty files, which hold no row: 1.jsonl" in taken.notes


def test_a_snapshot_of_hugging_face_is_its_data(take: Take, tmp_path: Path):
    (tmp_path / "data").mkdir()
    pd.DataFrame({"caption": ["a"]}).to_parquet(tmp_path / "data/train-0.parquet")
    (tmp_path / "dataset_infos.json").write_text("{}")
    (tmp_path / "other.json").write_text("{}")
    taken = take(tmp_path, format="parquet")
    assert taken.captions == ["a"]
    assert "not of the format parquet: other.json" in taken.notes
    (tmp_path / "other.json").unlink()
    assert take(tmp_path).captions == ["a"]


def test_a_colon_in_a_name_is_told(take: Take, tmp_path: Path):
    write_lines(tmp_path / "12:30.jsonl", {"caption": "a"})
    with pytest.raises(InputDataError, match=r"12:30\.jsonl: Spark reads no file with a colon"):
        take(tmp_path)


def test_img2datasets_folder_is_its_parquet_files(take: Take, tmp_path: Path):
    pd.DataFrame({"caption": ["a"], "key": ["0"]}).to_parquet(tmp_path / "00000.parquet")
    (tmp_path / "00000_stats.json").write_text("{}")
    (tmp_path / "00000.tar").write_bytes(b"tar")
    assert take(tmp_path).captions == ["a"]


def test_files_of_several_formats_ask_for_one(take: Take, tmp_path: Path):
    write_lines(tmp_path / "0.jsonl", {"caption": "a"})
    (tmp_path / "1.xlsx").write_bytes(b"x")
    with pytest.raises(SettingsError, match=r"files end in \.jsonl, \.xlsx; give --format"):
        take(tmp_path)


def test_records_that_cannot_be_read_are_rejected_though_no_column_is_known(
    take: Take, tmp_path: Path
):
    (tmp_path / "x.jsonl").write_text("{\n]\n")
    assert take(tmp_path).reasons == {"corrupt_json": 2}


def test_mixed_values_of_a_carried_field_are_text(take: Take, tmp_path: Path):
    values = [1, "x", None, [1], {"a": 1}, True, 0.5]
    write_lines(tmp_path / "x.jsonl", *({"caption": f"c{k}", "v": v} for k, v in enumerate(values)))
    taken = take(tmp_path)
    rows = {row["caption"]: row["v"] for row in taken.rows}
    kinds = "booleans and lists and numbers and objects and strings"
    assert f"field 'v' holds {kinds}: taken as text" in taken.notes
    expected = ["1", "x", None, "[1]", '{"a": 1}', "true", "0.5"]
    assert [rows[f"c{k}"] for k in range(len(values))] == expected


def test_random_tables_come_back_from_every_format(take: Take, tmp_path: Path):
    draws = random.Random(3)
    alphabet = [
        "a",
        " ",
        "é",
        "猫",
        '"',
        ",",
        "\\",
        "'",
        "{",
        "\u2028",
        "😀",
        "\x00",
        "\r",
        "=",
        ";",
    ]
    # pandas leaves a CR unquoted, which at the end of a line would be part of CR LF.
    captions = sorted({"".join(draws.choices(alphabet, k=12)) + "." for _ in range(400)})
    frame = pd.DataFrame({"n": range(len(captions)), "caption": captions})
    frame.to_parquet(tmp_path / "x.parquet")
    frame.to_json(tmp_path / "x.jsonl", orient="records", lines=True)
    frame.to_json(tmp_path / "x.json", orient="records", force_ascii=False)
    frame.to_csv(tmp_path / "x.csv", index=False)
    for form in ("parquet", "jsonl", "json", "csv"):
        taken = take(tmp_path / f"x.{form}")
        assert taken.captions == captions, form
        assert {row["caption"]: int(row["n"]) for row in taken.rows} == {
            caption: n for n, caption in enumerate(captions)
        }
