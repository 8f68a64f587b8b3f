"""import-embeddings: read vectors of clip-retrieval or DataComp into a table of embeddings."""

from pydantic import Field
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.addresses import folder_of_files
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import FAULT, UID
from spark_jobs.core.settings import InputAddress, OutputAddress, Settings
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.formats import vector_files
from spark_jobs.formats.clip_retrieval_embeddings import EmbeddingFolder, Form
from spark_jobs.formats.clip_retrieval_index import Modality
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run


class ImportEmbeddings(Settings):
    """Settings of import-embeddings."""

    input: InputAddress = Field(description="folder of vectors, seen by every worker or in a store")
    form: Form = Field(
        description="clip_retrieval: img_emb/*.npy or text_emb/*.npy beside metadata/*.parquet; "
        "datacomp: *.npz beside *.parquet"
    )
    modality: Modality = Field("image", description="of clip_retrieval: text_emb or img_emb")
    array: str = Field("l14_img", description="of datacomp: l14_img, l14_txt, b32_img or b32_txt")
    uid_column: str = Field(UID, description="column of the metadata that becomes uid")
    model: str = Field(description="the model that made them, such as open_clip:ViT-L-14")
    weights: str = Field("imported", description="told of them; what is compared must be the same")
    allow_gaps: bool = Field(
        False, description="take files of clip_retrieval although some of their numbers are missing"
    )
    output: OutputAddress = Field(description="embeddings, of unit length")


def run(run: Run, settings: ImportEmbeddings) -> Counts:
    """Read pairs of files of vectors and metadata, one per task."""
    folder = EmbeddingFolder(folder_of_files(settings.input), settings.form, settings.modality)
    pairs = folder.pairs(allow_gaps=settings.allow_gaps)
    uids = vector_files.read_keys(run.spark, pairs, uid_column=settings.uid_column)
    refuse_repeated_or_null_keys(
        uids, [UID], settings.input, "expected one vector a uid; see --uid-column"
    )
    rows = vector_files.read(
        run.spark,
        pairs,
        array=settings.array if settings.form == "datacomp" else None,
        uid_column=settings.uid_column,
        model=settings.model,
        weights=settings.weights,
    )
    written = run.write(rows, settings.output)
    stored = run.read(settings.output, schemas.EMBEDDINGS)
    faulty = count_rows(stored.where(F.col(FAULT).isNotNull()))
    return {"files": len(pairs), "rows": written, "faulty": faulty}


JOB = Job(
    "import-embeddings",
    "Read vectors from clip-retrieval's folders or DataComp's npz files into a table.",
    ImportEmbeddings,
    run,
    shared_folders=("input",),
    example=(
        "captionlake import-embeddings --input ./embeddings --form clip_retrieval \\\n"
        "  --model open_clip:ViT-B-32 --output ./image_vectors"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
