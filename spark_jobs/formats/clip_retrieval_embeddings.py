"""Folders of embeddings in the layouts of clip-retrieval and DataComp (Gadre et al. 2023)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.numbered_files import files_by_number, format_numbers, missing_numbers
from spark_jobs.storage.outputs.folder_marks import visible_files_in

Form = Literal["clip_retrieval", "datacomp"]
_Pair: TypeAlias = tuple[PurePosixPath, PurePosixPath]  # (file of vectors, file of metadata)
_FOLDERS = {"image": "img_emb", "text": "text_emb"}


@dataclass(frozen=True)
class EmbeddingFolder:
    """A folder of vectors and their metadata, on a disk that all machines see or in a store.

    clip_retrieval: img_emb/img_emb_0.npy or text_emb/text_emb_0.npy, with
    metadata/metadata_0.parquet. datacomp: x.npz, with x.parquet.
    """

    location: str
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
            raise InputDataError(f"{self.location}: holds no vectors of {self.form}")
        return [
            (f"{self.location}/{vectors}", f"{self.location}/{rows}") for vectors, rows in pairs
        ]

    def _files(self, suffix: str) -> list[PurePosixPath]:
        """Paths, relative to the folder, of the files with a suffix, sorted."""
        names = map(PurePosixPath, visible_files_in(self.location))
        return sorted(file for file in names if file.suffix == suffix)

    def _named_pairs(self) -> list[_Pair]:
        vectors = self._files(".npz")
        if not vectors:
            return []
        metadata = set(self._files(".parquet"))
        pairs = [(file, file.with_suffix(".parquet")) for file in vectors]
        self._refuse_unpaired((rows, file) for file, rows in pairs if rows not in metadata)
        unpaired_metadata = sorted(metadata - {rows for _, rows in pairs})
        self._refuse_unpaired((file.with_suffix(".npz"), file) for file in unpaired_metadata)
        return pairs

    def _numbered_pairs(self, allow_gaps: bool) -> list[_Pair]:
        name = _FOLDERS[self.modality]
        folder, rows_folder = PurePosixPath(name), PurePosixPath("metadata")
        in_folder = (file for file in self._files(".npy") if file.parent == folder)
        vectors = files_by_number(in_folder, name, self.location)
        if not vectors:
            return []
        rows = (file for file in self._files(".parquet") if file.parent == rows_folder)
        metadata = files_by_number(rows, "metadata", self.location)
        expected_metadata = {
            n: rows_folder / f"metadata_{_number_digits(vectors[n])}.parquet" for n in vectors
        }
        self._refuse_unpaired(
            (expected_metadata[n], vectors[n]) for n in vectors if n not in metadata
        )
        self._refuse_unpaired(
            (folder / f"{name}_{_number_digits(metadata[n])}.npy", metadata[n])
            for n in metadata
            if n not in vectors
        )
        missing = missing_numbers(vectors)
        if missing and not allow_gaps:
            raise InputDataError(
                f"{self.location}/{folder}: has {len(vectors)} files, but none with the numbers "
                f"{format_numbers(missing)}; bring them, or give --allow-gaps where they never had "
                "rows"
            )
        return [(vectors[n], metadata[n]) for n in vectors]

    def namer(self, n_files: int) -> Callable[[int], tuple[str, str]]:
        """Function number -> (file of vectors, file of metadata), for `n_files` pairs to write."""
        n_digits, location = len(str(n_files - 1)), self.location
        form, folder = self.form, _FOLDERS[self.modality]

        def pair_paths(number: int) -> tuple[str, str]:
            if form == "datacomp":
                return f"{location}/{number:08}.npz", f"{location}/{number:08}.parquet"
            padded_number = f"{number:0{n_digits}}"
            vectors = f"{location}/{folder}/{folder}_{padded_number}.npy"
            return vectors, f"{location}/metadata/metadata_{padded_number}.parquet"

        return pair_paths

    def _refuse_unpaired(self, pairs: Iterable[_Pair]) -> None:
        """Raise InputDataError for the first of the pairs (missing file, file that needs it)."""
        for missing, existing in pairs:
            raise InputDataError(f"{self.location}/{existing}: {missing} is not there")


def _number_digits(file: PurePosixPath) -> str:
    return file.stem.rpartition("_")[2]
