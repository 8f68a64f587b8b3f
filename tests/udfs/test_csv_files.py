"""CSV as RFC 4180 has it, byte for byte, with what is broken told apart from what is not."""

import csv
import io
import random

from udfs.csv_files import WRONG_QUOTES, csv_records, header_names

PIECES = ["a", "b c", ",", '"', "\n", "\r\n", "\r", "é", "\x00", ";", " ", "\t", "猫", ""]


def read(content: bytes, separator: str = ",") -> list[list[str]]:
    records = list(csv_records(io.BytesIO(content), separator))
    assert all(record.fault is None for record in records)
    return [[f.encode("latin-1").decode() for f in record.fields] for record in records]


def test_what_pythons_writer_writes_comes_back_whole():
    draws = random.Random(0)
    for separator in (",", "\t", ";"):
        # Before LF Python leaves a CR unquoted, which then cannot be told from CR LF.
        for end, quoting in (("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)):
            rows = [
                ["".join(draws.choices(PIECES, k=draws.randint(1, 6))) for _ in range(3)]
                for _ in range(500)
            ]
            text = io.StringIO(newline="")
            writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
            writer.writerows(rows)
            assert read(text.getvalue().encode(), separator) == rows


def test_bytes_that_are_no_utf8_come_out_as_they_went_in():
    (record,) = csv_records(io.BytesIO(b'"caf\xe9 ""x""",\xff'), ",")
    assert [field.encode("latin-1") for field in record.fields] == [b'caf\xe9 "x"', b"\xff"]


def test_a_stray_quote_takes_its_own_line_alone():
    content = b'a,b\n"un closed,1\n2,3\n"x"y,4\n5,6\n"late, but "" open'
    records = list(csv_records(io.BytesIO(content), ","))
    assert [(record.text, record.fault) for record in records] == [
        ("a,b", None),
        ('"un closed,1', WRONG_QUOTES),
        ("2,3", None),
        ('"x"y,4', WRONG_QUOTES),
        ("5,6", None),
        ('"late, but "" open', WRONG_QUOTES),
    ]


def test_blank_lines_are_no_records_and_quotes_inside_a_field_are_text():
    assert read(b'a,b\n\n\r\n1,5" tile\n"",\n') == [["a", "b"], ["1", '5" tile'], ["", ""]]


def test_a_cr_ends_records_only_where_no_lf_does():
    assert read(b"a,b\n1\r2,3\r\n\r,4\n") == [["a", "b"], ["1\r2", "3"], ["\r", "4"]]
    assert read(b'a,b\r1,2\r"x",3') == [["a", "b"], ["1", "2"], ["x", "3"]]


def test_a_header_is_read_behind_a_byte_order_mark():
    assert header_names(b'\xef\xbb\xbfcaption,"my url"\nx,y\n', ",") == ["caption", "my url"]
    assert header_names(b"", ",") == []
    quoted = b'\xef\xbb\xbf"long\nname",caption\nx,y\n'
    assert header_names(quoted, ",") == ["long\nname", "caption"]
    assert read(quoted) == [["long\nname", "caption"], ["x", "y"]]
