"""Convert an item of a JSON list or of JSON lines to rows, by the published formats."""

import hashlib
from typing import Literal, TypeAlias, TypeGuard

# Items allowed besides an object of columns and a bare caption: SynthCLIP's pairs
# [caption, entry_ids] (Hammoud et al. 2024), or MetaCLIP's records with several texts.
ItemForm: TypeAlias = Literal["plain", "pairs", "records"]

_LARGEST_ID = 2**31 - 1


class WrongRecord(dict[str, object]):
    """A record or a text of a record that is not in the published format."""


def rows_of_item(item: object, form: ItemForm) -> list[object]:
    """The rows of one item, at least one, so that every item is either kept or rejected."""
    if isinstance(item, str):
        return [{"caption": item}]
    if form == "pairs" and _is_matched(item, n_before=0):
        return [{"caption": item[0], "entry_ids": item[1]}]
    if form == "records" and isinstance(item, dict) and "caption" not in item:
        return _texts(item) or [WrongRecord(item)]
    return [item]


def is_pair(item: object) -> bool:
    """Whether an item is SynthCLIP's [caption, entry_ids]."""
    return _is_matched(item, n_before=0)


def _texts(record: dict[str, object]) -> list[object]:
    """A row for each text of a record: [source, caption] or [source, caption, entry_ids].

    Empty if the record has no list of texts, or neither uuid nor url.
    """
    if not isinstance(record.get("texts"), list):
        return []
    common = {key: value for key, value in record.items() if key != "texts"}
    if common.get("uuid") is None and isinstance(record.get("url"), str):
        common["uuid"] = hashlib.md5(str(record["url"]).encode("utf-8", "replace")).hexdigest()
    if common.get("uuid") is None:
        return []
    rows: list[object] = []
    for number, text in enumerate(record["texts"]):  # type: ignore[arg-type, var-annotated]
        if _is_matched(text, n_before=1) or _is_text(text):
            source, caption, *ids = text
            row = {"caption_id": number, "caption_source": source, "caption": caption}
            rows.append(common | row | ({"entry_ids": ids[0]} if ids else {}))
        else:
            rows.append(WrongRecord(common | {"caption_id": number, "text": text}))
    return rows


def _is_text(item: object) -> TypeGuard[list[str]]:
    return isinstance(item, list) and len(item) == 2 and all(isinstance(x, str) for x in item)


def _is_matched(item: object, n_before: int) -> TypeGuard[list]:  # type: ignore[type-arg]
    """Whether an item is `n_before` strings, a caption, and a list of entry ids."""
    return (
        isinstance(item, list)
        and len(item) == n_before + 2
        and all(isinstance(part, str) for part in item[:-1])
        and isinstance(item[-1], list)
        and all(type(i) is int and 0 <= i <= _LARGEST_ID for i in item[-1])
    )
