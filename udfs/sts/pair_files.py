"""Read pairs of sentences with a score: SentEval's folders, and files of score, a, b."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

# Task -> its sets, in SentEval's order; of each the files STS.input.SET.txt and STS.gs.SET.txt.
STS_SETS: Mapping[str, tuple[str, ...]] = {
    "STS12": ("MSRpar", "MSRvid", "SMTeuroparl", "surprise.OnWN", "surprise.SMTnews"),
    "STS13": ("FNWN", "headlines", "OnWN"),
    "STS14": ("deft-forum", "deft-news", "headlines", "images", "OnWN", "tweet-news"),
    "STS15": ("answers-forums", "answers-students", "belief", "headlines", "images"),
    "STS16": ("answer-answer", "headlines", "plagiarism", "postediting", "question-question"),
}
STS_BENCHMARK, SICK = "STSBenchmark", "SICKRelatedness"
TASKS = (*STS_SETS, STS_BENCHMARK, SICK)  # the seven of SimCSE's table
_STS_BENCHMARK_FILES = {name: f"STSBenchmark/sts-{name}.csv" for name in ("train", "dev", "test")}
_SICK_FILES = {
    "train": "SICK/SICK_train.txt",
    "dev": "SICK/SICK_trial.txt",
    "test": "SICK/SICK_test_annotated.txt",
}

# The text of a file of SentEval by its name; None if it is not there.
ReadText = Callable[[str], str | None]


class PairFileError(ValueError):
    """A file that does not hold scored pairs; the message is one line with the file's name."""


@dataclass(frozen=True)
class PairSet:
    """Pairs of sentences with a score each; a higher one is for sentences nearer in meaning.

    Sentences are their words, between single spaces.
    """

    task: str
    name: str
    scores: tuple[float, ...]
    firsts: tuple[str, ...]
    seconds: tuple[str, ...]


def read_senteval(read_text: ReadText) -> Iterator[PairSet]:
    """The sets of the tasks that are there, read as SentEval reads them (Conneau & Kiela 2018).

    `read_text` gets names below `downstream/`, such as `STS/STSBenchmark/sts-dev.csv`. Of STS12 to
    STS16 a pair without a score is left out. Raises PairFileError at a file that SentEval would
    stop at.
    """
    for task, names in STS_SETS.items():
        for name in names:
            folder = f"STS/{task}-en-test"
            scores = read_text(f"{folder}/STS.gs.{name}.txt")
            pairs = read_text(f"{folder}/STS.input.{name}.txt")
            if scores is not None and pairs is not None:
                yield _sts_set(task, name, scores, pairs, f"{folder}/STS.input.{name}.txt")
    for name, file in _STS_BENCHMARK_FILES.items():
        text = read_text(f"STS/{file}")
        if text is not None:
            yield _columns_set(STS_BENCHMARK, name, text, (4, 5, 6), file)
    for name, file in _SICK_FILES.items():
        text = read_text(file)
        if text is not None:
            lines = text.partition("\n")[2]  # the first names the columns
            yield _columns_set(SICK, name, lines, (3, 1, 2), file)


def read_pairs(text: str, task: str) -> PairSet:
    """The pairs of a file with `score<TAB>a<TAB>b` in each line; empty lines do not count."""
    return _columns_set(task, "pairs", text, (0, 1, 2), task)


def _sts_set(task: str, name: str, scores: str, pairs: str, file: str) -> PairSet:
    # Cut at every line end of Unicode, as SentEval does.
    score_lines, pair_lines = _in_lines(scores).splitlines(), _in_lines(pairs).splitlines()
    if len(score_lines) != len(pair_lines):
        raise PairFileError(
            f"{file}: {len(pair_lines):,} pairs, but {len(score_lines):,} lines of scores"
        )
    rows: list[tuple[float, str, str]] = []
    for number, (score, line) in enumerate(zip(score_lines, pair_lines, strict=True), 1):
        parts = line.split("\t")
        if len(parts) != 2:
            raise PairFileError(
                f"{file}: line {number} has {len(parts)} columns, expected two sentences with a "
                "tab between them"
            )
        if score:
            rows.append((_number(score, file, number), parts[0], parts[1]))
    return _pair_set(task, name, rows, file)


def _columns_set(
    task: str, name: str, text: str, columns: tuple[int, int, int], file: str
) -> PairSet:
    """`columns`: where score, first and second sentence stand."""
    rows = []
    for number, line in enumerate(_in_lines(text).split("\n"), 1):
        parts = line.strip().split("\t")
        if parts == [""]:
            continue
        if len(parts) <= max(columns):
            raise PairFileError(
                f"{file}: line {number} has {len(parts)} columns between tabs, expected "
                f"{max(columns) + 1} at least"
            )
        score, first, second = (parts[k] for k in columns)
        rows.append((_number(score, file, number), first, second))
    return _pair_set(task, name, rows, file)


def _in_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _number(text: str, file: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value or value in (float("inf"), float("-inf")):
        raise PairFileError(f"{file}: line {line} has the score {text[:40]!r}, expected a number")
    return value


def _pair_set(task: str, name: str, rows: list[tuple[float, str, str]], file: str) -> PairSet:
    if len(rows) < 2:
        raise PairFileError(f"{file}: {len(rows)} scored pairs, expected two at least")
    return PairSet(
        task,
        name,
        tuple(score for score, _, _ in rows),
        tuple(" ".join(first.split()) for _, first, _ in rows),
        tuple(" ".join(second.split()) for _, _, second in rows),
    )
