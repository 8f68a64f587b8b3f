"""Read the files of a tar archive one at a time, in order; nothing is ever extracted.

Archives are untrusted: links, devices and names that lead out of a folder are refused, sizes are
limited, and an archive that ends early is told from one that is complete.
"""

import gzip
import tarfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal, NamedTuple

# Reasons why a member, or the rest of an archive, is not read.
NOT_REGULAR, UNSAFE_NAME = "no_regular_file", "unsafe_name"
CUT_OFF, BROKEN_TAR, MANY_MEMBERS = "tar_cut_off", "tar_broken", "tar_too_many_members"
MOST_MEMBERS = 10_000_000
_MOST_NAME_BYTES = 1 << 20  # of the extended headers that hold a long name
_BLOCK_BYTES = 1 << 18
# Fields of a header.
_NAME, _SIZE, _CHECKSUM, _TYPE, _PREFIX = (
    *(slice(0, 100), slice(124, 136), slice(148, 156), slice(156, 157), slice(345, 500)),
)
_LONG_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)


class BrokenTarError(ValueError):
    """An archive ends early or is damaged: what follows is not read. `reason` is the fault."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Member(NamedTuple):
    """A file of an archive. `content`: None if not wanted, or too large, or if `fault` says why."""

    name: str
    size: int
    content: bytes | None
    fault: str | None = None


def tar_members(stream: BinaryIO, most_bytes_of: Callable[[str], int]) -> Iterator[Member]:
    """The members but for folders, in order; content of up to `most_bytes_of(name)` bytes.

    Plain tar, or compressed by gzip. Raises BrokenTarError after the last member that
    is whole, and OSError if the stream itself cannot be read.
    """
    source = _Source(stream)
    try:
        yield from _members(source, most_bytes_of)
    except BrokenTarError:
        raise
    except GeneratorExit:
        raise
    except Exception as fault:  # hostile headers raise many types
        if source.fault is not None:
            raise source.fault from None
        is_end = isinstance(fault, EOFError | tarfile.ReadError)
        raise BrokenTarError(CUT_OFF if is_end and source.is_at_end else BROKEN_TAR) from None


def _members(source: "_Source", most_bytes_of: Callable[[str], int]) -> Iterator[Member]:
    archive = _Archive(fileobj=_unpacked(source), tarinfo=_Header, errors="backslashreplace")
    for number, header in enumerate(_headers(archive), 1):
        if number > MOST_MEMBERS:
            raise BrokenTarError(MANY_MEMBERS)
        if header.isdir():
            continue
        name = header.name.removeprefix("./")
        fault = _fault_of(header, name)
        is_read = fault is None and header.size <= most_bytes_of(name)
        content = archive.content_of(header) if is_read else None
        yield Member(name, header.size, content, fault)
    _refuse_unless_ended(archive)


def _unpacked(source: "_Source") -> Any:
    is_gzip = source.read(2) == b"\x1f\x8b"
    source.seek(0)
    return gzip.GzipFile(fileobj=source) if is_gzip else source


def _headers(archive: "_Archive") -> Iterator[tarfile.TarInfo]:
    last = -1
    while (header := archive.next()) is not None:
        if header.size < 0 or header.offset <= last:  # it would be read again and again
            raise BrokenTarError(BROKEN_TAR)
        last = header.offset
        archive.members.clear()  # else it keeps those of all members
        yield header


def _fault_of(header: tarfile.TarInfo, name: str) -> str | None:
    if not header.isreg() or header.issparse():
        return NOT_REGULAR
    return None if is_safe_name(name) else UNSAFE_NAME


def is_safe_name(name: str) -> bool:
    """Whether a member's name is a relative path that stays inside the folder it is put into."""
    parts = name.replace("\\", "/").split("/")
    is_drive = len(parts[0]) > 1 and parts[0][1] == ":"
    return bool(name) and "\0" not in name and parts[0] != "" and ".." not in parts and not is_drive


def _refuse_unless_ended(archive: "_Archive") -> None:
    """BrokenTarError unless the archive has its end, a block of zeros, and nothing behind it.

    tarfile takes an archive without one, or with a damaged header, to end there.
    """
    if archive.end != "zeros":
        raise BrokenTarError(BROKEN_TAR if archive.end == "damaged" else CUT_OFF)
    while block := archive.fileobj.read(_BLOCK_BYTES):
        if block.strip(b"\0"):
            raise BrokenTarError(BROKEN_TAR)


class _Archive(tarfile.TarFile):
    """An archive that knows how it ended: by zeros, by a damaged header, or not at all."""

    end: Literal["zeros", "damaged", "none"] = "none"
    members: list[tarfile.TarInfo]

    def content_of(self, header: tarfile.TarInfo) -> bytes:
        """The bytes of a regular file, which is the member last read; EOFError if it is cut off."""
        file = self.fileobj
        file.seek(header.offset_data)
        content: bytes = file.read(header.size)
        if len(content) < header.size:
            raise EOFError
        return content


class _Header(tarfile.TarInfo):
    """A header that tells its archive how it ended, and refuses names of many megabytes."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> "_Header":  # type: ignore[override]
        """As tarfile's, faster for plain files, of which owner, mode and date are not read."""
        size = _size_of_plain_file(buf)
        if size is None:
            return super().frombuf(buf, encoding, errors)
        header = cls()
        name, prefix = (buf[field].partition(b"\0")[0] for field in (_NAME, _PREFIX))
        header.name = (prefix + b"/" + name if prefix else name).decode(encoding, errors)
        header.size = size
        return header

    @classmethod
    def fromtarfile(cls, archive: _Archive) -> "_Header":  # type: ignore[override]
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            archive.end = "zeros"
            raise
        except tarfile.InvalidHeaderError:  # type: ignore[attr-defined]
            archive.end = "damaged"
            raise

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _LONG_HEADERS and self.size > _MOST_NAME_BYTES:
            raise BrokenTarError(BROKEN_TAR)
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


def _size_of_plain_file(block: bytes) -> int | None:
    """The size in a header of a regular file as all programs write it; None for other blocks."""
    if len(block) != tarfile.BLOCKSIZE or block[_TYPE] != tarfile.REGTYPE:
        return None
    size, checksum = (block[field].rstrip(b"\0 ").lstrip() for field in (_SIZE, _CHECKSUM))
    if not (size.isdigit() and checksum.isdigit()):
        return None
    # The sum of the bytes, that of the checksum's own field as if it were of spaces.
    total = sum(block.replace(b"\0", b"")) - sum(block[_CHECKSUM]) + 8 * ord(" ")
    try:
        return int(size, 8) if int(checksum, 8) == total else None
    except ValueError:  # 8 or 9 is no octal digit
        return None


class _Source:
    """A stream whose own faults, of disk or network, are told from those of its content."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.tell = stream.tell
        self.fault: OSError | None = None
        self.is_at_end = False

    def read(self, n: int = -1) -> bytes:
        """As of files; notes whether the end was met."""
        try:
            block = self._stream.read(n)
        except OSError as fault:
            self.fault = fault
            raise
        if len(block) < n:
            self.is_at_end = True
        return block

    def seek(self, position: int, whence: int = 0) -> int:
        """As of files."""
        try:
            return self._stream.seek(position, whence)
        except OSError as fault:
            self.fault = fault
            raise
