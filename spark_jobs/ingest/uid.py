"""The uid of a row: the one it came with, else a digest of its content."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def content_uid(url: Column | None, caption: Column) -> Column:
    """32 hex digits: the MD5 of the caption, or of url and caption where there is a url.

    With a url the digest is over "url:", the url's number of bytes, ":", url and caption, so that
    no two pairs share their bytes.
    """
    of_caption = F.md5(caption)
    if url is None:
        return of_caption
    pair = F.concat(F.lit("url:"), F.octet_length(url).cast("string"), F.lit(":"), url, caption)
    return F.when(url.isNull(), of_caption).otherwise(F.md5(pair))


def given_or_content_uid(given: Column | None, url: Column | None, caption: Column) -> Column:
    """A given id as it is; the content's where it is absent, null or empty."""
    content = content_uid(url, caption)
    return content if given is None else F.coalesce(F.when(given != "", given), content)
