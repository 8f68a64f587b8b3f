"""Credentials hidden in whatever is written or printed: addresses, settings, messages."""

import logging
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, TypeVar

X = TypeVar("X")

HIDDEN = "***"
LONGEST_VALUE = 80  # characters of a value that an error line repeats
_LOOKED_AT = 4_000

# abfss://container@account...: what stands before the @ is no user.
_NO_USERS = {"abfs", "abfss", "wasb", "wasbs", "hdfs"}
_END = r"\s'\"<>"  # what ends an address in a line of text
# Each pattern looks at a text of any length once: none begins inside what it has looked at.
_SCHEME = r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,19})://"
_USER = re.compile(
    rf"{_SCHEME}"
    rf"([^{_END}/?#]+"
    rf"|[^{_END}/:?#@]+:(?!\d{{1,5}}/)(?:(?!://)[^{_END}?#])*)@"  # raw secrets hold slashes
)
_QUERY = re.compile(rf"({_SCHEME}(?:(?!://)[^{_END}?])*\?)([^{_END}]*[^{_END}:,;.)\]}}])")
_PARAMETER = re.compile(r"([^&=]+=)[^&]+")
_BARE_PARAMETER = re.compile(r"(?<![^&])[\w~%+-]{12,}(?![^&])")

# What services hand out as keys; each begins or looks like nothing else.
_TOKEN = re.compile(
    r"""\b(?:
      hf_[A-Za-z0-9]{30,}                                   # Hugging Face
    | gh[opsur]_[A-Za-z0-9]{30,} | github_pat_\w{20,} | glpat-[\w-]{16,}
    | (?:AKIA|ASIA)[A-Z0-9]{12,}                            # AWS, the key's id
    | AIza[\w-]{30,}                                        # Google
    | dapi[0-9a-f]{30,}(?:-\d+)?                            # Databricks
    | sk-(?=[a-z-]{0,40}[\dA-Z])[\w-]{30,} | xox[abprs]-[\w-]{10,}
    | (?<!-)eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?                  # JSON Web Tokens
    )
    | (?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==                 # Azure, a storage account's key
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)(\s+)(?=[^\s\d]*\d)[\w.~+/=-]{8,}")

# name=value, "name": "value"; behind a / it is a folder of a partition, whose name is needed.
_NAME = re.compile(r"(?<![\w/.-])([A-Za-z][\w.-]*)[\"']?\s*[=:]\s*[\"']?")
_VALUE = re.compile(r"[^\s\"'&,;(){}\[\]]*[^\s\"'&,;(){}\[\].:]")
# In quotes that are no apostrophes.
_LONG_VALUE = re.compile(
    r"(?<!\w)(?:'(?![^\s']*/[^\s']*')[^'\n]{81,}'|\"(?![^\s\"]*/[^\s\"]*\")[^\"\n]{81,}\")(?!\w)"
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CREDENTIALS = {
    *("token", "secret", "password", "passwd", "passphrase", "pwd", "credential", "credentials"),
    *("sas", "sig", "signature", "apikey", "authorization"),
}
_KINDS_OF_KEYS = {
    *("access", "secret", "api", "account", "private", "storage", "shared", "signing"),
    *("encryption", "auth", "master", "subscription"),
}


def names_credential(name: str) -> bool:
    """Whether a setting or parameter of this name holds a credential: `fs.s3a.secret.key`, `sig`.

    Words count, so `query_key` and `max_tokens` do not.
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if words == ["key"] or _CREDENTIALS & set(words):
        return True
    pairs = pairwise(words)
    return any(kind in _KINDS_OF_KEYS and word == "key" for kind, word in pairs)


def redacted(text: str) -> str:
    """The text with `***` for each credential in it; the same again where it is redacted already.

    Hidden are the user info and the parameters' values of URLs, values behind names of
    credentials, and what looks like a key that a service hands out.
    """
    text = _USER.sub(_without_user, text)
    text = _QUERY.sub(lambda url: url[1] + _without_values(url[3]), text)
    text = _TOKEN.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\1\2{HIDDEN}", text)
    return _without_named_values(text)


def redacted_values(value: Any, name: str = "") -> Any:
    """A value of JSON with all its texts redacted, keys too; under a credential's name all goes."""
    if isinstance(value, Mapping):
        return {
            redacted(str(key)): redacted_values(item, name if names_credential(name) else str(key))
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted_values(item, name) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if names_credential(name) and value != "":
        return HIDDEN
    return redacted(value) if isinstance(value, str) else value


def redacted_names(values: Mapping[str, X]) -> dict[str, X]:
    """The same values under redacted names, such as addresses."""
    return {redacted(name): value for name, value in values.items()}


def shown(value: object, name: str = "") -> str:
    """A value as an error line repeats it: quoted, redacted, at most 80 characters."""
    try:
        whole = repr(redacted_values(_start_of(value), name))
    except ValueError:  # of a number, which Python writes up to 4,300 digits
        return "a number of thousands of digits"
    return whole if len(whole) <= LONGEST_VALUE else f"{whole[: LONGEST_VALUE - 1]}…"


def _start_of(value: object) -> object:
    """What can be seen of a value, and a bit more, since what is behind is cut off."""
    return value[:_LOOKED_AT] if isinstance(value, str) else value


def with_short_values(text: str) -> str:
    """The text with quoted values cut to 80 characters; paths, which have no spaces, stay."""
    return _LONG_VALUE.sub(lambda value: f"{value[0][:LONGEST_VALUE]}…{value[0][-1]}", text)


class RedactingFormatter(logging.Formatter):
    """Lines of a log, traces included, without credentials."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, redacted."""
        return redacted(super().format(record))


def _without_user(found: re.Match[str]) -> str:
    is_no_user = found[1].lower() in _NO_USERS and ":" not in found[2]
    return found[0] if is_no_user else f"{found[1]}://{HIDDEN}@"


def _without_values(query: str) -> str:
    return _BARE_PARAMETER.sub(HIDDEN, _PARAMETER.sub(rf"\1{HIDDEN}", query))


def _without_named_values(text: str) -> str:
    parts, done = [], 0
    for name in _NAME.finditer(text):
        if name.start() < done or not _may_be_credential(name[1]):
            continue
        value = _VALUE.match(text, name.end(), name.end() + _LOOKED_AT)
        if value is not None and _is_value(name, value[0]):
            value = _VALUE.match(text, name.end()) or value
            parts += [text[done : name.end()], HIDDEN]
            done = value.end()
    return "".join([*parts, text[done:]])


def _may_be_credential(name: str) -> bool:
    return name.lower() != "key" and names_credential(name)  # "key=5 stands twice" is ours


def _is_value(name: re.Match[str], value: str) -> bool:
    """Whether a name with its separator, and a value, are no prose: `token: a word` is."""
    separator = name[0][len(name[1]) :]
    is_plain_colon = separator.strip() == ":"
    return not is_plain_colon or (len(value) >= 8 and re.search(r"\d", value) is not None)
