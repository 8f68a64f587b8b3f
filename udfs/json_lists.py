"""Read the items of a JSON list one by one, so that memory does not grow with the list."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain

MOST_VALUE_CHARACTERS = 64 << 20  # of one item
_BLOCK = 1 << 20
# How far before the end of an incomplete text a fault may lie that more text would remove: an
# escaped pair of surrogates has 12 characters.
_FAULT_MARGIN = 32
_GAP = re.compile(r"[ \t\n\r]*")


def list_items(blocks: Iterable[bytes], decoder: json.JSONDecoder) -> Iterator[object]:
    """The items of the list that the blocks of UTF-8 hold, as `decoder` has them.

    Bytes that are not UTF-8 are read as lone surrogates. Raises ValueError, with the message that
    the decoder has for the whole text, RecursionError if an item nests too deep, and NoListError if
    the text is another value. The items before a fault come first.
    """
    text = _Text(blocks)
    text.skip_gap()
    if text.peek() != "[":
        other = text.value(decoder)
        text.refuse_more()
        raise NoListError(type(other).__name__)
    text.skip(1)
    if text.peek() != "]":
        yield text.value(decoder)
        while text.peek() == ",":
            text.skip(1)
            yield text.value(decoder)
    if text.peek() != "]":
        raise text.fault("Expecting ',' delimiter", text.start)
    text.skip(1)
    text.refuse_more()


class NoListError(ValueError):
    """JSON that is no list; the message is the Python type of the value."""


class _Text:
    """Text that is read as it is needed; `start` is where the next token stands in what is held."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        ends = chain(((block, False) for block in blocks), [(b"", True)])
        self._blocks = (decode(block, is_last) for block, is_last in ends)
        self._held, self.start, self._is_whole = "", 0, False
        self._characters_before = self._lines_before = 0  # of what is held no more
        self._last_line_start = 0
        self._read(1)
        self._held = self._held.removeprefix("\ufeff")

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self._held[self.start : self.start + 1]

    def skip(self, n: int) -> None:
        """Go on behind n characters and the gap that follows them."""
        self.start += n
        self.skip_gap()

    def skip_gap(self) -> None:
        """Go on to the next character that is no white space."""
        while True:
            self.start = _end_of_gap(self._held, self.start)
            if self.start < len(self._held) or self._is_whole:
                return
            self._read(_BLOCK)

    def value(self, decoder: json.JSONDecoder) -> object:
        """Read a value and the gap behind it.

        A value at the end of an incomplete text may be the beginning of a longer one, as 1 is of
        1.5, so it is read again with more text.
        """
        while True:
            try:
                value, end = decoder.raw_decode(self._held, self.start)
            except json.JSONDecodeError as fault:
                if self._is_whole or self._is_final(fault):
                    raise self.fault(fault.msg, fault.pos) from None
            else:
                if self._is_whole or self._is_complete(_end_of_gap(self._held, end)):
                    self.skip(end - self.start)
                    return value
            self._read(max(_BLOCK, len(self._held) - self.start))

    def refuse_more(self) -> None:
        """Raise ValueError unless the text ends here."""
        if self.peek():
            raise self.fault("Extra data", self.start)

    def fault(self, message: str, position: int) -> ValueError:
        """The error of a place in what is held, by its line, column and place in the whole text."""
        line_start = self._held.rfind("\n", 0, position) + 1
        line = self._lines_before + self._held.count("\n", 0, position) + 1
        place = self._characters_before + position
        column = position - line_start + 1 if line_start else place - self._last_line_start + 1
        return ValueError(f"{message}: line {line} column {column} (char {place})")

    def _is_complete(self, next_token: int) -> bool:
        """Whether more text would leave a value, behind which a token stands there, as it is."""
        is_delimited = self._held[next_token : next_token + 1] in (",", "]")
        return is_delimited or next_token + _FAULT_MARGIN < len(self._held)

    def _is_final(self, fault: json.JSONDecodeError) -> bool:
        """Whether more text would leave a fault as it is."""
        is_open = fault.msg.startswith("Unterminated string")
        return not is_open and fault.pos + _FAULT_MARGIN < len(self._held)

    def _read(self, n: int) -> None:
        """Hold at least n characters more, unless the text ends, and none before `start`."""
        if len(self._held) - self.start > MOST_VALUE_CHARACTERS:
            most = f"{MOST_VALUE_CHARACTERS:,} characters"
            raise self.fault(f"a value of more than {most}, the most of one item", self.start)
        if line_start := self._held.rfind("\n", 0, self.start) + 1:
            self._last_line_start = self._characters_before + line_start
        self._lines_before += self._held.count("\n", 0, self.start)
        self._characters_before += self.start
        parts, n_read = [self._held[self.start :]], 0
        while n_read < n and not self._is_whole:
            part = next(self._blocks, None)
            self._is_whole = part is None
            parts.append(part or "")
            n_read += len(parts[-1])
        self._held, self.start = "".join(parts), 0


def _end_of_gap(text: str, start: int) -> int:
    gap = _GAP.match(text, start)
    return start if gap is None else gap.end()
