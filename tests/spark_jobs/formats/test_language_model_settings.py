"""Settings of language models: what tasks have of them together."""

import pytest

from spark_jobs.formats.language_model_settings import LanguageModelSettings
from udfs.captioning.openai_backend import OpenAIBackend
from udfs.captioning.prompts import Prompt


@pytest.mark.parametrize(
    ("concurrency", "tasks", "expected"),
    [(32, None, 1), (64, None, 2), (8, None, 1), (8, 3, 3), (8, 100, 8), (1, 2, 1)],
)
def test_tasks_together_have_no_more_connections_than_allowed(
    concurrency: int, tasks: int | None, expected: int
) -> None:
    settings = LanguageModelSettings(
        backend="openai", server="http://x/v1", model="m", concurrency=concurrency, tasks=tasks
    )
    assert settings.given_tasks() == expected
    backend = settings.backend_of_task(Prompt("{{ concept }}"), expected, has_answered=True)
    assert isinstance(backend, OpenAIBackend)
    assert backend.concurrency * expected <= concurrency
    assert backend.has_answered


def test_tasks_of_a_model_in_process_go_by_the_captions_unless_they_are_given() -> None:
    assert LanguageModelSettings().given_tasks() is None
    assert LanguageModelSettings(tasks=7).given_tasks() == 7
