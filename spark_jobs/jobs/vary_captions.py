"""vary-captions: build captions of ImageNet-Captions records from their texts and class names."""

from typing import Self

from pydantic import Field, model_validator
from pyspark.sql.types import ArrayType, StringType, StructField, StructType

from spark_jobs.concepts.imagenet_prompts import imagenet_templates
from spark_jobs.concepts.synsets import imagenet_synsets
from spark_jobs.core import schemas
from spark_jobs.core.columns import free_name, keys
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CLASS_IDX, UID, WNID
from spark_jobs.core.settings import InputAddress, OutputAddress, require_one_or_both
from spark_jobs.formats.label_file_settings import LabelFileSettings
from spark_jobs.formats.label_files import write_class_frequencies
from spark_jobs.ingest.record_texts import DESCRIPTION, TAGS, TEXTS, TITLE, Text
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run
from spark_jobs.subsets.draw import count_classes, rows_of_classes
from spark_jobs.subsets.imagenet_classes import imagenet_class_names
from spark_jobs.subsets.vary import NamedClass, Template, templates_of, vary

_TEXT_TYPES = {TITLE: StringType(), TAGS: ArrayType(StringType()), DESCRIPTION: StringType()}
_ORDER = "_order"


class VaryCaptions(LabelFileSettings):
    """Settings of vary-captions."""

    imagenet_captions: InputAddress = Field(
        description="table of ingest-captions --preset imagenet_captions: uid, wnid and the texts"
    )
    texts: list[Text] = Field(
        [*TEXTS], description="of which texts the caption is made, a space between; [] for none"
    )
    append_class_name: bool = Field(False, description="put the class's name in front")
    template: Template = Field(
        "cname",
        description="how: cname {}, a+cname a {}, photo a photo of a {}, openai80 one of OpenAI's "
        "80 templates for each record",
    )
    use_synset: bool = Field(
        False, description="in place of the class's name one of its lemmas for each record"
    )
    seed: int = Field(0, description="of the draws of templates and lemmas, and of shuffle")
    shuffle: bool = Field(False, description="order the tsv by a draw, not by tsv_order")
    output: OutputAddress = Field(
        description="the records whose caption is not blank, with caption and class_idx"
    )

    @model_validator(mode="after")
    def _has_texts_or_class_name(self) -> Self:
        require_one_or_both({"texts": self.texts, "append_class_name": self.append_class_name})
        return self


def run(run: Run, settings: VaryCaptions) -> Counts:
    """Build the captions, and write the files from the stored ones (Wen et al. 2024)."""
    text_fields = [StructField(text, _TEXT_TYPES[text]) for text in settings.texts]
    key_fields = [StructField(name, StringType()) for name in (UID, WNID)]
    records = run.read(settings.imagenet_captions, StructType([*key_fields, *text_fields]))
    templates = None
    if settings.append_class_name:
        templates = templates_of(settings.template, imagenet_templates())
    name_by_wnid = imagenet_class_names()
    classes = [
        NamedClass(s.wnid, k, s.lemmas if settings.use_synset else [name_by_wnid[s.wnid]])
        for k, s in enumerate(imagenet_synsets("imagenet1k"))
    ]
    draw = run.draw("vary-captions", settings.seed)
    varied = vary(records, classes, settings.texts, front=templates, draw=draw)
    rows = run.write(varied, settings.output)
    stored = run.read(settings.output, schemas.CAPTIONS)
    if settings.frequencies is not None:
        rows_by_class = count_classes(stored, CLASS_IDX)
        frequencies = [(name_by_wnid[c.wnid], rows_by_class.get(c.class_idx, 0)) for c in classes]
        write_class_frequencies(frequencies, settings.frequencies)
    if settings.shuffle:
        order = free_name(stored, _ORDER)
        drawn = draw.step("order").of(*keys(stored))
        settings.write_tsv(stored.withColumn(order, drawn), order=[order])
    else:
        settings.write_tsv(stored)
    rows_in = count_rows(records)
    n_with_class = count_rows(rows_of_classes(records, WNID, [c.wnid for c in classes]))
    counts = {"rows_in": rows_in, "kept": rows, "unknown_class": rows_in - n_with_class}
    return counts | {"blank": n_with_class - rows}


JOB = Job(
    "vary-captions",
    "Make caption variants of ImageNet-Captions from texts and class names (clip-beyond-tail).",
    VaryCaptions,
    run,
    example=(
        "captionlake vary-captions --imagenet-captions ./records \\\n"
        "  --append-class-name --output ./photo_of"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
