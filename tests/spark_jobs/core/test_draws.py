"""Draws of different purposes are independent, and no two steps share a purpose."""

import ast
from collections import defaultdict
from importlib import import_module
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.draws import Draw

PACKAGE = Path(__file__).parents[3] / "spark_jobs"
N = 20_000
SHARE = 0.1
# Of a KS statistic times the root of the rows: a true draw is above it once in 16,000.
BOUND = 2.2

# Every purpose, and the modules that draw by it. Explain, report and a run's closing lines compute
# again what another has drawn; two jobs balance by the same law, of which a row goes through one.
PURPOSES = {
    "balance": {"jobs.balance_captions", "jobs.match_and_balance"},
    "build-index/train": {"neighbours.training"},
    "generate": {"jobs.generate_captions"},
    "match-frequencies": {"jobs.match_frequencies"},
    "mix-captions": {"jobs.mix_captions"},
    "measure-captions": {"jobs.measure_captions"},
    "plan-balance/sample": {"jobs.plan_balance"},
    "export-snapshot": {"formats.snapshot_files"},
    "export-webdataset": {"jobs.export_webdataset"},
    "report/generated": {"formats.report_generated"},
    "report/examples": {"formats.report_examples"},
    "sample-subset": {"jobs.sample_subset"},
    "vary-captions": {"jobs.vary_captions"},
}
STEPS = {
    "export-snapshot/file": "formats.snapshot_files",
    "sample-subset/classes": "jobs.sample_subset",
    "sample-subset/class": "subsets.sampling",
    "sample-subset/all": "subsets.sampling",
    "vary-captions/template": "subsets.vary",
    "vary-captions/lemma": "subsets.vary",
    "vary-captions/order": "jobs.vary_captions",
}
# What is computed of purposes at run time: a step, a run's own draw, and that of a stored run.
NOT_LITERAL = {"core.draws", "storage.run", "jobs.explain", "formats.report_examples"}


def draws_by_purpose() -> list[str]:
    """What rows can be drawn by: a purpose or its steps, and those of rows drawn so before."""
    with_steps = {step.partition("/")[0] for step in STEPS}
    alone = [purpose for purpose in PURPOSES if purpose not in with_steps]
    again = [p.replace("/", "#2/", 1) if p in STEPS else f"{p}#2" for p in [*alone, *STEPS]]
    return [*alone, *STEPS, *again]


@pytest.fixture(scope="module")
def drawn(spark: SparkSession) -> pd.DataFrame:
    """Every draw of the same uids, and the hash by which equal captions and neighbours go."""
    uids = spark.range(N).select(F.md5(F.col("id").cast("string")).alias("uid"))
    columns = {purpose: Draw(purpose, 0).of("uid") for purpose in draws_by_purpose()}
    columns |= {"another seed": Draw("balance", 1).of("uid")}
    columns |= {"tie": F.shiftrightunsigned(F.xxhash64("uid"), 11) / F.lit(2.0**53)}
    named = [column.alias(str(k)) for k, column in enumerate(columns.values())]
    return uids.select(*named).toPandas().set_axis([*columns], axis=1)


def distance(first: pd.Series, second: pd.Series) -> float:
    """How far the second's draws of rows that the first keeps are from uniform: KS times root n."""
    kept = np.sort(second[first < SHARE].to_numpy())
    ranks = np.arange(len(kept) + 1) / len(kept)
    largest = max((ranks[1:] - kept).max(), (kept - ranks[:-1]).max())
    return float(largest * np.sqrt(len(kept)))


def test_every_ordered_pair_is_independent(drawn: pd.DataFrame) -> None:
    pairs = list(permutations(drawn.columns, 2))
    assert len(pairs) > 400
    far = {pair: distance(drawn[pair[0]], drawn[pair[1]]) for pair in pairs}
    assert {pair: by for pair, by in far.items() if by > BOUND} == {}


def test_what_is_no_draw_of_its_own_is_seen(drawn: pd.DataFrame) -> None:
    """One draw for two steps, as all jobs once had, and one that leans on another a little."""
    assert distance(drawn["balance"], drawn["balance"]) > 10 * BOUND
    leaning = 0.9 * drawn["match-frequencies"] + 0.1 * drawn["balance"]
    assert distance(drawn["balance"], leaning) > BOUND


def test_each_draw_fills_the_unit_interval_evenly(drawn: pd.DataFrame) -> None:
    for name in drawn.columns:
        shares = np.histogram(drawn[name], bins=20, range=(0, 1))[0] / N
        assert shares == pytest.approx(np.full(20, 0.05), abs=0.0077)  # 5 standard deviations


def draw_calls(tree: ast.AST, module: str) -> list[tuple[str, str | None]]:
    """(function, purpose) of each `Draw(...)`, `run.draw(...)` and `.step(...)`.

    None is a purpose that is no literal and no constant.
    """
    calls = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        if function not in {"Draw", "run.draw"} and not function.endswith(".step"):
            continue
        argument = node.args[0]
        purpose = argument.value if isinstance(argument, ast.Constant) else None
        if isinstance(argument, ast.Name):
            purpose = getattr(import_module(f"spark_jobs.{module}"), argument.id, None)
        calls.append((function, purpose))
    return calls


def test_no_two_steps_share_a_purpose() -> None:
    purposes: dict[str, set[str]] = defaultdict(set)
    steps: list[tuple[str, str]] = []
    not_literal = set()
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for function, purpose in draw_calls(ast.parse(path.read_text()), module):
            if purpose is None:
                not_literal.add(module)
            elif function.endswith(".step"):
                steps.append((purpose, module))
            else:
                purposes[purpose].add(module)
    assert dict(purposes) == PURPOSES
    assert sorted(steps) == sorted((step.partition("/")[2], of) for step, of in STEPS.items())
    assert not_literal <= NOT_LITERAL
    assert len(set(draws_by_purpose())) == len(draws_by_purpose())
