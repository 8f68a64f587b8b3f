"""The rule for odd text: valid text stays byte for byte, everything else is rejected by name.

Kept as it is: NUL and other controls, line ends, U+2028, right-to-left marks, emoji, combining
marks, blanks, the empty caption. Rejected: null, bytes that are no UTF-8 (encoded surrogates are
none), a JSON escape of a lone surrogate, and a caption above a number of bytes.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

NULL_CAPTION = "null_caption"
INVALID_UTF8 = "invalid_utf8"
CAPTION_TOO_LONG = "caption_too_long"


def is_valid_utf8(text: Column) -> Column:
    """Whether a string or binary column holds valid UTF-8; null where it is null."""
    raw = text.cast("binary")
    return F.encode(F.decode(raw, "UTF-8"), "UTF-8") == raw


def caption_fault(caption: Column, *, max_bytes: int) -> Column:
    """Why a caption cannot be taken, null where it can."""
    return (
        F.when(caption.isNull(), NULL_CAPTION)
        .when(F.octet_length(caption) > max_bytes, CAPTION_TOO_LONG)
        .when(~is_valid_utf8(caption), INVALID_UTF8)
    )
