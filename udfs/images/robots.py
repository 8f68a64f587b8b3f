"""X-Robots-Tag: whether the owner of an image disallows its use."""

from collections.abc import Collection, Iterable

# As img2dataset has them.
DISALLOWING = ("noai", "noimageai", "noindex", "noimageindex")
# Directives that have a value after a colon; any other word before a colon names an agent.
_WITH_VALUE = {
    *("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"),
}


def is_disallowed(
    headers: Iterable[str], agent: str | None, directives: Collection[str] = DISALLOWING
) -> bool:
    """Whether one of the X-Robots-Tag headers has one of the directives, for all or this agent.

    A header has directives with commas between them; `agent:` before one says for whom it and those
    after it are. img2dataset takes all that is before the first colon for the agent, so that
    `noindex, unavailable_after: ...` lets it pass. A header that is no text counts as disallowing.
    """
    for header in headers:
        if not isinstance(header, str):  # bytes that are no text
            return True
        addressee = None
        for item in header.split(","):
            before, colon, after = item.partition(":")
            name = before.strip().lower()
            if colon and name not in _WITH_VALUE:
                addressee, name = name, after.strip().lower()
            if name in directives and addressee in (None, agent):
                return True
    return False
