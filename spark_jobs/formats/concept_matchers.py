"""A concept bank with the matcher of a rule, MetaCLIP's or MetaCLIP 2's."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import pyarrow as pa

from spark_jobs.formats.concept_bank import Bank, read_bank
from spark_jobs.storage.run import Run
from udfs.text.matchers import ConceptMatcher, MetaclipMatcher, metaclip2_matcher
from udfs.text.metaclip2_match import padded_entry
from udfs.text.token_trie import build_token_trie

Build = Callable[[pa.Array], ConceptMatcher]


def rule_text(rule: str, *, duplicates: str = "all", **further: Any) -> str:
    """JSON of what decides which entries match, for the record of the matches."""
    return json.dumps({"rule": rule, "duplicates": duplicates, **further})


def bank_and_rule(
    run: Run,
    address: str,
    rule: Literal["metaclip", "metaclip2"],
    *,
    duplicates: Literal["all", "last"] = "all",
    is_mended: bool = False,
) -> tuple[Bank, Build]:
    """The bank, and a function from its entries to their matcher.

    That of MetaCLIP (Xu et al. 2023) or MetaCLIP 2 (Chuang et al. 2025). `duplicates`: ids reported
    for identical entries. `is_mended`: kana and hangul are scripts without spaces too.
    """
    if rule == "metaclip":

        def metaclip(entries: pa.Array) -> ConceptMatcher:
            return MetaclipMatcher(build_token_trie(entries, duplicates=duplicates))

        return read_bank(run, address), metaclip
    padded = partial(padded_entry, is_mended=is_mended)
    bank = read_bank(run, address, by_language=True, pad=padded)

    def metaclip2(entries: pa.Array) -> ConceptMatcher:
        return metaclip2_matcher(
            entries.to_pylist(), bank.langs, duplicates=duplicates, is_mended=is_mended
        )

    return bank, metaclip2
