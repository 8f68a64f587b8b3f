"""Loading a model without its libraries' progress bars and warnings."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within it transformers shows no bars, and nobody warns of weights that are loaded next."""
    from transformers.utils import logging as transformers_logging

    had_bars = transformers_logging.is_progress_bar_enabled()
    usual = logging.root.manager.disable
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(usual)
        if had_bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
