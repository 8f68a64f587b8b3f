"""Folders of embeddings in the layouts of clip-retrieval and DataComp (Gadre et al. 2023)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.numbered_files import files_by_number, format_numbers, missing_numbers

Form = Literal["clip_retrieval", "datacomp"]
_FOLDERS = {"image": "img_emb", "text": "text_emb"}


@dataclass(frozen=True)
class EmbeddingFolder:
    """A folder of vectors and their metadata that the driver and every worker can open.

    clip_retrieval: img_emb/img_emb_0.npy or text_emb/text_emb_0.npy, with
    metadata/metadata_0.parquet. datacomp: x.npz, with x.parquet.
    """

    path: Path
    form: Form
    modality: Literal["text", "image"]

    def pairs(self, *, allow_gaps: bool = False) -> list[tuple[str, str]]:
        """(file of vectors, file of metadata) pairs, sorted by number or name.

        Raises InputDataError if a file lacks its counterpart or, unless `allow_gaps`, if a number
        is missing in clip-retrieval's layout.
        """
        is_numbered = self.form == "clip_retrieval"
        pairs = self._numbered_pairs(allow_gaps) if is_numbered else self._named_pairs()
        if not pairs:
            raise InputDataError(f"{self.path}: holds no vectors of {self.form}")
        return [(str(vectors), str(rows)) for vectors, rows in pairs]

    def _named_pairs(self) -> list[tuple[Path, Path]]:
        vectors = sorted(self.path.rglob("*.npz"))
        if not vectors:
            return []
        metadata = set(self.path.rglob("*.parquet"))
        pairs = [(file, file.with_suffix(".parquet")) for file in vectors]
        _refuse_unpaired((rows, file) for file, rows in pairs if rows not in metadata)
        unpaired_metadata = sorted(metadata - {rows for _, rows in pairs})
        _refuse_unpaired((file.with_suffix(".npz"), file) for file in unpaired_metadata)
        return pairs

    def _numbered_pairs(self, allow_gaps: bool) -> list[tuple[Path, Path]]:
        name = _FOLDERS[self.modality]
        folder, rows_folder = self.path / name, self.path / "metadata"
        vectors = files_by_number(folder.glob("*.npy"), name)
        if not vectors:
            return []
        metadata = files_by_number(rows_folder.glob("*.parquet"), "metadata")
        expected_metadata = {
            n: rows_folder / f"metadata_{_number_digits(vectors[n])}.parquet" for n in vectors
        }
        _refuse_unpaired((expected_metadata[n], vectors[n]) for n in vectors if n not in metadata)
        _refuse_unpaired(
            (folder / f"{name}_{_number_digits(metadata[n])}.npy", metadata[n])
            for n in metadata
            if n not in vectors
        )
        missing = missing_numbers(vectors)
        if missing and not allow_gaps:
            raise InputDataError(
                f"{folder}: has {len(vectors)} files, but none with the numbers "
                f"{format_numbers(missing)}; bring them, or give --allow-gaps where they never had "
                "rows"
            )
        return [(vectors[n], metadata[n]) for n in vectors]

    def namer(self, n_files: int) -> Callable[[int], tuple[str, str]]:
        """Function number -> (file of vectors, file of metadata), for `n_files` pairs to write."""
        n_digits, path, form, modality = len(str(n_files - 1)), self.path, self.form, self.modality

        def pair_paths(number: int) -> tuple[str, str]:
            if form == "datacomp":
                return str(path / f"{number:08}.npz"), str(path / f"{number:08}.parquet")
            padded_number, folder = f"{number:0{n_digits}}", _FOLDERS[modality]
            vectors = path / folder / f"{folder}_{padded_number}.npy"
            return str(vectors), str(path / "metadata" / f"metadata_{padded_number}.parquet")

        return pair_paths


def _number_digits(file: Path) -> str:
    return file.stem.rpartition("_")[2]


def _refuse_unpaired(pairs: Iterable[tuple[Path, Path]]) -> None:
    """Raise InputDataError for the first of the pairs (missing file, file that needs it)."""
    for missing, existing in pairs:
        raise InputDataError(f"{existing}: {missing} is not there")
