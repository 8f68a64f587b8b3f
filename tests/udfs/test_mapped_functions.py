"""Functions whose arrays lie in files: equal results, shared memory, files that are not whole."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark import SparkFiles, cloudpickle

from udfs.arrow import Batches
from udfs.mapped_functions import File, MappedFileError, mapped_function
from udfs.text.concept_matches import add_entry_ids
from udfs.text.matchers import MetaclipMatcher, metaclip2_matcher
from udfs.text.token_trie import build_token_trie

MOST = 1_000
ARRAYS = {
    "large": np.arange(1_000),
    "columns": np.asfortranarray(np.arange(600.0).reshape(20, 30)),
    "small": np.arange(3, dtype=np.int8),
    "none": np.zeros(0, np.uint64),
    "rows": np.zeros(200, [("a", "<i4"), ("b", "<f8")]),
    "every second": np.arange(2_000)[::2],
    "texts": np.array(["ä", None], object),
}


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """function -> that function as a worker has it, by a closure of few bytes."""
    monkeypatch.setattr(SparkFiles, "_root_directory", str(tmp_path))
    monkeypatch.setattr(SparkFiles, "_is_running_on_worker", True)

    def received(function: Any) -> Any:
        mapped, files = mapped_function(function, MOST)
        for file in files:
            file.write(tmp_path / file.layout.name)
        pickled = cloudpickle.dumps(mapped)
        assert len(pickled) < 2 * MOST
        return cloudpickle.loads(pickled).unpickled()

    return received


def function_of(value: object) -> Callable[[Batches], Any]:
    """A function that is pickled with the value, and returns it."""
    return lambda _batches: value


def test_whatever_a_function_refers_to_arrives(worker: Callable[[Any], Any]) -> None:
    texts = pa.array(["ä", None, "b" * 2_000])
    names = {f"lemma {i}": i for i in range(200)}
    arrays, received_texts, received_names = worker(function_of((ARRAYS, texts, names)))([])
    assert (received_texts, received_names) == (texts, names)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert np.isfortran(arrays[name]) == np.isfortran(array)
        assert arrays[name].flags.writeable  # numba compiles anew for others
        assert arrays[name].flags.aligned
        np.testing.assert_array_equal(arrays[name], array)


def test_a_small_function_stays_as_it_is() -> None:
    function = function_of(np.zeros(100, np.uint8))
    n_bytes = len(cloudpickle.dumps(function, protocol=5, buffer_callback=lambda _: None)) + 100
    assert mapped_function(function, n_bytes) == (function, [])
    assert len(mapped_function(function, n_bytes - 1)[1]) == 1


def test_memory_is_shared_until_it_is_written(worker: Callable[[Any], Any], tmp_path: Path) -> None:
    array = np.arange(1 << 16)
    first, second = (worker(function_of(array))([]) for _ in range(2))
    assert first.sum() == second.sum() == array.sum()
    assert private_kb(tmp_path) == [0, 0]
    first[:] = 0
    assert second.sum() == array.sum()
    assert sorted(private_kb(tmp_path)) == [0, array.nbytes >> 10]
    assert worker(function_of(array))([]).sum() == array.sum()


def private_kb(folder: Path) -> list[int]:
    """Memory of this process alone in each map of a file in the folder, from the kernel."""
    maps = Path("/proc/self/smaps").read_text().split("VmFlags:")
    return [int(re.search(r"Private_Dirty: +(\d+)", m)[1]) for m in maps if f"{folder}/" in m]  # type: ignore[index]


def test_functions_with_the_same_bank_share_its_files() -> None:
    bank, other = np.arange(1_000), np.arange(1_000)
    of_bank, with_more, of_other = (
        {file.layout.name for file in mapped_function(function_of(value), MOST)[1]}
        for value in (bank, (bank.copy(), "more"), other + 1)
    )
    assert (len(of_bank), len(of_bank & with_more), len(of_bank & of_other)) == (2, 1, 1)


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 64, b"x" * 128, b"x" * 1_152])
def test_a_file_that_is_not_whole_is_refused(
    worker: Callable[[Any], Any], tmp_path: Path, content: bytes
) -> None:
    mapped, files = mapped_function(function_of(bytes(1_025)), MOST)
    [file] = files
    path = tmp_path / file.layout.name
    with pytest.raises(FileNotFoundError):
        mapped.unpickled()  # type: ignore[attr-defined]
    path.write_bytes(content)
    with pytest.raises(MappedFileError, match=r"bytes, expected|has other bytes than the driver"):
        mapped.unpickled()  # type: ignore[attr-defined]
    file.write(path)
    assert mapped([]) == bytes(1_025)
    path.unlink()


def test_names_follow_from_contents() -> None:
    parts = [memoryview(b"a" * n) for n in (1, 64, 65)]
    assert len({File.of([part]).layout.name for part in parts}) == 3
    assert File.of(parts).layout.starts == [0, 64, 128, 256]


def test_captions_match_as_in_the_closure(worker: Callable[[Any], Any]) -> None:
    draws = np.random.default_rng(0)
    words = np.array(["cat", "dogs", "犬", "a", "über", "St. Bernard", "x-ray"])
    entries = [*dict.fromkeys(" ".join(draws.choice(words, n)) for n in draws.integers(1, 4, 300))]
    captions = [" ".join(draws.choice(words, n)) for n in draws.integers(0, 9, 2_000)]
    langs = draws.choice(["en", "ja", None], len(captions))  # type: ignore[arg-type]
    columns = {"caption": pa.array(captions), "lang": pa.array(langs, pa.string())}
    batch = pa.RecordBatch.from_pydict(columns)
    for matcher in (
        MetaclipMatcher(build_token_trie(pa.array(entries))),
        metaclip2_matcher(entries, [["en", "ja"][i % 2] for i in range(len(entries))]),
    ):
        match = add_entry_ids(matcher, ["caption"], spans="spans")
        [expected], [found] = match([batch]), worker(match)([batch])
        assert found.equals(expected)
        assert len(found.column("entry_ids").flatten()) > 1_000
