"""export-embeddings: write a table of embeddings as files of clip-retrieval or DataComp."""

from pydantic import Field, PositiveInt, field_validator

from spark_jobs.core.addresses import folder_of_files
from spark_jobs.core.settings import InputAddress, OutputFolder, Settings
from spark_jobs.formats import vector_files
from spark_jobs.formats.clip_retrieval_embeddings import EmbeddingFolder, Form
from spark_jobs.formats.clip_retrieval_index import Modality
from spark_jobs.formats.embeddings import read_embeddings, refuse_missing_vectors, with_metadata
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
        description="folder, seen by every worker or in a store, with no files but those of an "
        "earlier export"
    )

    @field_validator("output")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        folder_of_files(value)
        return value

    def folder_content(self) -> str:
        """Names form and modality, so that vectors of another one in the same folder stay."""
        modality = f"--modality {self.modality}" if self.form == "clip_retrieval" else self.array
        return f"export-embeddings --form {self.form} {modality}"


def run(run: Run, settings: ExportEmbeddings) -> Counts:
    """Write pairs of files of vectors and metadata, one per task; replace an earlier export."""
    embeddings = read_embeddings(run, settings.embeddings)
    rows = with_metadata(run, embeddings, settings.captions)
    n_files = max(1, -(-embeddings.n_rows // settings.rows_per_file))
    metadata = run.output_metadata(settings.output)
    content = settings.folder_content()
    with replaced_folder(settings.output, metadata, content=content) as new_folder:
        folder = EmbeddingFolder(new_folder, settings.form, settings.modality)
        with batches_that_fit(embeddings.rows):
            rows_of_files = vector_files.write(
                rows,
                folder.namer(n_files),
                array=settings.array if settings.form == "datacomp" else None,
                n_files=n_files,
                source=embeddings.address,
            )
        refuse_missing_vectors(embeddings, sum(rows_of_files), f"output {settings.output}")
    return {
        "files": len(rows_of_files),
        "rows": embeddings.n_rows,
        "without_vector": embeddings.n_without,
    }


JOB = Job(
    "export-embeddings",
    "Write embeddings as clip-retrieval's folders or DataComp's npz files.",
    ExportEmbeddings,
    run,
    shared_folders=("output",),
    example=(
        "captionlake export-embeddings --embeddings ./image_vectors \\\n"
        "  --form clip_retrieval --output ./files"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
