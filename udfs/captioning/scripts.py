"""Languages and the scripts that they are written in."""

# Script, by the first word of its letters' Unicode names -> languages, ISO 639-1.
_LANGUAGES = {
    "ARABIC": "ar fa ur ps sd ug ckb ks",
    "ARMENIAN": "hy",
    "BENGALI": "bn as",
    "CJK": "zh yue wuu lzh ja ko",
    "CYRILLIC": "ru uk bg be mk sr kk ky mn tg tt ba cv",
    "DEVANAGARI": "hi mr ne sa bho mai",
    "ETHIOPIC": "am ti",
    "GEORGIAN": "ka",
    "GREEK": "el",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HANGUL": "ko",
    "HEBREW": "he yi",
    "HIRAGANA": "ja",
    "KANNADA": "kn",
    "KATAKANA": "ja",
    "KHMER": "km",
    "LAO": "lo",
    "LATIN": "en de fr es it pt nl sv da no nb nn is fi et lv lt pl cs sk sl hr bs hu ro sq tr az "
    "uz tk vi id ms tl fil jv su sw af ca gl eu ga gd cy br mt lb eo la sr ku ha yo ig zu xh so mg",
    "MALAYALAM": "ml",
    "MYANMAR": "my",
    "ORIYA": "or",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
    "TIBETAN": "bo",
}


def scripts_of(lang: str | None) -> set[str]:
    """The scripts of a language, `ja` or `ja-JP`, as the checks name them; none if not known.

    Punjabi, Serbian, Uzbek and such have all that they are written in today.
    """
    code = (lang or "").replace("_", "-").split("-")[0].lower()
    return {script for script, languages in _LANGUAGES.items() if code in languages.split()}
