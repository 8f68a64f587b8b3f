"""ImageNet's classes as class lists, for tables whose class column holds wnids or indices."""

from collections import Counter
from collections.abc import Iterable, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.concepts.imagenet_prompts import imagenet_names
from spark_jobs.concepts.synsets import imagenet_synsets
from spark_jobs.core.columns import named
from spark_jobs.core.conf_files import conf_file
from spark_jobs.core.yaml_files import read_yaml_map
from spark_jobs.subsets.class_list import Class, ClassList

PAPERS = ("ImageNet-100, classes: the 100 wnids",)

# wnid of the Siberian husky in WordNet 3.0, and the older one in LAIONet's table.
HUSKY, OLD_HUSKY = "n02110185", "n02112837"

# open_clip corrected four class names after clip-beyond-tail published its files, which name these
# classes by the first lemma of the synset.
_NAMED_BY_FIRST_LEMMA = ("n01631663", "n03710637", "n04008634", "n04355933")


def imagenet1k(*, by_index: bool) -> ClassList:
    """ImageNet's 1,000 classes by wnid, or by index from 0, under the published names.

    Aliases: wnid, index, and lemmas that belong to a single class.
    """
    synsets = imagenet_synsets("imagenet1k")
    values: list[Class] = [i if by_index else s.wnid for i, s in enumerate(synsets)]
    names = imagenet_class_names()
    aliases: dict[str, Class] = {}
    n_classes_of_lemma = Counter(lemma for s in synsets for lemma in s.lemmas)
    for index, (value, synset) in enumerate(zip(values, synsets, strict=True)):
        aliases |= {lemma: value for lemma in synset.lemmas if n_classes_of_lemma[lemma] == 1}
        aliases |= {synset.wnid: value, str(index): value}
    aliases[OLD_HUSKY] = aliases[HUSKY]
    return ClassList(
        values, {v: names[s.wnid] for v, s in zip(values, synsets, strict=True)}, aliases
    )


def are_imagenet_wnids(classes: Iterable[Class]) -> bool:
    """Whether all of the classes, of which there is one at least, are wnids of ImageNet's 1,000.

    LAIONet's older wnid of the husky is one of them.
    """
    wnids: set[Class] = {OLD_HUSKY, *imagenet_class_names()}
    distinct_classes = set(classes)
    return bool(distinct_classes) and distinct_classes <= wnids


def merge_old_wnids(counts: Mapping[Class, int]) -> dict[Class, int]:
    """Counts by class, those of LAIONet's older wnid added to those of the current one; sorted."""
    merged = dict(counts)
    if OLD_HUSKY in merged:
        merged[HUSKY] = merged.pop(OLD_HUSKY) + merged.get(HUSKY, 0)
    return dict(sorted(merged.items()))


def with_current_wnids(rows: DataFrame, column: str) -> DataFrame:
    """Replace the one wnid of LAIONet that is not from WordNet 3.0."""
    is_old = named(column) == OLD_HUSKY
    return rows.withColumn(column, F.when(is_old, HUSKY).otherwise(named(column)))


def imagenet_class_names() -> dict[str, str]:
    """Wnid -> name of ImageNet's 1,000 classes, in class order; names are unique."""
    synsets = imagenet_synsets("imagenet1k")
    return {
        s.wnid: s.lemmas[0] if s.wnid in _NAMED_BY_FIRST_LEMMA else name
        for s, name in zip(synsets, imagenet_names(), strict=True)
    }


def published_names() -> dict[str, str]:
    """`imagenet_class_names`, also by the older wnid that LAIONet has for the husky."""
    names = imagenet_class_names()
    return names | {OLD_HUSKY: names[HUSKY]}


def imagenet100() -> list[str]:
    """The wnids of ImageNet-100 (Tian et al. 2020, contrastive multiview coding)."""
    return [str(wnid) for wnid in read_yaml_map(conf_file("subsets", "imagenet100.yml"))["classes"]]
