"""Checksums of the pages of Parquet files, which pyarrow 14 neither writes nor verifies.

A page's header has its checksum as an optional field, so each header grows by some bytes, and the
footer names new offsets and sizes. What pyarrow writes between columns, a copy of their metadata
that no reader looks for, is left out.
"""

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from udfs.thrift_compact import BINARY, I32, LIST, STRUCT, Reader, Struct, encoded

_MAGIC = b"PAR1"
_TAIL = 8  # bytes behind the footer: its length and the magic number
# Numbers of fields in Parquet's structs.
_COMPRESSED_PAGE_SIZE, _CRC = 3, 4
_ROW_GROUPS, _KEY_VALUES = 4, 5
_COLUMNS, _TOTAL_BYTE_SIZE, _GROUP_OFFSET, _GROUP_COMPRESSED = 1, 2, 5, 6
_CHUNK_OFFSET, _META_DATA = 2, 3
_UNCOMPRESSED, _COMPRESSED, _DATA_PAGE, _DICTIONARY_PAGE = 6, 7, 9, 11


def with_page_checksums(
    file: memoryview, metadata: Mapping[str, str] | None = None
) -> list[bytes | memoryview]:
    """The pieces, to be written one behind the other, of the file with checksums of its pages.

    `file`: as pyarrow writes it, without page indices, and without row groups of no rows.
    `metadata`: of the file, in place of what it has.
    """
    file = file.cast("B")
    footer_start = len(file) - _TAIL - int.from_bytes(file[-_TAIL:-4], "little")
    footer = Reader(file, footer_start).struct()
    pieces: list[bytes | memoryview] = [_MAGIC]
    position = len(_MAGIC)
    for group in _value(footer, _ROW_GROUPS)[1]:
        group_start, added_to_group = position, 0
        for column in _value(group, _COLUMNS)[1]:
            meta_data = _value(column, _META_DATA)
            start = _value(meta_data, _DICTIONARY_PAGE) or _value(meta_data, _DATA_PAGE)
            size = _value(meta_data, _COMPRESSED)
            new_starts, chunk_start = {}, position
            for page_start, data_start, page_end, header in _pages(file, start, start + size):
                data = file[data_start:page_end]
                with_crc = _with_crc(header, zlib.crc32(data))
                pieces += [with_crc, data]
                new_starts[page_start] = position
                position += len(with_crc) + len(data)
            added = position - chunk_start - size
            for number in (_DATA_PAGE, _DICTIONARY_PAGE):
                _change(meta_data, number, lambda offset, new=new_starts: new[offset])
            for number in (_UNCOMPRESSED, _COMPRESSED):
                _change(meta_data, number, lambda total, more=added: total + more)
            _change(column, _CHUNK_OFFSET, lambda _: 0)
            added_to_group += added
        for number in (_TOTAL_BYTE_SIZE, _GROUP_COMPRESSED):
            _change(group, number, lambda total, more=added_to_group: total + more)
        _change(group, _GROUP_OFFSET, lambda _, new=group_start: new)
    if metadata:
        footer = _with(footer, _KEY_VALUES, LIST, (STRUCT, [*map(_key_value, metadata.items())]))
    new_footer = encoded(footer)
    return [*pieces, new_footer, len(new_footer).to_bytes(4, "little"), _MAGIC]


def has_sound_pages(file: memoryview, start: int, end: int) -> bool:
    """Whether the pages of a column chunk are as their checksums say, those that have one.

    Raises ValueError or IndexError if a header cannot be read.
    """
    return all(
        (crc := _value(header, _CRC)) is None
        or zlib.crc32(file[data_start:page_end]) == crc & 0xFFFFFFFF
        for _, data_start, page_end, header in _pages(file, start, end)
    )


def _pages(file: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int, Struct]]:
    """(start, start of its data, end, header) of each page of a column chunk."""
    while start < end:
        reader = Reader(file, start)
        header = reader.struct()
        size = _value(header, _COMPRESSED_PAGE_SIZE)
        if size is None or size < 0:
            raise ValueError("a page has no size")
        page_end = reader.position + size
        yield start, reader.position, page_end, header
        start = page_end


def _with_crc(header: Struct, crc: int) -> bytes:
    signed = crc - (1 << 32) if crc >> 31 else crc
    return encoded(_with(header, _CRC, I32, signed))


def _key_value(item: tuple[str, str]) -> Struct:
    return [[number, BINARY, text.encode()] for number, text in enumerate(item, 1)]


def _with(fields: Struct, number: int, type_: int, value: Any) -> Struct:
    others = [field for field in fields if field[0] != number]
    return sorted([*others, [number, type_, value]], key=lambda field: field[0])


def _value(fields: Struct, number: int) -> Any:
    return next((field[2] for field in fields if field[0] == number), None)


def _change(fields: Struct, number: int, change: Any) -> None:
    for field in fields:
        if field[0] == number:
            field[2] = change(field[2])
