"""Which captions are wanted, asked for, and accepted, beside plain Python."""

import random
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.captioning.judging import new_tries, refuse_duplicates
from spark_jobs.captioning.wanted import (
    accepted_captions,
    last_tries,
    random_part,
    to_ask,
    wanted_captions,
)
from spark_jobs.core.draws import Draw
from spark_jobs.core.schemas import GENERATIONS

IDENTITY = ("p", "openai", "m", "{}", '{"checks": ["duplicate"]}')


def tries_of(spark: SparkSession, rows: list[tuple[Any, ...]]) -> Any:
    """Tries of (concept, occurrence, n, attempt, status, cause, caption)."""
    full = [(*r[:3], *IDENTITY, *r[3:6], None, r[6], 1, 1, 0.5) for r in rows]
    return spark.createDataFrame(full, GENERATIONS)


def test_captions_are_wanted_asked_for_and_judged(spark: SparkSession) -> None:
    """One round of generated tries: each step has the rows that loops over lists give."""
    rng = random.Random(3)
    entries = [rng.choice(["dog", "cat", "hen"]) for _ in range(8)]
    bank = [(i, entry, None, entry != "hen") for i, entry in enumerate(entries)]
    frame = spark.createDataFrame(
        bank, "entry_id int, entry string, lang string, is_matchable boolean"
    )
    wanted = wanted_captions(frame, 2, 2)
    expected = {
        (i, entry, entries[:i].count(entry), n) for i, entry in enumerate(entries) for n in (2, 3)
    }
    assert {(r.entry_id, r.concept, r.occurrence, r.n) for r in wanted.collect()} == expected
    small, large = (
        {
            r[:]
            for r in random_part(wanted, n, Draw("generate", 0)).select("entry_id", "n").collect()
        }
        for n in (3, 5)
    )
    assert small < large
    assert [sum(n == k for _, n in large) for k in (2, 3)] == [5, 5]

    tries: list[tuple[Any, ...]] = []
    for _, concept, occurrence, n in sorted(expected):
        for attempt in range(1, rng.randint(1, 4)):
            status = rng.choice(["refused", "failed"])
            tries.append((concept, occurrence, n, attempt, status, "echo", None))
    journal = [
        (*key, 1 + sum(t[:3] == key for t in tries), "accepted", None, rng.choice("abcd"))
        for key in sorted(e[1:] for e in expected)
        if rng.random() < 0.8
    ]
    stored = tries_of(spark, tries)
    asked = to_ask(last_tries(wanted, stored), 3).collect()
    n_tried = {e[1:]: sum(t[:3] == e[1:] for t in tries) for e in expected}
    assert {(r.concept, r.occurrence, r.n, r.attempt) for r in asked} == {
        (*key, n + 1) for key, n in n_tried.items() if n < 3 and (key[0] != "hen" or n == 0)
    }
    # A task that was run twice has noted tries twice; some are in the table already.
    new = new_tries(tries_of(spark, [*journal, *journal[:4], *tries[:3]]), stored)
    judged = refuse_duplicates(new, stored)
    seen: set[str] = set()
    outcome = {}
    for row in journal:
        outcome[row[:4]] = "duplicate" if row[6] in seen else None
        seen.add(row[6])
    assert {(r.concept, r.occurrence, r.n, r.attempt): r.cause for r in judged.collect()} == outcome
    # A caption that the table has is taken, whoever comes later.
    earlier = stored.union(tries_of(spark, [("owl", 0, 2, 1, "accepted", None, "a")]))
    later = refuse_duplicates(new, earlier).where("caption = 'a'").collect()
    assert {r.cause for r in later} == {"duplicate"}
    # Nothing is refused for it that was asked for without the check.
    unchecked = refuse_duplicates(new.withColumn("checks", F.lit("")), stored)
    assert {r.cause for r in unchecked.where("status = 'accepted'").collect()} == {None}
    assert unchecked.where("cause = 'duplicate'").isEmpty()
    whole = stored.union(judged)
    accepted = {(r.entry_id, r.n): r.caption for r in accepted_captions(wanted, whole).collect()}
    assert accepted == {
        (i, n): row[6]
        for row in journal
        for i, concept, occurrence, n in expected
        if row[:3] == (concept, occurrence, n) and outcome[row[:4]] is None
    }
