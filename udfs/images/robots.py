"""X-Robots-Tag: whether the owner of an image disallows its use."""

import re
from collections.abc import Collection, Iterable

# As img2dataset has them.
DISALLOWING = ("noai", "noimageai", "noindex", "noimageindex")
# Directives that have a value after a colon; any other name before a colon is an agent's.
_WITH_VALUE = {
    *("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview", "rating"),
}
_NAME = re.compile(r"[a-z*][\w.*-]*")
_EVERYBODY = ("*", "all")


def is_disallowed(
    headers: Iterable[str], agent: str | None, directives: Collection[str] = DISALLOWING
) -> bool:
    """Whether one of the X-Robots-Tag headers has one of the directives, for all or this agent.

    A header has directives with commas between them; `agent:` before one says for whom it and those
    after it are. img2dataset takes all that is before the first colon for the agent, so that
    `noindex, unavailable_after: ...` lets it pass. `none` stands for noindex and nofollow. What is
    no text, or has a directive in a form of its own (`noai; noimageai`), counts as disallowing.
    """
    refused = {*directives, *(["none"] if "noindex" in directives else [])}
    for header in headers:
        if not isinstance(header, str):  # bytes that are no text
            return True
        addressee = None
        for item in header.split(","):
            before, colon, after = item.lower().partition(":")
            name = before.strip()
            if colon and name not in _WITH_VALUE and _NAME.fullmatch(name):
                addressee, name = None if name in _EVERYBODY else name, after.strip()
            words = {name} if _NAME.fullmatch(name) else {*re.findall(r"[\w-]+", item.lower())}
            if words & refused and addressee in (None, agent):
                return True
    return False
