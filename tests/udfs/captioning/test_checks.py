"""Checks of answers, beside what they must let through; concepts by match-concepts' kernels."""

import random
from typing import Any

import pyarrow as pa
import pytest

from udfs.captioning.checks import CHECKS, Checker, is_refusal, names_concept
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import Request
from udfs.text.matchers import MetaclipMatcher, metaclip2_matcher
from udfs.text.token_trie import build_token_trie

PROMPT = Prompt("Write one short caption of a picture with {{ concept }} in it, please.", 12)


def refusal(answer: str, concept: str = "dog", *, is_cut: bool = False, **options: Any) -> Any:
    checker = Checker(tuple(CHECKS), PROMPT, **options)
    return checker.refusal(Request(concept, 0, 0, 1), checker.caption(answer), is_cut=is_cut)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (" A dog runs on the sand. ", None),
        ('"A dog runs on the sand."', None),
        ("Caption: A dog in the rain.", None),
        ("", "empty"),
        (' "" ...', "empty"),
        ("I'm sorry, but I cannot describe a dog .", "refusal"),
        ("As an AI language model, I see no dog .", "refusal"),
        ("Unfortunately I can’t see a dog .", "refusal"),
        ("write one short caption of a picture: dog", "echo"),
        ("A dog.\nAnother dog.", "several_lines"),
        ("A dog.\u2028Another dog.", "several_lines"),
        ("A dog and a cat and a cow and a hen and a pig .", "too_long"),
        ("Two dogs in the rain.", "concept_absent"),
        ("A Dog in the rain.", "concept_absent"),
        ("一只 dog 在沙滩上奔跑，阳光很好", "language"),
    ],
)
def test_an_answer_has_its_cause(answer: str, cause: str | None) -> None:
    assert refusal(answer) == cause


def test_a_cut_answer_is_too_long() -> None:
    assert refusal("A dog runs on", is_cut=True) == "too_long"


def test_letters_of_the_concept_are_no_other_language() -> None:
    assert refusal("日本 日本 日本 in winter", "日本") is None


@pytest.mark.parametrize(
    ("lang", "caption", "cause"),
    [
        ("ja", "夜の街でラーメンを食べる人々", None),
        ("ja", "コーヒーとケーキ", None),
        ("ja", "A bowl of noodles", "language"),
        ("ko", "서울의 밤거리", None),
        ("zh", "夜晚的街道", None),
        ("zh", "夜の街でたべるひとびと", "language"),
        ("ru", "Ночная улица", None),
        ("el", "Ένας δρόμος τη νύχτα", None),
        ("en-GB", "Ночная улица", "language"),
        (None, "Ночная улица", "language"),
        ("xx", "A street at night", None),
    ],
)
def test_a_caption_has_the_scripts_of_its_language(
    lang: str | None, caption: str, cause: str | None
) -> None:
    checker = Checker(("language",), PROMPT, lang=lang)
    assert checker.refusal(Request("犬", 0, 0, 1), caption, is_cut=False) == cause
    by_bank = Checker(("language",), PROMPT, lang="xx")
    assert by_bank.refusal(Request("犬", 0, 0, 1, lang), caption, is_cut=False) == cause


def test_other_checks_are_other_work() -> None:
    labels = [
        Checker((), PROMPT).label(),
        *(Checker(("echo", "empty"), PROMPT, "metaclip", lang).label() for lang in (None, "en")),
        Checker(("too_long",), PROMPT).label(),
        Checker(("too_long",), Prompt(PROMPT.template, 13)).label(),
        Checker(("concept_absent",), PROMPT).label(),
        Checker(("concept_absent",), PROMPT, "metaclip2").label(),
        Checker(("language",), PROMPT, lang="en", lang_model="/a/lid.ftz").label(),
        Checker(("language",), PROMPT, lang="de", lang_model="/a/lid.ftz").label(),
    ]
    assert labels[1] == labels[2] == Checker(("empty", "echo"), PROMPT).label()
    assert len({*labels}) == len(labels) - 1


def test_sentences_that_begin_alike_are_no_refusals() -> None:
    for text in ("I ride a dog sled", "A sorry dog", "We can see a dog", "As a dog runs by"):
        assert not is_refusal(text)


def test_without_checks_answers_are_taken_unchanged() -> None:
    checker = Checker((), PROMPT)
    for answer in (' "A dog"\n', "", "I'm sorry"):
        assert checker.caption(answer) == answer
        assert checker.refusal(Request("cat", 0, 0, 1), answer, is_cut=True) is None


def test_quotes_inside_a_caption_stay() -> None:
    checker = Checker(tuple(CHECKS), PROMPT)
    assert checker.caption('"A dog" and "a cat"') == '"A dog" and "a cat"'
    assert checker.caption("“A dog”") == "A dog"


PIECES = ["dog", "Dog", "a", "it's", "日本", "ข้าว", " ", "  ", ".", ",", "`", "?", "\t", "\n", "é"]


def generated(rng: random.Random, most: int) -> str:
    return "".join(rng.choices(PIECES, k=rng.randint(1, most)))


RNG = random.Random(7)
CONCEPTS = sorted({generated(RNG, 3) for _ in range(300)})
CAPTIONS = [generated(RNG, 8) for _ in range(300)]


def test_a_concept_is_there_where_match_concepts_finds_it() -> None:
    matcher = MetaclipMatcher(build_token_trie(pa.array(CONCEPTS), duplicates="all"))
    found = [{*ids} for ids in matcher.match([pa.array(CAPTIONS)]).to_pylist()]
    assert sum(map(len, found)) > 500
    for caption, ids in zip(CAPTIONS, found, strict=True):
        assert {i for i, c in enumerate(CONCEPTS) if names_concept(caption, c)} == ids, caption


def test_a_concept_is_there_where_metaclip2_finds_it() -> None:
    matcher = metaclip2_matcher(CONCEPTS, ["xx"] * len(CONCEPTS))
    langs = pa.array(["xx"] * len(CAPTIONS))
    found = [{*ids} for ids in matcher.match([pa.array(CAPTIONS), langs]).to_pylist()]
    assert sum(map(len, found)) > 500
    for caption, ids in zip(CAPTIONS, found, strict=True):
        named = {i for i, c in enumerate(CONCEPTS) if names_concept(caption, c, "metaclip2")}
        assert named == ids, caption
