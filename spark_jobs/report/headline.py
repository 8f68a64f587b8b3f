"""What happened, in one line: the title of a report, and its most important numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spark_jobs.core.run_records import RunRecord
from spark_jobs.report.stages import MATCH_FREQUENCIES, MATCHED, branches, output_name, stages_of

KeyFigures = list[tuple[str, str]]


def headline(runs: Sequence[RunRecord]) -> str:
    """A line such as "5,000 → 3,922 captions, t = 20", of the last run that says what it left."""
    search = _last_search(runs)
    if search is not None:
        return _SEARCHES[search.job](search.counts)
    end = _end_of_rows(runs)
    if end is None:
        return f"{output_name(runs[-1])}, made by {runs[-1].job}"
    n_read, run = end
    ends = branches(runs)[-1].ends()
    if len(ends) > 1:
        left = [_n_left(run) for run in ends]
        return f"{n_read:,} captions → {len(ends):,} tables of {min(left):,} to {max(left):,}"
    if run.job == MATCH_FREQUENCIES:
        return _match_headline(run)
    unit = "records" if run.job == "vary-captions" else "captions"
    how = _how(run)
    return f"{n_read:,} → {_n_left(run):,} {unit}{', ' if how else ''}{how}"


def _how(run: RunRecord) -> str:
    """How a run chose the rows that it left; empty where nothing is to be said."""
    if stages_of(run)[-1] == MATCHED:
        return "which match an entry"
    return _HOW[run.job](run) if run.job in _HOW else ""


def key_figures(runs: Sequence[RunRecord]) -> KeyFigures:
    """The most important numbers of the runs: (number, what it counts)."""
    search = _last_search(runs)
    if search is not None:
        names = {"rows_in": "captions searched", "rows": "pairs of class and caption"}
        names |= {"classes_found": "classes with captions", "classes": "classes in all"}
        return [(f"{search.counts[k]:,}", name) for k, name in names.items() if k in search.counts]
    end = _end_of_rows(runs)
    if end is None:
        return []
    n_read, run = end
    if run.job == MATCH_FREQUENCIES:
        names = {"target": "rows wanted", "rows": "rows taken", "short": "rows missing"}
        return [(f"{run.counts[key]:,}", name) for key, name in names.items()]
    n_left, label = _n_left(run), stages_of(run)[-1][0]
    share = [(f"{n_left / n_read:.1%}", "of those read")] if n_read else []
    ts = [(f"{other.counts['t']:,}", "t") for other in runs if "t" in other.counts][-1:]
    classes = [(f"{run.counts[key]:,}", key) for key in ("classes",) if key in run.counts]
    return [
        (f"{n_read:,}", "captions read"),
        (f"{n_left:,}", f"captions {label}"),
        *share,
        *ts,
        *classes,
    ]


def _last_search(runs: Sequence[RunRecord]) -> RunRecord | None:
    """The search for classes, if no run after it counts what is left."""
    searches = [run for run in runs if run.job in _SEARCHES]
    end = _end_of_rows(runs)
    if not searches or (end is not None and end[1].started > searches[-1].started):
        return None
    return searches[-1]


def _end_of_rows(runs: Sequence[RunRecord]) -> tuple[int, RunRecord] | None:
    """(rows that were read, the last run that counts what is left); None without such a run."""
    all_branches = branches(runs)
    if not all_branches:
        return None
    return all_branches[-1].n_read, all_branches[-1].runs[-1]


def _n_left(run: RunRecord) -> int:
    return run.counts[stages_of(run)[-1][1]]


def _match_headline(run: RunRecord) -> str:
    prefix = "from_"
    parts = [
        f"{n:,} from {name.removeprefix(prefix)}"
        for name, n in run.counts.items()
        if name.startswith(prefix)
    ]
    sources = f": {', '.join(parts)}" if len(parts) > 1 else ""
    return f"{run.counts['rows']:,} of {run.counts['target']:,} wanted rows taken{sources}"


def _of_t(run: RunRecord) -> str:
    return f"t = {run.counts['t']:,}{' in English' if run.settings.get('by_language') else ''}"


def _of_filter(run: RunRecord) -> str:
    """The threshold of a filter on a similarity, else the number of its rules."""
    rules = run.settings.get("rules") or []
    for rule in rules:
        if rule.get("op") in (">", ">=") and "similarity" in str(rule.get("column")):
            return f"similarity {rule['op'].replace('>=', '≥')} {rule['value']}"
    return f"by {len(rules):,} rule{'s' * (len(rules) != 1)}" if rules else ""


def _of_subset(run: RunRecord) -> str:
    settings = run.settings
    fraction = settings.get("fraction")
    parts = {
        "similarity ≥ {:g}": settings.get("threshold"),
        "{:g} % drawn": 100 * fraction if fraction is not None else None,
        "n = {:,}": settings.get("n"),
        "at most {:,} per class": settings.get("max_per_class"),
        "{:,} classes": run.counts.get("classes"),
    }
    return ", ".join(form.format(value) for form, value in parts.items() if value is not None)


def _of_labels(run: RunRecord) -> str:
    n_synsets = run.counts.get("synsets_found")
    return "with a label" if n_synsets is None else f"labels of {n_synsets:,} synsets"


_HOW: Mapping[str, Callable[[RunRecord], str]] = {
    "ingest-captions": lambda run: "as they were read",
    "dedup-captions": lambda run: f"unique by {run.settings.get('by', 'caption')}",
    "balance-captions": _of_t,
    "match-and-balance": _of_t,
    "label-synsets": _of_labels,
    "score-definitions": lambda run: "of one synset, compared with its definition",
    "filter-captions": _of_filter,
    "sample-subset": _of_subset,
    "vary-captions": lambda run: "with a caption",
}


def _of_text_search(counts: Mapping[str, Any]) -> str:
    return (
        f"{counts['rows_in']:,} captions searched, {counts['rows']:,} for "
        f"{counts['classes_found']:,} of {counts['classes']:,} classes"
    )


def _of_semantic_search(counts: Mapping[str, Any]) -> str:
    return (
        f"{counts['uids']:,} captions near to the prompts of "
        f"{counts['classes_found']:,} of {counts['classes']:,} classes"
    )


_SEARCHES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "search-substrings": _of_text_search,
    "gather-neighbours": _of_semantic_search,
}
