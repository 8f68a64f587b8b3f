"""Read lists of synsets: a packaged list, a TSV file, or a table with wnid and lemma."""

import re
from typing import Literal, get_args

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.concepts.first_synsets import imagenet21k_wnids
from spark_jobs.concepts.synsets import imagenet_synsets
from spark_jobs.core.addresses import absolute_address
from spark_jobs.core.arrow_mapping import with_valid_text
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import ENTRY_ID, GLOSS, LEMMA, WNID
from spark_jobs.labelling.lemma_table import Synset, synsets_by_wnid, synsets_from_tsv
from spark_jobs.scoring.definitions import Definition
from spark_jobs.storage.run import Run
from spark_jobs.storage.small_files import read_text
from spark_jobs.subsets.imagenet_classes import HUSKY, OLD_HUSKY

NamedList = Literal["imagenet1k", "imagenet22k", "laionet"]

# wnid of crane (the machine): absent from LAIONet's table of ILSVRC classes, so that the lemma
# "crane" belongs to the bird alone (Shirali & Hardt 2023).
_MISSING_CRANE = "n03126707"

NAMED_LISTS: tuple[NamedList, ...] = get_args(NamedList)
_WNID_AND_LEMMA = StructType([StructField(WNID, StringType()), StructField(LEMMA, StringType())])


def read_synsets(run: Run, name: str) -> list[Synset]:
    """Read the synsets of a list, in class order."""
    if name in NAMED_LISTS:
        return named_synsets(name)
    if name.endswith((".tsv", ".txt")):
        return synsets_from_tsv(read_text(run.spark, name), name)
    rows = run.read(name, _WNID_AND_LEMMA).where(f"{WNID} IS NOT NULL AND {LEMMA} IS NOT NULL")
    order = [ENTRY_ID] if ENTRY_ID in rows.columns else [LEMMA]
    lemmas: dict[str, list[str]] = {}
    for row in with_valid_text(rows.orderBy(*order).select(WNID, LEMMA)).collect():
        lemmas.setdefault(row[WNID], []).append(row[LEMMA])
    return synsets_by_wnid(lemmas.items(), name)


def read_wnids(spark: SparkSession, name: str) -> list[str]:
    """The wnids of `imagenet21k`, or of a text file with one a line.

    Raises InputDataError if a line is no wnid.
    """
    if name == "imagenet21k":
        return imagenet21k_wnids()
    wnids = read_text(spark, absolute_address(name)).split()
    wrong = next((wnid for wnid in wnids if not re.fullmatch(r"[nvars]\d{8}", wnid)), None)
    if wrong is not None or not wnids:
        found = "is empty" if wrong is None else f"holds {wrong[:40]!r}"
        raise InputDataError(f"{name}: {found}, expected wnids such as n01440764")
    return wnids


def named_synsets(name: NamedList) -> list[Synset]:
    """The synsets of ImageNet, or for `laionet` the 999 of the published LAIONet.

    The latter lack crane (the machine) and have the Siberian husky under an older wnid.
    """
    imagenet = imagenet_synsets("imagenet22k" if name == "imagenet22k" else "imagenet1k")
    synsets = [Synset(s.wnid, i, s.lemmas) for i, s in enumerate(imagenet)]
    if name != "laionet":
        return synsets
    return [
        Synset(OLD_HUSKY if s.wnid == HUSKY else s.wnid, s.class_idx, s.lemmas)
        for s in synsets
        if s.wnid != _MISSING_CRANE
    ]


def named_definitions(name: NamedList) -> list[Definition]:
    """The synsets of `named_synsets` with their glosses."""
    imagenet = imagenet_synsets("imagenet22k" if name == "imagenet22k" else "imagenet1k")
    glosses = {s.wnid: s.gloss for s in imagenet}
    glosses[OLD_HUSKY] = glosses[HUSKY]
    return [Definition(s.wnid, s.lemmas, glosses[s.wnid]) for s in named_synsets(name)]


def read_definitions(run: Run, name: str) -> list[Definition]:
    """Read the synsets of a list with their glosses, in class order; those without are left out.

    Raises InputDataError or MissingColumnError if a file or table has no glosses at all.
    """
    if name in NAMED_LISTS:
        return named_definitions(name)
    if name.endswith((".tsv", ".txt")):
        raise InputDataError(f"{name}: lists no definitions; give a table with wnid, lemma, gloss")
    rows = run.read(name, StructType([*_WNID_AND_LEMMA, StructField(GLOSS, StringType())]))
    gloss_rows = rows.where(f"{GLOSS} IS NOT NULL").groupBy(WNID).agg(F.min(GLOSS).alias(GLOSS))
    glosses = {row[WNID]: row[GLOSS] for row in with_valid_text(gloss_rows).collect()}
    return [
        Definition(s.wnid, s.lemmas, glosses[s.wnid])
        for s in read_synsets(run, name)
        if s.wnid in glosses
    ]
