"""Concept banks by name, `imagenet22k` or `wordnet:FOLDER`, besides tables and files."""

import difflib
import importlib.metadata
import os

from spark_jobs.core.addresses import absolute_address

PACKAGED = ("imagenet1k", "imagenet22k")  # come with the package timm, so without a path
FROM_FILE = ("metaclip_json", "lines", "json_lines")
FROM_FOLDER = ("wordnet", "wordnet_names")
_KINDS = (*PACKAGED, *FROM_FILE, *FROM_FOLDER)
_KINDS_WITH_PATHS = (
    *PACKAGED,
    *(f"{kind}:FOLDER" for kind in FROM_FOLDER),
    *(f"{kind}:FILE" for kind in FROM_FILE),
)
BANK_HELP = (
    "concept bank: a table, a metadata.json, .jsonl or .txt file, or by name: imagenet1k, "
    "imagenet22k, wordnet:FOLDER, wordnet_names:FOLDER"
)


def is_named_bank(text: str) -> bool:
    """Whether a text names a bank by its kind, rather than a table or file."""
    kind, _, path = text.partition(":")
    return text in PACKAGED or (kind in (*FROM_FILE, *FROM_FOLDER) and path != "")


def absolute_bank(text: str) -> str:
    """The bank with its path made absolute; of a kind without a path the kind."""
    if not is_named_bank(text):
        return absolute_address(text)
    kind, _, path = text.partition(":")
    return f"{kind}:{absolute_address(path)}" if path else kind


def bank_path(bank: str) -> str | None:
    """The address of a bank's table, file or folder; None for a bank of a package."""
    if bank in PACKAGED:
        return None
    return bank.partition(":")[2] if is_named_bank(bank) else bank


def bank_package(bank: str) -> dict[str, str]:
    """Name -> version of the package that a bank comes with; empty for any other bank."""
    if bank not in PACKAGED:
        return {}
    try:
        return {bank: f"timm {importlib.metadata.version('timm')}"}
    except importlib.metadata.PackageNotFoundError:
        return {bank: "no timm"}  # reading it says what to install


def missing_bank_hint(bank: str) -> str:
    """`; banks by name are ...`, for a bank that is not there; empty if its path is no word."""
    word = bank.rstrip("/").rpartition("/")[2]
    if is_named_bank(bank) or os.path.dirname(bank.rstrip("/")) != os.getcwd():
        return ""
    similar = difflib.get_close_matches(word, _KINDS, n=1)
    meant = f", did you mean {similar[0]!r}?" if similar else ""
    return f"{meant}; banks by name are {', '.join(_KINDS_WITH_PATHS)}"
