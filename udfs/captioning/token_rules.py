"""Tokens of one word: the Penn Treebank's as captions are scored by, and those of mteval-v13a."""

import re

import pyarrow as pa
import pyarrow.compute as pc

# Characters that `prepared_for_penn` writes, of the private use area.
_SPACE_IN_TAG, _STOP_STAYS = "\ue000", "\ue001"

_L = r"[^\W\d_]"  # a letter
_ACCENTED = r"&[a-z](?:acute|grave|circ|uml|tilde|cedil);"
_COMBINED = r"[\u0300-\u036f\u0900-\u0dff\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]"  # marks on letters
_RUN = rf"(?:(?![²³¹])[^\W_]|{_COMBINED}|{_ACCENTED})+"
_NUMBER = r"\d*(?:[.,:]\d+)+"
_ABBREVIATIONS = [
    "jan",
    "feb",
    "mar",
    "apr",
    "jun",
    "jul",
    "aug",
    "sep",
    "sept",
    "oct",
    "nov",
    "dec",
    "mr",
    "mrs",
    "ms",
    "messrs",
    "dr",
    "drs",
    "st",
    "mt",
    "ft",
    "sgt",
    "col",
    "gen",
    "gov",
    "lt",
    "capt",
    "sen",
    "rep",
    "prof",
    "rev",
    "hon",
    "jr",
    "sr",
    "bros",
    "inc",
    "cos",
    "corp",
    "pp",
    "ltd",
    "co",
    "vs",
    "etc",
    "al",
    "ave",
    "blvd",
    "rd",
    "bldg",
    "ct",
    "ca",
    "cf",
    "op",
    "la",
    "calif",
    "ore",
    "minn",
]
_SPLIT_WORDS = {
    **{"cannot": "can not", "gonna": "gon na", "gotta": "got ta", "lemme": "lem me"},
    **{"gimme": "gim me", "wanna": "wan na"},
}
_REMOVED = frozenset(
    f"\" '' ' `` ` . ? ! , : - -- ; – — … « » “ ” „ 【 】 〜 \ufffd \u200e {_STOP_STAYS}".split()
)
_WRITTEN = {
    **{"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"},
    **{"½": "1/2", "¼": "1/4", "¾": "3/4", "€": "$", "£": "#"},
}
_ENTITIES = {
    **{"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&nbsp;": " ", "&apos;": "'"},
}
_ENTITY = re.compile("|".join(_ENTITIES), re.IGNORECASE)
_APOSTROPHES = re.compile("[\u2018\u2019\u201b]")
_NO_URL = r"\s<>\"'`|"
_NO_URL_END = rf"{_NO_URL}.,!?;:)\]}}"
_TOKEN = re.compile(
    "|".join(
        [
            rf"https?://[^{_NO_URL}]+[^{_NO_URL_END}]",
            # Bounded, or a word of many dots would be read to its end from each of them.
            r"(?:www\.)?(?:[a-z0-9]{1,63}\.){1,10}(?:com|net|org|edu|co\.uk)"
            rf"(?:/[^{_NO_URL}]*[^{_NO_URL_END}])?(?![a-z0-9])",
            r"[a-z0-9._-]{1,64}@[a-z0-9.-]+",
            r"@[a-z][a-z0-9_]+|#[a-z]+",
            r"</?[a-z!?][^<>]*>",
            r"[:;]-?[()]|[:;]-?[dp]\b",
            rf"(?:{_L}\.)+{_L}\b\.?|{_L}\.(?![a-z])",  # acronyms and initials
            rf"{_L}+(?=n't\b)|n't\b",
            r"'(?:s|m|d|re|ve|ll|t(?=is\b|was\b))(?:\b|(?<=t))|'\d\ds?\b",
            rf"(?:o|d|l|m)'{_L}{_RUN}",
            r"\d{1,2}[-/]\d{1,2}[-/]\d{2,4}(?![-/\d])",
            rf"(?:{_NUMBER}|{_RUN})(?:[-_]{_RUN})+",
            rf"{_RUN}(?:/{_RUN}){{1,2}}",
            r"(?-i:[A-Z]+&[A-Z]+)",
            rf"[-+:]?{_NUMBER}|[-+:]\d+",
            rf"{_RUN}(?:\.{_L}{_RUN})+",
            rf"(?:{'|'.join(_ABBREVIATIONS)})\.|nos?\.(?=\d|{_STOP_STAYS})",
            _RUN,
            r"&#\d+;|-{2,}|\.{3,}|\*+|_+|#+|[!?]+|``|''|.",
        ]
    ),
    re.IGNORECASE,
)
_TAG = re.compile("</?[A-Za-z!?][^<>]*>")
_NUMBERED = r"\b([Nn][Oo][Ss]?\.)(\s+\d)"

