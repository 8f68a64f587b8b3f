"""Thrift's compact protocol, in which Parquet writes its footers and the headers of its pages."""

from typing import Any

BOOL_TRUE, BOOL_FALSE, I8, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_DOUBLE_BYTES = 8

Field = list[Any]  # [number, type, value]
Struct = list[Field]


class Reader:
    """Reads values from `content`, from `position` on, which moves behind them."""

    def __init__(self, content: memoryview, position: int = 0) -> None:
        self._content = content
        self.position = position

    def struct(self) -> Struct:
        """A struct as its fields in order; the value of a list is (type of its items, items)."""
        fields: Struct = []
        number = 0
        while header := self._byte():
            delta, type_ = header >> 4, header & 15
            number = number + delta if delta else _signed(self._varint())
            fields.append([number, type_, self._value(type_)])
        return fields

    def _value(self, type_: int) -> Any:
        if type_ in (BOOL_TRUE, BOOL_FALSE):
            return type_ == BOOL_TRUE  # said by the type, without a byte
        if type_ in (I16, I32, I64):
            return _signed(self._varint())
        if type_ == BINARY:
            return self._bytes(self._varint())
        if type_ == STRUCT:
            return self.struct()
        if type_ in (LIST, SET):
            header = self._byte()
            size = header >> 4 if header >> 4 < 15 else self._varint()
            item = header & 15
            if item in (BOOL_TRUE, BOOL_FALSE, I8):
                return item, [self._byte() for _ in range(size)]
            return item, [self._value(item) for _ in range(size)]
        if type_ == I8:
            return self._byte()
        if type_ == DOUBLE:
            return self._bytes(_DOUBLE_BYTES)
        raise ValueError(f"type {type_} of Thrift, which Parquet does not have")

    def _byte(self) -> int:
        self.position += 1
        return self._content[self.position - 1]

    def _bytes(self, size: int) -> bytes:
        self.position += size
        return bytes(self._content[self.position - size : self.position])

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7


def encoded(fields: Struct) -> bytes:
    """A struct, as `Reader.struct` gives it, in bytes."""
    content = bytearray()
    _write_struct(content, fields)
    return bytes(content)


def _write_struct(content: bytearray, fields: Struct) -> None:
    before = 0
    for number, type_, value in fields:
        if 0 < number - before < 16:
            content.append((number - before) << 4 | type_)
        else:
            content.append(type_)
            _write_varint(content, _zigzag(number))
        before = number
        if type_ not in (BOOL_TRUE, BOOL_FALSE):
            _write_value(content, type_, value)
    content.append(0)


def _write_value(content: bytearray, type_: int, value: Any) -> None:
    if type_ in (I16, I32, I64):
        _write_varint(content, _zigzag(value))
    elif type_ == BINARY:
        _write_varint(content, len(value))
        content += value
    elif type_ == STRUCT:
        _write_struct(content, value)
    elif type_ in (LIST, SET):
        item, items = value
        content.append(min(len(items), 15) << 4 | item)
        if len(items) >= 15:
            _write_varint(content, len(items))
        for each in items:
            if item in (BOOL_TRUE, BOOL_FALSE, I8):
                content.append(each)
            else:
                _write_value(content, item, each)
    elif type_ == I8:
        content.append(value)
    else:  # DOUBLE
        content += value


def _write_varint(content: bytearray, number: int) -> None:
    while number >= 128:
        content.append(number & 127 | 128)
        number >>= 7
    content.append(number)


def _signed(number: int) -> int:
    return (number >> 1) ^ -(number & 1)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1
