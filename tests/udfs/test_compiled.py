import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from udfs import compiled


@pytest.fixture(autouse=True)
def fresh_choice_of_folder() -> Iterator[None]:
    compiled._cache_folder.cache_clear()
    yield
    compiled._cache_folder.cache_clear()


def kernel(x: int) -> int:
    return x + 1


def test_machine_code_is_kept_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert compiled.compiled(kernel)(1) == 2
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.glob("*.nbc"))) == 1
    again = compiled.compiled(kernel)
    assert again(2) == 3
    assert sum(again.stats.cache_hits.values()) == 1  # type: ignore[attr-defined]


def test_without_a_folder_to_write_to_it_compiles_for_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    monkeypatch.setattr(compiled.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    assert compiled._cache_folder() is None
    with compiled.one_compiles("kernel"):
        assert compiled.compiled(kernel)(1) == 2


def test_a_folder_of_somebody_else_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "shared"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    assert "shared" in str(compiled._cache_folder())
    compiled._cache_folder.cache_clear()
    owner = compiled.os.getuid()
    monkeypatch.setattr(compiled.os, "getuid", lambda: owner + 1)
    assert compiled._cache_folder() is None


def test_one_compiles_and_later_nobody_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    inside, most = [], []

    def compile_once() -> None:
        with compiled.one_compiles("kernel"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.05)
            inside.pop()

    def run_four() -> list[int]:
        most.clear()
        threads = [threading.Thread(target=compile_once) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return most

    assert run_four() == [1, 1, 1, 1]
    assert max(run_four()) > 1


def test_a_function_inside_another_refers_to_kernels_by_name() -> None:
    """A kernel that a worker got by value would be compiled there again, in each process."""
    from pyspark import cloudpickle

    from udfs.forest import link_all

    def inside() -> object:
        return link_all

    dumps = cloudpickle.dumps  # type: ignore[attr-defined]
    assert cloudpickle.loads(dumps(inside))() is link_all
    local = compiled.compiled(kernel)  # of no module: a copy
    assert cloudpickle.loads(dumps(local))(1) == 2
