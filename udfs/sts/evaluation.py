"""Evaluate sentence vectors on sets of scored pairs, as SimCSE's tables do (Gao et al. 2021)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from udfs.sts.measures import Numbers, alignment, cosines, pearson, spearman, uniformity
from udfs.sts.pair_files import SICK, STS_BENCHMARK, STS_SETS, TASKS, PairSet
from udfs.vectors import Vectors

ALL, MEAN, WEIGHTED_MEAN, AVERAGE = "all", "mean", "wmean", "average"
SPEARMAN, PEARSON, ALIGNMENT, UNIFORMITY = "spearman", "pearson", "alignment", "uniformity"
POSITIVE_SCORE = 4.0  # pairs of a higher score are positive, as in SimCSE's figures
_MOST_SENTENCES = 20_000  # whose uniformity is computed, which takes their square
_TEST = "test"

# Vectors of sentences, (n, dimension), in order.
Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class Value:
    """A measure of a set of a task, or over its sets; n: pairs, or sentences of uniformity."""

    task: str
    set: str
    measure: str
    value: float | None
    n: int


def evaluate(sets: Sequence[PairSet], embed: Embed) -> list[Value]:
    """All measures of all sets; see `values_of_sets`. Each distinct sentence is embedded once."""
    sentences = sorted({s for part in sets for s in (*part.firsts, *part.seconds)})
    row = {sentence: number for number, sentence in enumerate(sentences)}
    vectors = embed(sentences)
    pairs = [
        (vectors[[row[s] for s in part.firsts]], vectors[[row[s] for s in part.seconds]])
        for part in sets
    ]
    return list(values_of_sets(sets, pairs))


def values_of_sets(
    sets: Sequence[PairSet], pairs: Sequence[tuple[Vectors, Vectors]]
) -> Iterator[Value]:
    """Correlations by set and task, alignment and uniformity, and the average of seven tasks.

    `pairs`: the vectors of each set's first and second sentences. Of a task: `all` is over the
    pairs of its sets together, `mean` and `wmean` the plain mean of the sets' values, and weighted
    by their pairs. Alignment is of the pairs of a score above 4.
    """
    similarities = [cosines(*vectors) for vectors in pairs]
    for part, vectors, values in zip(sets, pairs, similarities, strict=True):
        n = len(part.scores)
        for measure, correlation in ((SPEARMAN, spearman), (PEARSON, pearson)):
            yield _value(part.task, part.name, measure, correlation(values, part.scores), n)
        is_positive = np.asarray(part.scores) > POSITIVE_SCORE
        positives = (vectors[0][is_positive], vectors[1][is_positive])
        n_positive = int(is_positive.sum())
        yield _value(part.task, part.name, ALIGNMENT, alignment(*positives), n_positive)
        sentences = np.concatenate(vectors)[:_MOST_SENTENCES]
        yield _value(part.task, part.name, UNIFORMITY, uniformity(sentences), len(sentences))
    table: dict[str, float] = {}
    for task in dict.fromkeys(part.task for part in sets):
        of_task = [
            (part, values)
            for part, values in zip(sets, similarities, strict=True)
            if part.task == task
        ]
        for value in _task_values(task, of_task):
            yield value
            if value.measure == SPEARMAN and value.set == ALL and value.value is not None:
                table.setdefault(task, value.value)
        tests = [(part, values) for part, values in of_task if part.name == _TEST]
        if task in (STS_BENCHMARK, SICK):
            table.pop(task, None)
            if tests:
                table[task] = spearman(tests[0][1], tests[0][0].scores)
    if set(TASKS) <= set(table):
        yield _value(AVERAGE, ALL, SPEARMAN, average_of_tasks(table), len(TASKS))


def average_of_tasks(table: Mapping[str, float]) -> float:
    """The mean of the tasks' percentages, each rounded to two decimals, as a fraction.

    `table`: task -> `all` of STS12 to STS16, the test set of STS-B and SICK-R. A missing task
    counts 0, as in SimCSE's table.
    """
    percentages = [round(100 * table.get(task, 0.0), 2) for task in TASKS]
    return sum(percentages) / len(TASKS) / 100


def dev_score(part: PairSet, embed: Embed) -> float:
    """Spearman's correlation of one set; 0 where it has none, as all cosines are equal."""
    sentences = [*part.firsts, *part.seconds]
    vectors, n = embed(sentences), len(part.firsts)
    value = spearman(cosines(vectors[:n], vectors[n:]), part.scores)
    return 0.0 if np.isnan(value) else value


def _task_values(task: str, sets: Sequence[tuple[PairSet, Numbers]]) -> Iterator[Value]:
    if task not in STS_SETS and len(sets) < 2:
        return
    scores = np.concatenate([part.scores for part, _ in sets])
    similarities = np.concatenate([values for _, values in sets])
    weights = [len(part.scores) for part, _ in sets]
    for measure, correlation in ((SPEARMAN, spearman), (PEARSON, pearson)):
        of_sets = [correlation(values, part.scores) for part, values in sets]
        yield _value(task, ALL, measure, correlation(similarities, scores), len(scores))
        yield _value(task, MEAN, measure, float(np.mean(of_sets)), len(scores))
        weighted = float(np.average(of_sets, weights=weights))
        yield _value(task, WEIGHTED_MEAN, measure, weighted, len(scores))


def _value(task: str, name: str, measure: str, value: float, n: int) -> Value:
    return Value(task, name, measure, None if np.isnan(value) else float(value), n)
