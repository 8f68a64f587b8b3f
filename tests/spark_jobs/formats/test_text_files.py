"""Notes on text files that look like tables."""

from spark_jobs.formats.text_files import notes_on_tabs


def test_the_first_text_file_with_tabs_is_named() -> None:
    table = b"\xef\xbb\xbfurl\tcaption\r\nhttps://a\ta cat\r\n"
    assert notes_on_tabs({"/in/a.txt": b"a cat\na\tdog\n"}) == []
    (note,) = notes_on_tabs({"/in/c.txt": table, "/in/b.txt": table, "/in/a.txt": b"a cat\n"})
    assert note.startswith("b.txt and 1 more: the first line has tabs")
