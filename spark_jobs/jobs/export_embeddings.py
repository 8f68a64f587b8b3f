"""export-embeddings: a table of embeddings as files of clip-retrieval or DataComp."""

from pathlib import Path

from pydantic import Field, PositiveInt, field_validator

from spark_jobs.core.addresses import local_folder
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.settings import InputAddress, OutputFolder, Settings
from spark_jobs.formats import vector_files
from spark_jobs.formats.clip_retrieval_embeddings import EmbeddingFolder, Form
from spark_jobs.formats.clip_retrieval_index import Modality
from spark_jobs.formats.embeddings import read_embeddings, with_metadata
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.run import Counts, Run


class ExportEmbeddings(Settings):
    """Settings of export-embeddings."""

    embeddings: InputAddress = Field(description="embeddings, with uid")
    captions: InputAddress | None = Field(
        None, description="captions whose columns are to stand in the metadata beside uid"
    )
    form: Form = Field(
        description="clip_retrieval: img_emb/*.npy or text_emb/*.npy beside metadata/*.parquet; "
        "datacomp: *.npz beside *.parquet"
    )
    modality: Modality = Field("image", description="of clip_retrieval: text_emb or img_emb")
    array: str = Field("l14_img", description="of datacomp: l14_img, l14_txt, b32_img or b32_txt")
    rows_per_file: PositiveInt = Field(100_000, le=10**9, description="vectors of a file, about")
    output: OutputFolder = Field(
        description="folder, seen by every worker, with no files but those of an earlier export"
    )

    @field_validator("output")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        local_folder(value)
        return value

    def folder_content(self) -> str:
        """Vectors of another form or modality in the folder are another export, and stay."""
        which = f"--modality {self.modality}" if self.form == "clip_retrieval" else self.array
        return f"export-embeddings --form {self.form} {which}"


def run(run: Run, settings: ExportEmbeddings) -> Counts:
    """Write a pair of files in each task; what an earlier export wrote is replaced."""
    embeddings = read_embeddings(run, settings.embeddings)
    rows = with_metadata(run, embeddings, settings.captions)
    n_files = max(1, -(-embeddings.n_rows // settings.rows_per_file))
    commit = run.output_metadata(settings.output)
    with replaced_folder(settings.output, commit, content=settings.folder_content()) as beside:
        folder = EmbeddingFolder(Path(beside), settings.form, settings.modality)
        with batches_that_fit(embeddings.rows):
            written = vector_files.write(
                rows,
                folder.namer(n_files),
                array=settings.array if settings.form == "datacomp" else None,
                n_files=n_files,
                source=embeddings.address,
            )
        if sum(written) != embeddings.n_rows:
            raise InputDataError(
                f"output {settings.output}: {sum(written):,} of {embeddings.n_rows:,} vectors of "
                f"{embeddings.address} were written; did it change meanwhile?"
            )
    return {
        "files": len(written),
        "rows": embeddings.n_rows,
        "without_vector": embeddings.n_without,
    }


JOB = Job(
    "export-embeddings",
    "Write embeddings as clip-retrieval's folders or DataComp's npz.",
    ExportEmbeddings,
    run,
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
