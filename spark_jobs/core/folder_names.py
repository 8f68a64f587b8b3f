"""Names of folders for data: a data set's name becomes one part of a path, and no more."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

MOST_BYTES = 100
_DIGEST = 24  # hex digits, 96 bits
_JOINT = "~"  # in no name that stands as it is, so that no name is made twice
# Windows takes these for devices, whatever follows a dot.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])( *\..*)?", re.I)


def folder_names(data: Iterable[str]) -> dict[str, str]:
    """Datum -> the name of its folder, another one for each.

    A name of letters, digits, `_`, `-`, and spaces or dots inside stays as it is, unless it begins
    with `_`, is longer than 100 bytes, is none in NFC, or is a device's. Others keep what can stay,
    followed by `~` and a digest. Some disks take names that differ in case alone for one: of such
    only the one in lower case stays.
    """
    distinct = sorted(set(data))
    same = Counter(map(_caseless, distinct))
    return {
        datum: datum
        if _is_ordinary(datum) and (same[_caseless(datum)] == 1 or datum == _caseless(datum))
        else _with_digest(datum)
        for datum in distinct
    }


def _is_ordinary(datum: str) -> bool:
    return (
        all(_stays(char) for char in datum)
        and unicodedata.is_normalized("NFC", datum)
        and datum.strip(" .") == datum != ""
        and not datum.startswith("_")
        and len(datum.encode()) <= MOST_BYTES
        and _DEVICE.fullmatch(datum) is None
    )


def _stays(char: str) -> bool:
    """Whether a name may hold the character: letters, marks and numbers of any script, `_- .`."""
    return char in "_- ." or unicodedata.category(char)[0] in "LMN"


def _with_digest(datum: str) -> str:
    normal = unicodedata.normalize("NFC", datum).replace(".", "_")
    kept = "".join(char if _stays(char) else "_" for char in normal)
    room = MOST_BYTES - len(_JOINT) - _DIGEST
    short = kept.strip(" _").encode()[:room].decode(errors="ignore").rstrip(" ")
    digest = hashlib.sha256(datum.encode(errors="surrogatepass")).hexdigest()[:_DIGEST]
    return f"{short or 'unnamed'}{_JOINT}{digest}"


def _caseless(name: str) -> str:
    """The same for names that some file system takes for one."""
    decomposed = unicodedata.normalize("NFD", name)
    return unicodedata.normalize("NFC", decomposed.upper().casefold())
