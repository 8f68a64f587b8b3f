"""Folders of embeddings: where clip-retrieval and DataComp keep vectors and their metadata."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.numbered_files import by_number, listed, missing_numbers

Form = Literal["clip_retrieval", "datacomp"]
_FOLDERS = {"image": "img_emb", "text": "text_emb"}


@dataclass(frozen=True)
class EmbeddingFolder:
    """A folder that the driver and every worker can open.

    clip_retrieval: img_emb/img_emb_0.npy or text_emb/text_emb_0.npy beside
    metadata/metadata_0.parquet. datacomp: x.npz beside x.parquet.
    """

    path: Path
    form: Form
    modality: Literal["text", "image"]

    def pairs(self, *, allow_gaps: bool = False) -> list[tuple[str, str]]:
        """(file of vectors, file of metadata), by number or name.

        Raises InputDataError where one is without the other, or where a number of clip-retrieval's
        is missing, unless `allow_gaps`.
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
        _refuse_alone((rows, file) for file, rows in pairs if rows not in metadata)
        alone = sorted(metadata - {rows for _, rows in pairs})
        _refuse_alone((file.with_suffix(".npz"), file) for file in alone)
        return pairs

    def _numbered_pairs(self, allow_gaps: bool) -> list[tuple[Path, Path]]:
        name = _FOLDERS[self.modality]
        folder, rows_folder = self.path / name, self.path / "metadata"
        vectors = by_number(folder.glob("*.npy"), name)
        if not vectors:
            return []
        metadata = by_number(rows_folder.glob("*.parquet"), "metadata")
        names = {n: rows_folder / f"metadata_{_digits(vectors[n])}.parquet" for n in vectors}
        _refuse_alone((names[n], vectors[n]) for n in vectors if n not in metadata)
        _refuse_alone(
            (folder / f"{name}_{_digits(metadata[n])}.npy", metadata[n])
            for n in metadata
            if n not in vectors
        )
        missing = missing_numbers(vectors)
        if missing and not allow_gaps:
            raise InputDataError(
                f"{folder}: has {len(vectors)} files, but none with the numbers {listed(missing)}; "
                "bring them, or give --allow-gaps where they never had rows"
            )
        return [(vectors[n], metadata[n]) for n in vectors]

    def namer(self, n_files: int) -> Callable[[int], tuple[str, str]]:
        """The names of the n-th of so many pairs."""
        digits, path, form, modality = len(str(n_files - 1)), self.path, self.form, self.modality

        def name(number: int) -> tuple[str, str]:
            if form == "datacomp":
                return str(path / f"{number:08}.npz"), str(path / f"{number:08}.parquet")
            padded, folder = f"{number:0{digits}}", _FOLDERS[modality]
            vectors = path / folder / f"{folder}_{padded}.npy"
            return str(vectors), str(path / "metadata" / f"metadata_{padded}.parquet")

        return name


def _digits(file: Path) -> str:
    return file.stem.rpartition("_")[2]


def _refuse_alone(pairs: Iterable[tuple[Path, Path]]) -> None:
    """Raise InputDataError for the first of (file that is not there, file that needs it)."""
    for missing, there in pairs:
        raise InputDataError(f"{there}: {missing} is not there")
