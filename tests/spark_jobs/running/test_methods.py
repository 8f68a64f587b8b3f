"""docs/methods.md is what the modules say of their papers, and leaves none out."""

from pathlib import Path

import pytest

from spark_jobs.core.papers import CITATIONS
from spark_jobs.running import methods
from spark_jobs.running.methods import all_methods, methods_markdown, recipes_of

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_modules_say() -> None:
    page = (ROOT / "docs/methods.md").read_text()
    assert page == methods_markdown() + "\n", "captionlake methods > docs/methods.md"


def test_every_paper_has_a_module_and_every_module_a_job_or_is_for_trainers() -> None:
    assert {method.paper for method in all_methods()} == set(CITATIONS)
    without_job = [method for method in all_methods() if not method.jobs]
    assert {method.module.rpartition(".")[0] for method in without_job} == {"udfs.training"}


@pytest.mark.parametrize(
    ("paper", "module", "job", "recipe"),
    [
        ("MetaCLIP", "spark_jobs.balancing.keep", "balance-captions", "metaclip"),
        ("SynthCLIP", "spark_jobs.balancing.keep", "balance-captions", "synthclip"),
        ("YFCC15M-Cls", "spark_jobs.labelling.labels", "label-synsets", "yfcc15m_cls"),
        ("clip-beyond-tail", "spark_jobs.subsets.match", "match-frequencies", "laionet_subsets"),
        ("LAIONet", "spark_jobs.scoring.to_definitions", "score-definitions", "laionet"),
        (
            "unmet-promise",
            "spark_jobs.retrieval.search",
            "search-substrings",
            "retrieval_substring",
        ),
    ],
)
def test_a_method_is_found_by_its_paper(paper: str, module: str, job: str, recipe: str) -> None:
    steps = {method.module: method.jobs for method in all_methods() if method.paper == paper}
    assert job in steps[module]
    assert recipe in recipes_of(paper)
    assert "metaclip2" not in recipes_of("MetaCLIP")


def test_a_paper_that_is_not_cited_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "CITATIONS", {})
    with pytest.raises(ValueError, match="expected 'paper, place: what'"):
        all_methods()
