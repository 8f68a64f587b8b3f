"""Folders of embeddings: where clip-retrieval and DataComp keep vectors and their metadata."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spark_jobs.errors import InputDataError

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

    def pairs(self) -> list[tuple[str, str]]:
        """(file of vectors, file of metadata), sorted; InputDataError where one is alone."""
        if self.form == "datacomp":
            files = sorted(self.path.rglob("*.npz"))
            found = [(file, file.with_suffix(".parquet")) for file in files]
        else:
            name = _FOLDERS[self.modality]
            files = sorted((self.path / name).glob(f"{name}_*.npy"))
            metadata = self.path / "metadata"
            found = [
                (file, metadata / f"metadata_{file.stem.rpartition('_')[2]}.parquet")
                for file in files
            ]
        if not found:
            raise InputDataError(f"{self.path}: holds no vectors of {self.form}")
        for vectors, rows in found:
            if not rows.is_file():
                raise InputDataError(f"{vectors}: {rows} is not there")
        return [(str(vectors), str(rows)) for vectors, rows in found]

    def namer(self, n_files: int) -> Callable[[int], tuple[str, str]]:
        """The names of the n-th of so many pairs."""
        digits, path, form, modality = len(str(n_files - 1)), self.path, self.form, self.modality

        def name(number: int) -> tuple[str, str]:
            if form == "datacomp":
                return str(path / f"{number:08}.npz"), str(path / f"{number:08}.parquet")
            told, folder = f"{number:0{digits}}", _FOLDERS[modality]
            vectors = path / folder / f"{folder}_{told}.npy"
            return str(vectors), str(path / "metadata" / f"metadata_{told}.parquet")

        return name