_MTEVAL_MARKS = re.compile(r"([{-~\[-` -&(-+:-@/])")


def prepared_for_mteval(captions: pa.Array) -> pa.Array:
    """The captions without the marks that mteval-v13a takes out across words."""
    is_marked = pc.match_substring_regex(captions, "<skipped>|-\n")
    if not pc.any(is_marked).as_py():
        return captions
    texts = [
        text and text.rstrip().replace("<skipped>", "").replace("-\n", "")
        for text in captions.to_pylist()
    ]
    return pa.array(texts, captions.type)


def prepared_for_penn(captions: pa.Array) -> pa.Array:
    """The captions with what a word's tokens depend on beside the word itself written into it.

    Characters beyond the first plane end a word and vanish; a tag is one word; `No.` is an
    abbreviation only in front of a number.
    """
    captions = pc.replace_substring_regex(captions, _NUMBERED, rf"\1{_STOP_STAYS}\2")
    captions = pc.replace_substring_regex(captions, "[\U00010000-\U0010ffff\u200b]+", " ")
    if pc.any(pc.match_substring(captions, "<")).as_py():
        joined = [text and _TAG.sub(_joined_tag, text) for text in captions.to_pylist()]
        return pa.array(joined, captions.type)
    return captions


def _joined_tag(tag: re.Match[str]) -> str:
    return _SPACE_IN_TAG.join(tag[0].split())


def penn_tokens(word: str) -> list[str]:
    """Stanford's Penn Treebank tokens of a word, in lower case, without pycocoevalcap's marks."""
    if word.isascii() and word.isalpha():
        word = word.lower()
        return _SPLIT_WORDS.get(word, word).split()
    if "&" in word:
        word = _ENTITY.sub(lambda entity: _ENTITIES[entity[0].lower()], word)
    tokens = _TOKEN.findall(_APOSTROPHES.sub("'", word))
    return [_written(token) for token in tokens if not _is_removed(token)]


def _is_removed(token: str) -> bool:
    return token in _REMOVED or token.startswith("...")


def _written(token: str) -> str:
    if len(token) > 1 and token[0] in ":;":
        return token.lower().replace("(", "-lrb-").replace(")", "-rrb-")
    return _WRITTEN.get(token, token.lower().replace(_SPACE_IN_TAG, " "))


def mteval_tokens(word: str) -> list[str]:
    """The tokens of mteval-v13a, sacrebleu's default, of a word; case stays."""
    if word.isascii() and word.isalpha():
        return [word]
    if "&" in word:
        for entity in ("&quot;", "&amp;", "&lt;", "&gt;"):
            word = word.replace(entity, _ENTITIES[entity])
    # A word's neighbours are spaces, which are no digits.
    spaced = _MTEVAL_MARKS.sub(r" \1 ", f" {word} ")
    spaced = re.sub(r"([^0-9])([.,])", r"\1 \2 ", spaced)
    spaced = re.sub(r"([.,])([^0-9])", r" \1 \2", spaced)
    return re.sub(r"([0-9])(-)", r"\1 \2 ", spaced).split()
