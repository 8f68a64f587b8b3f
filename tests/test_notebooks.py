"""Every notebook runs from its first cell to its last."""

from pathlib import Path
from typing import Any

import pytest

from tests.processes import QUICK_JAVA

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    import nbformat

    cells = nbformat.read(path, as_version=4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, real_data: Path, monkeypatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    for name, value in QUICK_JAVA.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CAPTIONLAKE_FREQUENCIES", str(real_data / "imagenet_frequencies"))
    monkeypatch.setenv("CAPTIONLAKE_CAPTIONS", str(real_data / "blip_coco"))
    monkeypatch.setenv("CAPTIONLAKE_SEEDS", "1")
    monkeypatch.setenv("CAPTIONLAKE_ROWS", "1000")
    monkeypatch.setenv("CAPTIONLAKE_SAMPLES_SEEN", "256")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert len([output for output in outputs if is_picture(output)]) == 2
    assert not [output for output in outputs if output.output_type == "error"]


def is_picture(output: dict[str, Any]) -> bool:
    """Whether an output is an image, of its own or in the HTML of a result."""
    content = output.get("data", {})
    return "image/" in str(content.keys()) or "<img " in content.get("text/html", "")
