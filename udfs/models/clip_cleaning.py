"""Clean texts as CLIP's tokeniser does, without looking for faults where a text can have none.

The tokeniser mends wrongly decoded text by ftfy, resolves HTML entities, joins runs of white space
and lowers the case (Radford et al. 2021). Most texts need the last two alone, and to see that takes
a tenth of what mending takes.
"""

import html
import re
import unicodedata
from collections.abc import Callable
from functools import cache

# What ftfy's pattern of wrongly decoded text needs: two characters beyond ASCII side by side, or
# one of these. It matches at most 7.
_SUSPICIOUS = re.compile("[^\x00-\x7f]{2}|[\x80-\x9fÂÃŒœ]")
_ASCII_RUN = re.compile(r"([\x00-\x7f]{6})[\x00-\x7f]+(?=[\x00-\x7f]{6})")
_MOST_CHARACTERS = 1_000_000  # that ftfy looks at together, and at each line by itself
_SEPARATOR = "\U000f0000"  # neither mended by ftfy nor what it mends something to


def cleaned(text: str, clean: Callable[[str], str]) -> str:
    """`clean(text)`, the tokeniser's own function, but for white space."""
    return clean(text) if _may_change(text) else text.lower()


def _may_change(text: str) -> bool:
    """Whether cleaning could change more than white space and case; False is certain."""
    if _mended_characters().search(text) or ("&" in text and _has_entity(text)):
        return True
    if text.isascii():
        return False
    if "\n" in text or len(text) > _MOST_CHARACTERS or not unicodedata.is_normalized("NFC", text):
        return True
    return _SUSPICIOUS.search(text) is not None and _looks_misdecoded(text)


def _has_entity(text: str) -> bool:
    from ftfy.fixes import unescape_html

    return not html.unescape(text) == text == unescape_html(text)


def _looks_misdecoded(text: str) -> bool:
    """What `is_bad` of ftfy gives for the text."""
    from ftfy.badness import is_bad

    return is_bad(_ASCII_RUN.sub(r"\1", text))


@cache
def _mended_characters() -> re.Pattern[str]:
    """The characters that ftfy replaces or drops wherever they stand, as ligatures and quotes."""
    import ftfy

    characters = [chr(c) for c in range(0x10000) if not 0xD800 <= c < 0xE000]
    alone = ftfy.TextFixerConfig(
        fix_encoding=False,
        unescape_html=False,
        normalization=None,
        explain=False,
        max_decode_length=4 * len(characters),
    )
    mended = ftfy.fix_text(_SEPARATOR.join(characters), alone).split(_SEPARATOR)
    changed = [c for c, after in zip(characters, mended, strict=True) if c != after]
    return re.compile(f"[{''.join(map(re.escape, changed))}]")
