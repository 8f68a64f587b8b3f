"""Folder names for arbitrary strings, such as data set names: safe as one part of a path."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

MAX_BYTES = 100
_DIGEST_LENGTH = 24  # hex digits, 96 bits
# Before the digest. No unchanged name contains it, so no two strings get the same name.
_SEPARATOR = "~"
# Reserved device names on Windows, also with an extension.
_DEVICE_NAME = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])( *\..*)?", re.I)


def folder_names(strings: Iterable[str]) -> dict[str, str]:
    """String -> folder name; different strings get different names.

    A string of letters, digits, `_`, `-`, and inner spaces or dots is its own name, unless it
    begins with `_`, has more than 100 bytes, is not in NFC, or is a device name. Any other becomes
    its safe characters, `~` and a digest. Of strings that differ in case only, which a
    case-insensitive file system would confuse, only the lower-case one is its own name.
    """
    distinct = sorted(set(strings))
    n_by_caseless = Counter(map(_caseless, distinct))
    return {
        text: text
        if _is_safe(text) and (n_by_caseless[_caseless(text)] == 1 or text == _caseless(text))
        else _name_with_digest(text)
        for text in distinct
    }


def _is_safe(text: str) -> bool:
    return (
        all(_is_safe_character(char) for char in text)
        and unicodedata.is_normalized("NFC", text)
        and text.strip(" .") == text != ""
        and not text.startswith("_")
        and len(text.encode()) <= MAX_BYTES
        and _DEVICE_NAME.fullmatch(text) is None
    )


def _is_safe_character(char: str) -> bool:
    """Whether it is a letter, mark or number of any script, or one of `_- .`."""
    return char in "_- ." or unicodedata.category(char)[0] in "LMN"


def _name_with_digest(text: str) -> str:
    without_dots = unicodedata.normalize("NFC", text).replace(".", "_")
    safe = "".join(char if _is_safe_character(char) else "_" for char in without_dots)
    max_bytes = MAX_BYTES - len(_SEPARATOR) - _DIGEST_LENGTH
    shortened = safe.strip(" _").encode()[:max_bytes].decode(errors="ignore").rstrip(" ")
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
    return f"{shortened or 'unnamed'}{_SEPARATOR}{digest}"


def _caseless(name: str) -> str:
    """Equal for names that some file system treats as the same."""
    decomposed = unicodedata.normalize("NFD", name)
    return unicodedata.normalize("NFC", decomposed.upper().casefold())
