"""The uid of a row: the input's own, else a digest of its content."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def content_uid(url: Column | None, caption: Column) -> Column:
    """32 hex digits: the MD5 of the caption, or of url and caption if the url is not null.

    With a url the digest is over "url:", the url's number of bytes, ":", url and caption, so that
    different pairs never give the same bytes.
    """
    caption_digest = F.md5(caption)
    if url is None:
        return caption_digest
    pair = F.concat(F.lit("url:"), F.octet_length(url).cast("string"), F.lit(":"), url, caption)
    return F.when(url.isNull(), caption_digest).otherwise(F.md5(pair))


def input_or_content_uid(input_uid: Column | None, url: Column | None, caption: Column) -> Column:
    """The input's uid unchanged; `content_uid` if it is absent, null or empty."""
    content = content_uid(url, caption)
    if input_uid is None:
        return content
    return F.coalesce(F.when(input_uid != "", input_uid), content)
