"""Sources of a concept bank: MetaCLIP's metadata.json, text lines, JSON lines, synsets."""

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from spark_jobs.concepts.choosing import NUMBERS
from spark_jobs.concepts.synsets import Synset, SynsetList, imagenet_synsets
from spark_jobs.concepts.wordnet import wordnet_synsets
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import (
    CLASS_IDX,
    COUNT,
    ENTRY,
    GLOSS,
    LANG,
    LEMMA,
    SCORE,
    SOURCE,
    WNID,
)

PAPERS = (
    "MetaCLIP, table 1: entries of the concept bank from WordNet's synsets and lists of texts",
)

SOURCE_COLUMNS = pa.schema(
    [
        (ENTRY, pa.string()),
        (LANG, pa.string()),
        (SOURCE, pa.string()),
        (WNID, pa.string()),
        (LEMMA, pa.string()),
        (GLOSS, pa.string()),
        (CLASS_IDX, pa.int32()),
        (COUNT, pa.int64()),
        (SCORE, pa.float64()),
    ]
)


def metaclip_json(text: str, name: str) -> pa.Table:
    """Entries of a MetaCLIP metadata.json, a JSON list of strings with index = entry id.

    In MetaCLIP 2 (Chuang et al. 2025) it is a map language -> list, whose lists are concatenated.
    Raises InputDataError that names the file and the first element that is not a string.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise InputDataError(f"bank {name}: is no JSON ({fault})") from None
    if not isinstance(content, dict):
        return _entries_table(_checked_strings(content, name), name)
    if not content:
        raise InputDataError(f"bank {name}: has no entries")
    tables = []
    for lang, entries in content.items():
        table = _entries_table(
            _checked_strings(entries, f"{name}: language {lang!r}"), f"{name}: {lang}"
        )
        langs = pa.array([lang] * table.num_rows, pa.string())
        tables.append(table.set_column(table.schema.get_field_index(LANG), LANG, langs))
    return pa.concat_tables(tables)


def _checked_strings(entries: object, name: str) -> list[str]:
    """The JSON value as a list of strings; InputDataError if it is not one."""
    if not isinstance(entries, list):
        raise InputDataError(
            f"bank {name}: expected a JSON list of strings, found {type(entries).__name__}"
        )
    for position, entry in enumerate(entries):
        if not isinstance(entry, str):
            raise InputDataError(
                f"bank {name}: element {position} is {json.dumps(entry)[:40]}, expected a string"
            )
    if not _is_text("".join(entries)):  # all at once, in a thirtieth of the time
        position = [*map(_is_text, entries)].index(False)
        raise InputDataError(f"bank {name}: element {position} holds a lone surrogate")
    return entries


def _is_text(characters: str) -> bool:
    """Whether UTF-8 can hold it: no half of a surrogate pair."""
    try:
        characters.encode()
    except UnicodeEncodeError:
        return False
    return True


def lines(text: str, name: str) -> pa.Table:
    """One entry per line, ended by LF or CRLF; a blank line is the empty entry."""
    if not text:
        return _entries_table([], name)
    entries = text.removesuffix("\n").split("\n")
    return _entries_table([entry.removesuffix("\r") for entry in entries], name)


def json_lines(text: str, name: str) -> pa.Table:
    """One entry per line: a JSON string, or an object with entry and optional lang.

    Blank lines are skipped. Raises InputDataError that names the file and the first invalid line.
    """
    entries: list[str] = []
    langs: list[str | None] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as fault:
            raise InputDataError(f"bank {name}, line {number}: is no JSON ({fault})") from None
        fields = item if isinstance(item, dict) else {ENTRY: item}
        lang = fields.get(LANG)
        if not isinstance(fields.get(ENTRY), str) or not isinstance(lang, str | None):
            raise InputDataError(
                f"bank {name}, line {number}: expected a string, or an object with {ENTRY!r} and "
                f"maybe {LANG!r}, found {line.strip()[:40]}"
            )
        entries.append(fields[ENTRY])
        langs.append(lang)
    table = _entries_table(_checked_strings(entries, name), name)
    lang_column = pa.array(langs, pa.string())
    return table.set_column(table.schema.get_field_index(LANG), LANG, lang_column)


def numbers() -> pa.Table:
    """The numbers 0 to 99, which MetaCLIP's bank begins with."""
    return _entries_table([str(number) for number in range(100)], NUMBERS)


def imagenet(name: SynsetList) -> pa.Table:
    """A row for each lemma of each ImageNet synset, in class order; `entry` is the lemma."""
    return _lemmas_table(imagenet_synsets(name), name)


def wordnet(files: Mapping[str, bytes], name: str) -> pa.Table:
    """A row for each lemma of each synset of WordNet 3.0; `entry` is the lemma."""
    return _lemmas_table(wordnet_synsets(files, name), name)


def wordnet_names(files: Mapping[str, bytes], name: str) -> pa.Table:
    """MetaCLIP's entries from WordNet 3.0 (Xu et al. 2023), one per row."""
    return _entries_table(synset_names(wordnet_synsets(files, name)), name)


def synset_names(synsets: Sequence[Synset]) -> list[str]:
    """The distinct non-empty names of the synsets, in order of first occurrence.

    WordNet 3.0 gives 86,554; Xu et al. 2023, table 1, count 86,654, with the numbers 0 to 99.
    """
    names = dict.fromkeys(synset.name for synset in synsets)
    return [name for name in names if name]


def _lemmas_table(synsets: Sequence[Synset], name: str) -> pa.Table:
    rows = [(synset, lemma) for synset in synsets for lemma in synset.lemmas]
    lemmas = [lemma for _, lemma in rows]
    return pa.table(
        {
            ENTRY: lemmas,
            LANG: ["en"] * len(rows),
            SOURCE: [name] * len(rows),
            WNID: [synset.wnid for synset, _ in rows],
            LEMMA: lemmas,
            GLOSS: [synset.gloss for synset, _ in rows],
            CLASS_IDX: [synset.class_idx for synset, _ in rows],
            COUNT: pa.nulls(len(rows), pa.int64()),
            SCORE: pa.nulls(len(rows), pa.float64()),
        },
        schema=SOURCE_COLUMNS,
    )


def _entries_table(entries: Sequence[str], name: str) -> pa.Table:
    if not entries:
        raise InputDataError(f"bank {name}: has no entries")
    n_entries = len(entries)
    filled_columns = {
        ENTRY: pa.array(entries, pa.string()),
        SOURCE: pa.array([name] * n_entries, pa.string()),
    }
    columns = [
        filled_columns.get(field.name, pa.nulls(n_entries, field.type)) for field in SOURCE_COLUMNS
    ]
    return pa.table(columns, schema=SOURCE_COLUMNS)
