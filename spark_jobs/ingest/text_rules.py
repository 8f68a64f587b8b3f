"""Which caption texts are accepted: valid text stays byte for byte, all else has a fault.

Kept unchanged: NUL and other control characters, line ends, U+2028, right-to-left marks, emoji,
combining marks, blanks, the empty caption. Rejected: null, invalid UTF-8 (encoded surrogates
included), a JSON escape of a lone surrogate, and captions above a number of bytes.
"""

from typing import Literal

from pyspark.sql import Column
from pyspark.sql import functions as F

PAPERS = ("SynthCLIP, published code: which generated captions are left out",)

NULL_CAPTION = "null_caption"
INVALID_UTF8 = "invalid_utf8"
CAPTION_TOO_LONG = "caption_too_long"
LINE_FEED = "line_feed"

FrontEnd = Literal["none", "synthclip"]


def is_valid_utf8(text: Column) -> Column:
    """Whether a string or binary column holds valid UTF-8; null for null."""
    if hasattr(F, "is_valid_utf8"):  # Spark 4, whose decode raises where 3.5 puts U+FFFD
        is_valid: Column = F.is_valid_utf8(text.cast("string"))
        return is_valid
    return F.decode(text.cast("binary"), "UTF-8") == text.cast("string")  # == compares bytes


def cleaned_caption(caption: Column, *, front_end: FrontEnd) -> Column:
    """The caption as the front end changes it: `synthclip` drops double quotes and outer spaces.

    Only U+0020 is stripped; tabs, carriage returns and no-break spaces stay (SynthCLIP, Hammoud et
    al. 2024).
    """
    return caption if front_end == "none" else F.trim(F.replace(caption, F.lit('"')))


def caption_fault(caption: Column, *, max_bytes: int, front_end: FrontEnd = "none") -> Column:
    """The reason to reject a caption; null if it is accepted."""
    has_line_feed = F.lit(front_end == "synthclip") & F.contains(
        caption.cast("string"), F.lit("\n")
    )
    return (
        F.when(caption.isNull(), NULL_CAPTION)
        .when(F.octet_length(caption) > max_bytes, CAPTION_TOO_LONG)
        .when(~is_valid_utf8(caption), INVALID_UTF8)
        .when(has_line_feed, LINE_FEED)
    )
