"""What a concept bank is made from: MetaCLIP's metadata.json, lines, ImageNet's synsets."""

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from spark_jobs.concepts.synsets import Synset, SynsetList, imagenet_synsets
from spark_jobs.concepts.wordnet import wordnet_synsets
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CLASS_IDX, ENTRY, GLOSS, LANG, LEMMA, SOURCE, WNID

SOURCE_COLUMNS = pa.schema(
    [
        (ENTRY, pa.string()),
        (LANG, pa.string()),
        (SOURCE, pa.string()),
        (WNID, pa.string()),
        (LEMMA, pa.string()),
        (GLOSS, pa.string()),
        (CLASS_IDX, pa.int32()),
    ]
)


def metaclip_json(text: str, name: str) -> pa.Table:
    """Entries of a MetaCLIP metadata.json: a JSON list of strings, index = entry id.

    MetaCLIP 2's map of language -> list gives the lists one after the other, with their languages.
    Raises InputDataError that names the file and the first element that is no string.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise InputDataError(f"bank {name}: is no JSON ({fault})") from None
    if not isinstance(content, dict):
        return _of_strings(_strings(content, name), name)
    if not content:
        raise InputDataError(f"bank {name}: has no entries")
    tables = []
    for lang, entries in content.items():
        table = _of_strings(_strings(entries, f"{name}: language {lang!r}"), f"{name}: {lang}")
        langs = pa.array([lang] * table.num_rows, pa.string())
        tables.append(table.set_column(table.schema.get_field_index(LANG), LANG, langs))
    return pa.concat_tables(tables)


def _strings(entries: object, name: str) -> list[str]:
    if not isinstance(entries, list):
        raise InputDataError(
            f"bank {name}: expected a JSON list of strings, found {type(entries).__name__}"
        )
    for position, entry in enumerate(entries):
        if not isinstance(entry, str):
            raise InputDataError(
                f"bank {name}: element {position} is {json.dumps(entry)[:40]}, expected a string"
            )
        if any("\ud800" <= character <= "\udfff" for character in entry):
            raise InputDataError(f"bank {name}: element {position} holds a lone surrogate")
    return entries


def lines(text: str, name: str) -> pa.Table:
    """One entry a line, ended by LF or CRLF; a blank line is the empty entry."""
    if not text:
        return _of_strings([], name)
    entries = text.removesuffix("\n").split("\n")
    return _of_strings([entry.removesuffix("\r") for entry in entries], name)


def json_lines(text: str, name: str) -> pa.Table:
    """An entry a line: a JSON string, or an object with entry and maybe lang; blank lines are none.

    Raises InputDataError that names the file and the first line that is neither.
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
    table = _of_strings(_strings(entries, name), name)
    of_langs = pa.array(langs, pa.string())
    return table.set_column(table.schema.get_field_index(LANG), LANG, of_langs)


def imagenet(name: SynsetList) -> pa.Table:
    """A row for each lemma of each synset, in class order; `entry` is the lemma."""
    return _of_synsets(imagenet_synsets(name), name)


def wordnet(files: Mapping[str, bytes], name: str) -> pa.Table:
    """A row for each lemma of each synset of WordNet 3.0; `entry` is the lemma."""
    return _of_synsets(wordnet_synsets(files, name), name)


def wordnet_names(files: Mapping[str, bytes], name: str) -> pa.Table:
    """MetaCLIP's share of WordNet, an entry a row."""
    return _of_strings(synset_names(wordnet_synsets(files, name)), name)


def synset_names(synsets: Sequence[Synset]) -> list[str]:
    """The distinct names of the synsets, none of them empty, in the order of their first synset.

    86,554 of WordNet 3.0; Xu et al. 2023, table 1, count 86,654 with the numbers 0 to 99.
    """
    names = dict.fromkeys(synset.name for synset in synsets)
    return [name for name in names if name]


def _of_synsets(synsets: Sequence[Synset], name: str) -> pa.Table:
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
        },
        schema=SOURCE_COLUMNS,
    )


def _of_strings(entries: Sequence[str], name: str) -> pa.Table:
    if not entries:
        raise InputDataError(f"bank {name}: has no entries")
    n = len(entries)
    filled = {ENTRY: pa.array(entries, pa.string()), SOURCE: pa.array([name] * n, pa.string())}
    columns = [filled.get(f.name, pa.nulls(n, f.type)) for f in SOURCE_COLUMNS]
    return pa.table(columns, schema=SOURCE_COLUMNS)
