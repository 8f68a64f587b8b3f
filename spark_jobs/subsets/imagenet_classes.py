"""Named lists of classes for tables whose class column holds wnids or class indices."""

from collections import Counter

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.concepts.imagenet_prompts import imagenet_names
from spark_jobs.concepts.synsets import imagenet_synsets
from spark_jobs.core.columns import named
from spark_jobs.core.conf_files import conf_file
from spark_jobs.core.yaml_files import read_yaml_map
from spark_jobs.subsets.class_list import Class, ClassList

# The Siberian husky, and the id that LAIONet's table has for it, which WordNet 3.0 does not know.
HUSKY, OLD_HUSKY = "n02110185", "n02112837"

# Four of open_clip's names were mended after the published files of clip-beyond-tail were
# written; theirs are the first lemmas of the synsets.
_RENAMED = ("n01631663", "n03710637", "n04008634", "n04355933")


def imagenet1k(*, by_index: bool) -> ClassList:
    """ImageNet's 1,000 classes by wnid, or by index from 0, under the published names.

    Lemmas that one class alone has are aliases.
    """
    synsets = imagenet_synsets("imagenet1k")
    values: list[Class] = [i if by_index else s.wnid for i, s in enumerate(synsets)]
    names = imagenet_class_names()
    aliases: dict[str, Class] = {}
    of_lemma = Counter(lemma for s in synsets for lemma in s.lemmas)
    for index, (value, synset) in enumerate(zip(values, synsets, strict=True)):
        aliases |= {lemma: value for lemma in synset.lemmas if of_lemma[lemma] == 1}
        aliases |= {synset.wnid: value, str(index): value}
    aliases[OLD_HUSKY] = aliases[HUSKY]
    return ClassList(
        values, {v: names[s.wnid] for v, s in zip(values, synsets, strict=True)}, aliases
    )


def with_current_wnids(rows: DataFrame, column: str) -> DataFrame:
    """The rows with ids of WordNet 3.0 where LAIONet has another."""
    is_old = named(column) == OLD_HUSKY
    return rows.withColumn(column, F.when(is_old, HUSKY).otherwise(named(column)))


def imagenet_class_names() -> dict[str, str]:
    """Wnid -> name of ImageNet's 1,000 classes, in class order; no two are alike."""
    synsets = imagenet_synsets("imagenet1k")
    return {
        s.wnid: s.lemmas[0] if s.wnid in _RENAMED else name
        for s, name in zip(synsets, imagenet_names(), strict=True)
    }


def published_names() -> dict[str, str]:
    """The same, also by the id that LAIONet has for the husky."""
    names = imagenet_class_names()
    return names | {OLD_HUSKY: names[HUSKY]}


def imagenet100() -> list[str]:
    """The wnids of ImageNet-100 (Tian et al. 2020, contrastive multiview coding)."""
    return [str(wnid) for wnid in read_yaml_map(conf_file("subsets", "imagenet100.yml"))["classes"]]
