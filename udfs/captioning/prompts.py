"""Prompts: a Jinja template into which a concept is put as it is."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

CONCEPT = "{{ concept }}"  # stands for the concept in a prompt's digest
_MARK = "\ue000"  # a character of private use, in place of a concept


class PromptError(ValueError):
    """A template that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Prompt:
    """A template with the variables `concept` and `max_words`.

    The concept's text is data: braces, quotes and line feeds in it stay literal.
    """

    template: str
    max_words: int | None = None

    def of(self, concept: str) -> str:
        """The prompt for a concept."""
        return str(_compiled(self.template).render(concept=concept, max_words=self.max_words))

    def parts(self) -> list[str]:
        """The prompt's text before, between and after the places of the concept."""
        return self.of(_MARK).split(_MARK)

    @property
    def sha256(self) -> str:
        """Digest of the prompt's text, in hex, whatever its concept."""
        return hashlib.sha256(CONCEPT.join(self.parts()).encode()).hexdigest()

    def check(self) -> None:
        """Raise PromptError if the template is faulty or does not name the concept."""
        import jinja2

        try:
            parts = self.parts()
        except jinja2.TemplateError as fault:
            raise PromptError(f"is no Jinja template: {fault}") from None
        except Exception as fault:  # what the template's expressions raise
            raise PromptError(f"cannot be filled in: {fault}") from None
        if len(parts) < 2:
            raise PromptError(f"does not name the concept, expected {CONCEPT} in it")


@lru_cache(maxsize=4)
def _compiled(template: str) -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    return environment.from_string(template)
