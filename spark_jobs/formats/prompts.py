"""Prompt templates: of `conf/prompts` by name, or files of one's own."""

from importlib.resources.abc import Traversable
from pathlib import Path

from spark_jobs.core.conf_files import conf_file
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.settings import did_you_mean
from udfs.captioning.prompts import Prompt, PromptError

_SUFFIX = ".j2"


def prompt_names() -> list[str]:
    """Names of the templates that come with captionlake, sorted."""
    files = (file.name for file in conf_file("prompts").iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX))


def is_file(prompt: str) -> bool:
    """Whether a prompt is given as a file, not by name."""
    return "/" in prompt or prompt.endswith(_SUFFIX)


def read_prompt(prompt: str, max_words: int | None) -> Prompt:
    """The prompt of a name or file; SettingsError if there is none or it cannot be used."""
    file: Path | Traversable = Path(prompt)
    if not is_file(prompt):
        file = conf_file("prompts", f"{prompt}{_SUFFIX}")
        if not file.is_file():
            names = prompt_names()
            raise SettingsError(
                f"no prompt {prompt!r}{did_you_mean(prompt, names)}; there are "
                f"{', '.join(names)}, or give a file that ends in {_SUFFIX}"
            )
    try:
        template = file.read_bytes().decode("utf-8-sig")
    except OSError as fault:
        raise SettingsError(f"prompt {prompt}: cannot be read ({fault.strerror})") from None
    except UnicodeDecodeError as fault:
        raise SettingsError(f"prompt {prompt}: is no UTF-8 text (byte {fault.start})") from None
    read = Prompt(template, max_words)
    try:
        read.check()
    except PromptError as fault:
        raise SettingsError(f"prompt {prompt}: {fault}") from None
    return read
