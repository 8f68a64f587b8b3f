"""What zero-shot accuracy is measured on: labelled images, prompts, and frequencies of classes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from spark_jobs.core.count_words import few_of
from spark_jobs.core.schemas import CLASS
from spark_jobs.core.settings import InputAddress
from spark_jobs.evaluating.zero_shot import Classes
from spark_jobs.formats.class_targets import read_frequencies
from spark_jobs.formats.labelled_images import LabelledImages, read_labelled_images
from spark_jobs.formats.zero_shot_classes import PromptSettings, read_classes, read_templates
from spark_jobs.storage.run import Run
from spark_jobs.subsets.class_list import ClassList

_log = logging.getLogger(__name__)
_SHOWN = 3


class ClassSettings(PromptSettings):
    """Settings of classes: their prompts, and the columns that hold them and their frequencies."""

    class_column: str = Field(CLASS, description="of a table of labelled images: their classes")
    frequency_class: str = Field(CLASS, description="of a table of frequencies: the classes")
    frequency_count: str | None = Field(
        None,
        description="of a table of frequencies: the counts; default: rows, caption_count or count, "
        "if there",
    )


class ZeroShotSettings(ClassSettings):
    """Settings of what is classified."""

    images: InputAddress | None = Field(
        None,
        description="labelled images: a folder with a folder a class (torchvision's ImageFolder), "
        "or a table with uid, image and a column of classes",
    )
    frequencies: InputAddress | None = Field(
        None,
        description="rows of each class in the training set: a class-frequency file (.txt, a "
        "class, a tab and a count a line), a table of counts, or a labelled data set, whose rows "
        "are counted",
    )


@dataclass(frozen=True)
class ZeroShotInputs:
    """Images, the classes of the classifier, its templates, and what images and classes have.

    numbers: class of an image -> its number in `classes`. frequencies: class -> rows in the
    training set; None where none are given.
    """

    images: LabelledImages
    classes: Classes
    templates: list[str]
    numbers: Mapping[str, int]
    frequencies: Mapping[str, int] | None


def read_zero_shot_inputs(run: Run, settings: ZeroShotSettings) -> ZeroShotInputs:
    """Read all but the images' content; InputDataError for what does not fit together.

    `settings` must have images.
    """
    assert settings.images is not None
    templates = read_templates(run.spark, settings.templates)
    images = read_labelled_images(run, settings.images, settings.class_column)
    classes, called, numbers = read_classes(run.spark, settings.class_names, images.counts)
    frequencies = _frequencies(run, settings, called)
    return ZeroShotInputs(images, classes, templates, numbers, frequencies)


def _frequencies(
    run: Run, settings: ZeroShotSettings, called: ClassList
) -> Mapping[str, int] | None:
    if settings.frequencies is None:
        return None
    counts, others = read_frequencies(
        run, settings.frequencies, settings.frequency_class, settings.frequency_count, called
    )
    if others:
        _log.warning(
            "%s: classes that are not evaluated are left out: %s",
            settings.frequencies,
            few_of(others, _SHOWN),
        )
    return {str(value): count for value, count in counts.items()}
