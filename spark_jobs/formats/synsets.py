"""Reading lists of synsets: a named one, a TSV file, or a table with wnid and lemma."""

from typing import Literal, get_args

from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.concepts.synsets import imagenet_synsets
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import ENTRY_ID, GLOSS, LEMMA, WNID
from spark_jobs.labelling.lemma_table import Synset, by_wnid, synsets_from_tsv
from spark_jobs.scoring.definitions import Definition
from spark_jobs.storage.run import Run
from spark_jobs.storage.small_files import read_text
from spark_jobs.subsets.imagenet_classes import HUSKY, OLD_HUSKY

NamedList = Literal["imagenet1k", "imagenet22k", "laionet"]

# LAIONet's table of ILSVRC lacks the crane that is a machine, so that "crane" names the bird alone.
_MISSING_CRANE = "n03126707"

NAMED_LISTS: tuple[NamedList, ...] = get_args(NamedList)
_NEEDED = StructType([StructField(WNID, StringType()), StructField(LEMMA, StringType())])


def read_synsets(run: Run, name: str) -> list[Synset]:
    """The synsets of a list, in the order of their classes."""
    if name in NAMED_LISTS:
        return named_synsets(name)
    if name.endswith((".tsv", ".txt")):
        return synsets_from_tsv(read_text(run.spark, name), name)
    rows = run.read(name, _NEEDED).where(f"{WNID} IS NOT NULL AND {LEMMA} IS NOT NULL")
    order = [ENTRY_ID] if ENTRY_ID in rows.columns else [LEMMA]
    lemmas: dict[str, list[str]] = {}
    for row in rows.orderBy(*order).select(WNID, LEMMA).collect():
        lemmas.setdefault(row[WNID], []).append(row[LEMMA])
    return by_wnid(lemmas.items(), name)


def named_synsets(name: NamedList) -> list[Synset]:
    """ImageNet's classes, or `laionet`: the 999 of the published LAIONet, with their quirks."""
    source = imagenet_synsets("imagenet22k" if name == "imagenet22k" else "imagenet1k")
    synsets = [Synset(s.wnid, i, s.lemmas) for i, s in enumerate(source)]
    if name != "laionet":
        return synsets
    return [
        Synset(OLD_HUSKY if s.wnid == HUSKY else s.wnid, s.class_idx, s.lemmas)
        for s in synsets
        if s.wnid != _MISSING_CRANE
    ]


def read_definitions(run: Run, name: str) -> list[Definition]:
    """The synsets of a list with their glosses, in the order of their classes.

    Raises InputDataError or MissingColumnError where a table or file gives no glosses.
    """
    if name in NAMED_LISTS:
        of_list = imagenet_synsets("imagenet22k" if name == "imagenet22k" else "imagenet1k")
        gloss = {s.wnid: s.gloss for s in of_list}
        gloss[OLD_HUSKY] = gloss[HUSKY]
        return [Definition(s.wnid, s.lemmas, gloss[s.wnid]) for s in named_synsets(name)]
    if name.endswith((".tsv", ".txt")):
        raise InputDataError(f"{name}: lists no definitions; give a table with wnid, lemma, gloss")
    rows = run.read(name, StructType([*_NEEDED, StructField(GLOSS, StringType())]))
    told = rows.where(f"{GLOSS} IS NOT NULL").groupBy(WNID).agg(F.min(GLOSS).alias(GLOSS))
    of = {row[WNID]: row[GLOSS] for row in told.collect()}
    return [
        Definition(s.wnid, s.lemmas, of[s.wnid]) for s in read_synsets(run, name) if s.wnid in of
    ]
