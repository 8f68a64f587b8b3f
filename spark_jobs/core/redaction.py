"""Hide credentials in what is written or printed: addresses, settings, messages."""

import logging
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, TypeVar

V = TypeVar("V")

HIDDEN = "***"
LONGEST_VALUE = 80  # characters of a value in an error line
_SCANNED_CHARACTERS = 4_000  # of a value

# abfss://container@account...: the part before the @ is a container, not a user.
_SCHEMES_WITHOUT_USER = {"abfs", "abfss", "wasb", "wasbs", "hdfs"}
_END = r"\s'\"<>"  # characters that end an address in a line of text
# All patterns take linear time: no match begins inside text that a failed match has scanned.
_SCHEME = r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,19})://"
_USER = re.compile(
    rf"{_SCHEME}"
    rf"([^{_END}/?#]+"
    rf"|[^{_END}/:?#@]+:(?!\d{{1,5}}/)(?:(?!://)[^{_END}?#])*)@"  # raw secrets may contain /
)
# What is left of such an address that was cut at a / of the secret; a port is none.
_CUT_USER = re.compile(rf"{_SCHEME}[^{_END}/:?#@\[]+:(?!\d{{1,5}}(?!\w)|\$)[^{_END}/?#@:]+")
_QUERY = re.compile(rf"({_SCHEME}(?:(?!://)[^{_END}?])*\?)([^{_END}]*[^{_END}:,;.)\]}}])")
_PARAMETER = re.compile(r"([^&=]+=)[^&]+")
_BARE_PARAMETER = re.compile(r"(?<![^&])[\w~%+-]{12,}(?![^&])")

# Keys issued by services, recognised by their prefix or form.
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

# name=value, "name": "value"; not after a /, where it is a partition folder whose name is needed.
_NAME = re.compile(r"(?<![\w/.-])([A-Za-z][\w.-]*)[\"']?\s*[=:]\s*[\"']?")
_VALUE = re.compile(r"[^\s\"'&,;(){}\[\]]*[^\s\"'&,;(){}\[\].:]")
# A long value in quotes; apostrophes inside words and quoted paths do not count.
_LONG_VALUE = re.compile(
    r"(?<!\w)(?:'(?![^\s']*/[^\s']*')[^'\n]{81,}'|\"(?![^\s\"]*/[^\s\"]*\")[^\"\n]{81,}\")(?!\w)"
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CREDENTIALS = {
    *("token", "secret", "password", "passwd", "passphrase", "pwd", "credential", "credentials"),
    *("sas", "sig", "signature", "apikey", "authorization"),
}
_KEY_KINDS = {
    *("access", "secret", "api", "account", "private", "storage", "shared", "signing"),
    *("encryption", "auth", "master", "subscription"),
}


def names_credential(name: str) -> bool:
    """Whether a setting or parameter of this name holds a credential: `fs.s3a.secret.key`, `sig`.

    Whole words are compared, so `query_key` and `max_tokens` are no credentials.
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if words == ["key"] or _CREDENTIALS & set(words):
        return True
    pairs = pairwise(words)
    return any(kind in _KEY_KINDS and word == "key" for kind, word in pairs)


def redacted(text: str) -> str:
    """The text with each credential replaced by `***`; idempotent.

    Hides user info and query values of URLs, values after names of credentials, and text in the
    form of a service's key.
    """
    text = _USER.sub(_without_user, text)
    text = _CUT_USER.sub(rf"\1://{HIDDEN}", text)
    text = _QUERY.sub(lambda url: url[1] + _without_values(url[3]), text)
    text = _TOKEN.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\1\2{HIDDEN}", text)
    return _without_named_values(text)


def redacted_values(value: Any, name: str = "") -> Any:
    """A JSON value with texts and keys redacted; `***` for any value under a credential's name."""
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


def redacted_names(values: Mapping[str, V]) -> dict[str, V]:
    """The same values with redacted keys, such as addresses."""
    return {redacted(name): value for name, value in values.items()}


def shown(value: object, name: str = "") -> str:
    """A value for an error line: quoted, redacted, at most 80 characters."""
    try:
        quoted = repr(redacted_values(_start_of(value), name))
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        return "a number of thousands of digits"
    return quoted if len(quoted) <= LONGEST_VALUE else f"{quoted[: LONGEST_VALUE - 1]}…"


def _start_of(value: object) -> object:
    """The start of a text: the part shown and enough after it for redaction."""
    return value[:_SCANNED_CHARACTERS] if isinstance(value, str) else value


def with_short_values(text: str) -> str:
    """The text with quoted values cut to 80 characters, except paths (`/` and no spaces)."""
    return _LONG_VALUE.sub(lambda value: f"{value[0][:LONGEST_VALUE]}…{value[0][-1]}", text)


class RedactingFormatter(logging.Formatter):
    """A log formatter that redacts whole records, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """The formatted record, redacted."""
        return redacted(super().format(record))


def _without_user(url: re.Match[str]) -> str:
    is_no_user = url[1].lower() in _SCHEMES_WITHOUT_USER and ":" not in url[2]
    return url[0] if is_no_user else f"{url[1]}://{HIDDEN}@"


def _without_values(query: str) -> str:
    return _BARE_PARAMETER.sub(HIDDEN, _PARAMETER.sub(rf"\1{HIDDEN}", query))


def _without_named_values(text: str) -> str:
    parts, end = [], 0
    for name in _NAME.finditer(text):
        if name.start() < end or not _may_be_credential(name[1]):
            continue
        value = _VALUE.match(text, name.end(), name.end() + _SCANNED_CHARACTERS)
        if value is not None and _is_value(name, value[0]):
            value = _VALUE.match(text, name.end()) or value
            parts += [text[end : name.end()], HIDDEN]
            end = value.end()
    return "".join([*parts, text[end:]])


def _may_be_credential(name: str) -> bool:
    return name.lower() != "key" and names_credential(
        name
    )  # our own messages say "key=5 stands twice"


def _is_value(name: re.Match[str], value: str) -> bool:
    """Whether name, separator and value are an assignment rather than prose (`token: a word`)."""
    separator = name[0][len(name[1]) :]
    is_plain_colon = separator.strip() == ":"
    return not is_plain_colon or (len(value) >= 8 and re.search(r"\d", value) is not None)
