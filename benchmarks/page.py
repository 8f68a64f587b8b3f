"""The tables of docs/speed.md from the results of the benchmarks.

    python -m benchmarks.page

A table stands between `<!-- bench: NAME -->` and `<!-- end -->`, with its conditions below it, and
is that of results/NAME.json. `cpu_hours` is computed from the unit costs in other results.
"""

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measuring import format_figure, markdown_table

RESULTS = Path(__file__).parent / "results"
PAGES = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
ROWS = (10**6, 10**8, 10**10)


def main() -> None:
    for page in pages():
        page.write_text(rendered(page.read_text(encoding="utf-8")), encoding="utf-8")
    shown = {name for page in pages() for _, name, _ in BLOCK.findall(page.read_text("utf-8"))}
    hidden = sorted({file.stem for file in RESULTS.glob("*.json")} - shown)
    print("Results that no page shows:", ", ".join(hidden) or "none")


def pages() -> list[Path]:
    """The pages that show results."""
    return [page for page in sorted(PAGES.glob("*.md")) if BLOCK.search(page.read_text("utf-8"))]


def rendered(page: str) -> str:
    """A page's text with all tables as the results are."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{block(found[2])}\n\n{found[3]}", page)


def block(name: str) -> str:
    """A table, and below it how it was measured."""
    if name == "cpu_hours":
        return markdown_table(list(cpu_hours()))
    result = read(name)
    return f"{markdown_table(result['rows'])}\n\n{conditions(result)}"


def read(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return result


def conditions(result: dict[str, Any]) -> str:
    """A result's conditions as a sentence, and its note."""
    rounds = result["rounds"]
    parts = [
        {None: None, 1: "one run"}.get(rounds, f"medians of {rounds} rounds"),
        f"on {result['machine']}",
        result["date"] and f"{result['date']}, load {format_figure(result['load'])} before",
    ]
    sentence = f"{', '.join(filter(None, parts))}. {result['note']}".rstrip(" .") + "."
    return textwrap.fill(sentence[0].upper() + sentence[1:], 110, break_on_hyphens=False)


def cpu_hours() -> Iterator[dict[str, str]]:
    """CPU hours of jobs by their unit costs; in italics for more rows than were measured."""
    for job, us_a_row, measured in unit_costs():
        row = {"job": job, "CPU us a row": format_figure(us_a_row)}
        for n in ROWS:
            hours = format_figure(us_a_row * n / 3.6e9, digits=2)
            row[f"{n:.0e} rows".replace("e+0", "e").replace("e+", "e")] = (
                f"*{hours}*" if n > measured else hours
            )
        yield row


def unit_costs() -> Iterator[tuple[str, float, int]]:
    """(job, CPU microseconds a row beyond start-up, rows that were measured at most)."""
    for row in read("end_to_end")["rows"]:
        if row["job"] != "the pass":
            yield row["job"], row["us a row"], 10**7
    for row in read("subset_skew")["rows"]:
        yield row["subset"], row["CPU s"] / row["rows"] * 1e6, row["rows"]
    on_cpu = (row for row in read("embedding")["rows"] if row["on"] == "cpu")
    for row in on_cpu:
        job = f"`embed-{row['of']}`, {row['model']}, on CPU"
        yield job, row["processes"] / row["captionlake, items/s"] * 1e6, 10**4


if __name__ == "__main__":
    main()
