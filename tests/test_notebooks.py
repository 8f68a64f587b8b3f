"""Every notebook runs from its first cell to its last."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.processes import QUICK_JAVA

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    import nbformat

    cells = nbformat.read(path, as_version=4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.fixture(scope="module")
def kernel(real_data: Path) -> Iterator[KernelManager]:
    """One Python for all notebooks: they start Spark once."""
    from jupyter_client.manager import KernelManager

    few_rows = {
        "CAPTIONLAKE_FREQUENCIES": str(real_data / "imagenet_frequencies"),
        "CAPTIONLAKE_CAPTIONS": str(real_data / "blip_coco"),
        "CAPTIONLAKE_SEEDS": "1",
        "CAPTIONLAKE_ROWS": "1000",
        "CAPTIONLAKE_SAMPLES_SEEN": "256",
    }
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env={**os.environ, **QUICK_JAVA, **few_rows})
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, kernel: KernelManager) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    forget = nbformat.v4.new_code_cell("%reset -f")
    notebook.cells.insert(0, forget)
    NotebookClient(notebook, km=kernel, timeout=600).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert len([output for output in outputs if is_picture(output)]) == 2
    assert not [output for output in outputs if output.output_type == "error"]


def is_picture(output: dict[str, Any]) -> bool:
    """Whether an output is an image, of its own or in the HTML of a result."""
    content = output.get("data", {})
    return "image/" in str(content.keys()) or "<img " in content.get("text/html", "")
