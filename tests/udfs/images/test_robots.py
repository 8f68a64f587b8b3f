"""X-Robots-Tag in the forms that servers send."""

import pytest

from udfs.images.robots import is_disallowed


@pytest.mark.parametrize(
    ("headers", "disallowed"),
    [
        ([], False),
        ([""], False),
        (["noai"], True),
        (["NoAI"], True),
        (["all, noimageai"], True),
        (["nofollow"], False),
        (["nofollow", "noindex"], True),
        (["otherbot: noindex, nofollow"], False),
        (["ourbot: noindex"], True),
        (["otherbot: nofollow, ourbot: noai"], True),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST"], False),
        (["noindex, unavailable_after: 25 Jun 2010 15:00:00 PST"], True),
        (["max-snippet: 20, noai"], True),
        (["noaiimages"], False),
        (["unavailable_after: Fri, 25 Jun 2030 15:00:00 GMT, noindex"], True),
        (["*: noai"], True),
        (["all: noimageai"], True),
        (["rating: adult, noai"], True),
        (["noai; noimageai"], True),
        (["none"], True),
        (["otherbot: none"], False),
        ([b"\xff"], True),
    ],
)
def test_directives(headers: list[str], disallowed: bool) -> None:
    assert is_disallowed(headers, "ourbot") is disallowed
