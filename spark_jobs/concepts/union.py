"""The bank as a union of sources: lists that were given, and what a corpus offers."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.concepts.choosing import TITLES, Candidate, Offer, RuleName, choose_entries
from spark_jobs.concepts.sources import SOURCE_COLUMNS
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import COUNT, ENTRY, LANG, SCORE, SOURCE

# What a source gives: a list (columns SOURCE_COLUMNS), or candidates and limits by language.
Counted = tuple[Mapping[str, Sequence[Candidate]], Mapping[str, int | None]]


def united_bank(
    given: Mapping[str, pa.Table],
    counted: Mapping[str, Counted],
    order: Sequence[str],
    *,
    rule: RuleName,
    lang: str,
    for_all: Sequence[str] = (),
) -> pa.Table:
    """The entries of all sources in `order`, each text once, with the columns SOURCE_COLUMNS.

    By the rule metaclip2 each text once in each language, languages in alphabetical order. A list's
    entries without a language are of `lang`, but those of the lists `for_all` are in every one.
    Titles alone make no language: they have hundreds of projects. Raises InputDataError if no entry
    is left.
    """
    rows = pa.concat_tables([SOURCE_COLUMNS.empty_table(), *given.values()])
    lists = _candidates_of_lists(given, lang, for_all)
    chosen: list[tuple[str | None, str, Candidate]] = []
    if rule == "metaclip":
        offers = [_in_one_language(lists, counted, source) for source in order]
        chosen += [(None, *pair) for pair in choose_entries(offers, rule)]
    else:
        langs = _languages(lists, counted)
        for name in langs:
            of_lang = [_offer(lists, counted, source, name) for source in order]
            chosen += [(name, *pair) for pair in choose_entries(of_lang, rule)]
    if not chosen:
        raise InputDataError("no entry is left: nothing reaches the thresholds; lower them")
    return _table(rows, chosen, lang)


_ALL = ""  # the language of entries that are in every language


def _languages(
    lists: Mapping[str, Mapping[str, list[Candidate]]], counted: Mapping[str, Counted]
) -> list[str]:
    """The languages of lists and texts, else of titles, in alphabetical order."""
    of_texts = [candidates for name, (candidates, _) in counted.items() if name != TITLES]
    langs = {lang for candidates in [*lists.values(), *of_texts] for lang in candidates} - {_ALL}
    return sorted(langs or {lang for candidates, _ in counted.values() for lang in candidates})


def _candidates_of_lists(
    given: Mapping[str, pa.Table], lang: str, for_all: Sequence[str]
) -> dict[str, dict[str, list[Candidate]]]:
    """Source -> language -> its entries, numbered through all lists."""
    lists: dict[str, dict[str, list[Candidate]]] = {}
    row = 0
    for source, table in given.items():
        of_none = _ALL if source in for_all else lang
        of_source = lists.setdefault(source, {})
        for entry, own in zip(table[ENTRY].to_pylist(), table[LANG].to_pylist(), strict=True):
            of_source.setdefault(own or of_none, []).append(Candidate(entry, row=row))
            row += 1
    return lists


def _in_one_language(
    lists: Mapping[str, Mapping[str, list[Candidate]]], counted: Mapping[str, Counted], source: str
) -> Offer:
    by_language = lists[source] if source in lists else counted[source][0]
    limits = counted[source][1] if source in counted else {}
    candidates = [candidate for of_lang in by_language.values() for candidate in of_lang]
    if source in lists:
        candidates.sort(key=lambda candidate: candidate.row or 0)
    return Offer(source, candidates, next(iter(limits.values()), None))


def _offer(
    lists: Mapping[str, Mapping[str, list[Candidate]]],
    counted: Mapping[str, Counted],
    source: str,
    lang: str,
) -> Offer:
    if source in lists:
        return Offer(source, [*lists[source].get(_ALL, []), *lists[source].get(lang, [])])
    candidates, limits = counted[source]
    return Offer(source, candidates.get(lang, []), limits.get(lang))


def _table(
    rows: pa.Table, chosen: Sequence[tuple[str | None, str, Candidate]], lang: str
) -> pa.Table:
    """The chosen entries, with the other columns of those that lists gave."""
    places = pa.array([candidate.row for _, _, candidate in chosen], pa.int32())
    table = rows.take(places)  # a null place gives nulls
    own_langs = table[LANG].combine_chunks()
    is_counted = pc.is_null(places)
    langs = pa.array([name for name, _, _ in chosen], pa.string())
    of_counted = pc.if_else(is_counted, pa.scalar(lang, pa.string()), own_langs)
    columns = {
        ENTRY: pa.array([candidate.entry for _, _, candidate in chosen], pa.string()),
        LANG: pc.coalesce(langs, of_counted),
        SOURCE: pc.coalesce(
            table[SOURCE].combine_chunks(), pa.array([source for _, source, _ in chosen])
        ),
        COUNT: pa.array([candidate.count for _, _, candidate in chosen], pa.int64()),
        SCORE: pa.array([candidate.score for _, _, candidate in chosen], pa.float64()),
    }
    arrays = [columns.get(name, table[name]) for name in SOURCE_COLUMNS.names]
    return pa.table(arrays, schema=SOURCE_COLUMNS)
