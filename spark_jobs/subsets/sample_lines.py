"""Lines at the end of a run that say where settings of a subset overrode each other."""

from collections.abc import Iterator, Mapping

from spark_jobs.subsets.sample import Sample
from spark_jobs.subsets.sampling import Sampling

KEPT, RESTORED = "kept", "restored"
DRAWN_FROM, LIFTED = "drawn_from", "classes_lifted"
TOO_SMALL, WITHOUT_TAIL, EMPTIED = "classes_too_small", "classes_zero_shot", "classes_emptied"
BELOW_LEAST, ABSENT = "classes_below_min", "classes_without_rows"


def promise_counts(drawn: Sample, sampling: Sampling, *, are_chosen: bool) -> dict[str, int]:
    """The numbers of these lines, without zeros; `are_chosen`: the user named the classes."""
    n_left_out = len(drawn.too_small) + len(drawn.without_tail)
    n_emptied = sum(n == 0 < drawn.available[key] for key, n in drawn.kept.items())
    numbers = {
        DRAWN_FROM: drawn.quotas.n_drawable if sampling.fraction is not None else 0,
        LIFTED: drawn.quotas.n_lifted,
        TOO_SMALL: len(drawn.too_small),
        WITHOUT_TAIL: len(drawn.without_tail),
        EMPTIED: n_emptied - n_left_out,
        BELOW_LEAST: sum(0 < n < sampling.least_per_class for n in drawn.kept.values()),
        ABSENT: sum(n == 0 for n in drawn.available.values()) if are_chosen else 0,
    }
    return {name: n for name, n in numbers.items() if n}


def promise_lines(sampling: Sampling, counts: Mapping[str, int]) -> list[str]:
    """A line for each setting that another one overrode; counts: those of the run."""
    if sampling.fraction is not None:
        size_lines = list(_fraction_lines(sampling, counts))
    elif sampling.n is not None:
        size_lines = list(_number_lines(sampling, counts))
    else:
        size_lines = list(_threshold_lines(sampling, counts))
    return [f"  {line}" for line in (*size_lines, *_class_lines(sampling, counts))]


def _fraction_lines(sampling: Sampling, counts: Mapping[str, int]) -> Iterator[str]:
    assert sampling.fraction is not None
    n_drawable, kept = counts.get(DRAWN_FROM, 0), counts[KEPT]
    asked = f"{100 * sampling.fraction:.4g} %"
    reasons = []
    if counts.get(LIFTED):
        reasons.append(
            f"{counts[LIFTED]:,} classes, of which {asked} rounds to no row, keep one each"
        )
    if counts[RESTORED]:
        reasons.append(f"{counts[RESTORED]:,} classes that {_emptying(sampling)} keep one row each")
    if sampling.is_stratified and not reasons:
        reasons.append(f"{asked} of each class, in whole rows")
    if not n_drawable or not (reasons or kept != round(sampling.fraction * n_drawable)):
        return
    instead = f"{100 * kept / n_drawable:.1f} % of {n_drawable:,} in place of {asked}"
    yield f"{'; '.join(reasons)}: {kept:,} rows, {instead}"


def _number_lines(sampling: Sampling, counts: Mapping[str, int]) -> Iterator[str]:
    if counts.get(LIFTED):
        yield (
            f"{counts[LIFTED]:,} classes, whose share of n = {sampling.n:,} rounds to no row, keep "
            "one each, in place of rows of the others"
        )
    if counts[RESTORED]:
        which = "the other" if sampling.is_stratified else "the largest"
        yield (
            f"{counts[RESTORED]:,} classes that {_emptying(sampling)} keep one row each, in place "
            f"of rows of {which} classes"
        )


def _threshold_lines(sampling: Sampling, counts: Mapping[str, int]) -> Iterator[str]:
    if counts[RESTORED]:
        yield (
            f"{counts[RESTORED]:,} classes have no row of {sampling.similarity} >= "
            f"{sampling.threshold} and keep one below it"
        )


def _emptying(sampling: Sampling) -> str:
    """The settings that can have emptied a class, as a phrase."""
    if sampling.threshold is None:
        return "the draw emptied"
    return "the threshold emptied" if sampling.is_stratified else "threshold or draw emptied"


def _class_lines(sampling: Sampling, counts: Mapping[str, int]) -> Iterator[str]:
    """Lines on classes that keep none or few of their rows."""
    least = sampling.least_per_class
    regardless = ", keep_every_class or not" if sampling.keeps_every_class else ""
    texts = {
        TOO_SMALL: f"classes with fewer than min_per_class = {least} rows are left out{regardless}",
        WITHOUT_TAIL: f"of the rarest classes keep no row, as tail_rows = 0 says{regardless}",
        EMPTIED: "classes that have rows keep none, as no_keep_every_class allows",
        BELOW_LEAST: f"classes keep fewer than min_per_class = {least} rows: they had as many, and "
        "other settings took of them",
        ABSENT: "of the classes that were chosen have no rows",
    }
    yield from (f"{counts[name]:,} {text}" for name, text in texts.items() if name in counts)
    if not counts[KEPT]:
        yield "no row is kept"
