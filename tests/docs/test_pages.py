"""The pages of docs/ agree with the code: columns, presets, reasons, recipes, messages, links."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.papers import CITATIONS
from spark_jobs.formats.text_files import HEADER_AGAIN
from spark_jobs.ingest import accepted_rows, normalise, text_rules
from spark_jobs.ingest.presets import PRESETS, Preset
from spark_jobs.running import databricks_bundle
from spark_jobs.running.jobs_page import jobs_markdown
from spark_jobs.running.registry import all_jobs
from tests.platforms.workload import Place, other_jobs
from udfs import csv_files, json_rows
from udfs.balancing import keep_probability

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows_below(heading: str, text: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its two header lines."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = re.search(r"((?:^\|.*\|\n)+)", section, re.MULTILINE)
    assert lines is not None, heading
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[1].splitlines()]
    return [[cell.strip() for cell in row] for row in cells[2:]]


def columns_of(heading: str) -> dict[str, str]:
    """Column -> type, as results.md has them; one row may name several columns."""
    rows = rows_below(heading, page("results.md"))
    return {
        name: kind.replace("&lt;", "<").replace("&gt;", ">")
        for names, kind, _ in rows
        for name in re.findall(r"`(\w+)`", names)
    }


def types_of(*parts: StructType) -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for part in parts for field in part}


def chosen(schema: StructType, *names: str) -> StructType:
    return StructType([schema[name] for name in names])


KEY_COLUMNS = chosen(schemas.CAPTION_COLUMNS, "uid", "caption")
TABLES = {
    "captions": types_of(schemas.CAPTION_COLUMNS),
    "matches": types_of(schemas.MATCHES, schemas.MATCH_SPANS),
    "entry_counts": types_of(schemas.ENTRY_COUNTS),
    "entry_probabilities": types_of(schemas.ENTRY_PROBABILITIES),
    "balanced_captions": types_of(KEY_COLUMNS, chosen(schemas.MATCHES, "entry_ids")),
    "runs": types_of(schemas.RUNS),
    "generations": types_of(schemas.GENERATIONS),
    "image_captions": types_of(schemas.IMAGE_CAPTIONS),
    "duplicates": types_of(schemas.DUPLICATES),
    "contaminated": types_of(schemas.CONTAMINATED),
    "clusters": types_of(schemas.CLUSTERS),
    "centroids": types_of(schemas.CENTROIDS),
    "mixed_captions": types_of(schemas.MIXED_CAPTIONS),
    "rejected": types_of(schemas.REJECTED),
    "decisions": types_of(schemas.DECISIONS),
    "concept_bank": types_of(schemas.CONCEPT_BANK),
    "ngrams": types_of(schemas.NGRAM_DECISIONS),
    "missing_ngrams": types_of(schemas.NGRAMS),
    "plan": types_of(schemas.PLAN),
    "differences": types_of(schemas.DIFFERENCE),
    "bank_differences": types_of(schemas.BANK_DIFFERENCE),
    "labels": types_of(KEY_COLUMNS, schemas.LABELS, schemas.LEMMA_SPANS),
    "label_counts": types_of(schemas.LABEL_COUNTS),
    "scores": types_of(schemas.SCORES),
    "threshold_plan": types_of(schemas.SIMILARITY_PLAN),
    "class_frequencies": types_of(schemas.CLASS_FREQUENCIES),
    "subset": {"class_idx": "int", "label_ori": "int", "taken_from": "string"},
    "downloads": types_of(schemas.DOWNLOADS),
    "images": types_of(schemas.IMAGES),
    "arranged_images": types_of(schemas.ARRANGED_IMAGES),
    "embeddings": types_of(schemas.EMBEDDINGS),
    "neighbours": types_of(schemas.NEIGHBOURS) | {"model": "string", "weights": "string"},
    "queries": types_of(schemas.QUERY_TEXTS),
    "retrieved": types_of(schemas.QUERIES) | {"rank": "int", "similarity": "float"},
    "class_counts": types_of(schemas.CLASS_COUNTS),
    "measures": types_of(schemas.MEASURES),
    "training": types_of(schemas.TRAINING),
    "clip_training": types_of(schemas.CLIP_TRAINING),
    "evaluations": types_of(schemas.EVALUATIONS),
    "class_accuracies": types_of(schemas.CLASS_ACCURACIES),
    "predictions": types_of(schemas.PREDICTIONS),
    "comparisons": types_of(schemas.COMPARISONS),
    "demo_images": types_of(schemas.DEMO_IMAGES),
    "caption_scores": types_of(schemas.CAPTION_SCORES),
}


@pytest.mark.parametrize("table", TABLES)
def test_results_lists_the_columns_of_each_table(table: str) -> None:
    assert columns_of(table) == TABLES[table]


def test_results_has_a_section_for_each_schema() -> None:
    documented = {pair for columns in TABLES.values() for pair in columns.items()}
    all_columns = {
        pair
        for value in vars(schemas).values()
        if isinstance(value, StructType)
        for pair in types_of(value).items()
    }
    in_passing = {  # of EXPECTED and WEIGHED_MATCHES, which no job stores, and of _FROM_TO
        *types_of(schemas.EXPECTED, schemas.WEIGHED_MATCHES).items(),
        ("start", "int"),
        ("end", "int"),
    }
    assert all_columns - documented - in_passing == set()


def test_inputs_lists_our_columns() -> None:
    names = [name for row in rows_below("Columns", page("inputs.md")) for name in row[:1]]
    assert re.findall(r"`(\w+)`", " ".join(names)) == schemas.CAPTION_COLUMNS.names


def preset_row(name: str, preset: Preset) -> list[str]:
    columns = ", ".join(
        f"{ours} from {' or '.join(f'`{theirs}`' for theirs in names)}"
        if names != (ours,)
        else f"`{ours}`"
        for ours, names in preset.columns.items()
    )
    return [f"`{name}`", preset.format, columns]


def test_inputs_lists_the_presets() -> None:
    expected = [preset_row(name, preset) for name, preset in PRESETS.items()]
    assert rows_below("Presets", page("inputs.md")) == expected


def test_inputs_lists_every_reason() -> None:
    reasons = {
        *(text_rules.NULL_CAPTION, text_rules.INVALID_UTF8, text_rules.CAPTION_TOO_LONG),
        *(text_rules.LINE_FEED, accepted_rows.DUPLICATE_UID, normalise.INVALID_ENTRY_IDS),
        *(normalise.INVALID_CAPTION_ID, HEADER_AGAIN, "caption_not_text", "url_not_text"),
        *(json_rows.CORRUPT_JSON, json_rows.LONE_SURROGATE, json_rows.REPEATED_FIELD),
        *(json_rows.WRONG_RECORD, json_rows.NESTED_TOO_DEEP, json_rows.PAIR),
        *(csv_files.WRONG_NUMBER_OF_FIELDS, csv_files.WRONG_QUOTES),
    }
    rows = rows_below("Rejected rows", page("inputs.md"))
    assert {row[0].strip("`") for row in rows} == reasons


def test_pages_list_the_jobs_that_open_folders() -> None:
    """In platforms.md for Spark Connect, and in deploying.md with where Databricks runs them."""
    jobs = {name for name, job in all_jobs().items() if job.shared_folders}
    [of_connect] = re.findall(r"Some jobs open folders.*?They ask", page("platforms.md"), re.DOTALL)
    assert set(re.findall(r"`([a-z]+-[a-z]+)(?: --\w+)?`", of_connect)) == jobs
    of_databricks = {
        kind: {name.replace("_", "-") for name in re.findall(r"`(\w+)`", names)}
        for names, kind in re.findall(
            r"^\| (`.*) \| a single task[^|]* \| a (\w+) job cluster", page("deploying.md"), re.M
        )
    }
    assert of_databricks["CPU"] == jobs - of_databricks["GPU"]
    assert of_databricks["GPU"] == {
        name for name, job in all_jobs().items() if databricks_bundle.has_model(job)
    }


def test_platforms_tells_how_many_commands_connect_runs() -> None:
    commands = other_jobs(Path(), Place(Path()))
    assert f"all four, and {len(commands)} more commands" in page("platforms.md")


def test_jobs_is_the_generated_page() -> None:
    """`captionlake jobs --markdown > docs/jobs.md` makes it anew."""
    assert page("jobs.md") == jobs_markdown() + "\n"


def test_papers_cites_each_paper_that_a_module_names() -> None:
    cited = " ".join(row[0] for row in rows_below("How to cite", page("papers.md")))
    assert [name for name in CITATIONS if name not in cited] == []


def test_datacomp_lists_the_presets_of_filters() -> None:
    expected = {}
    for file in sorted((ROOT / "conf/filters").glob("*.yml")):
        preset = yaml.safe_load(file.read_text())
        values = preset.get("values", {})
        needed = [f"`{name}`" for name, value in values.items() if value is None]
        others = [f"`{name}: {value}`" for name, value in values.items() if value is not None]
        expected[f"`{file.stem}`"] = [preset["summary"].rstrip("."), ", ".join([*needed, *others])]
    rows = rows_below("Presets of filters", page("datacomp.md"))
    assert {name: rest for name, *rest in rows} == expected


def test_datacomp_lists_the_published_mixes() -> None:
    mixes = yaml.safe_load((ROOT / "conf/mixes/published.yml").read_text())
    expected = [
        [f"`{name}`", f"`{mix['mix']}`", str(mix.get("fraction", ""))]
        for name, mix in mixes.items()
    ]
    assert rows_below("Mixes of raw and generated captions", page("datacomp.md")) == expected


def test_recipes_lists_each_recipe_with_what_must_be_given() -> None:
    expected = {}
    for file in sorted((ROOT / "conf/recipes").glob("*.yml")):
        recipe = yaml.safe_load(file.read_text())
        needed = [f"`{name}`" for name, value in recipe["variables"].items() if value is None]
        expected[f"`{file.stem}`"] = [recipe["summary"].rstrip("."), ", ".join(needed)]
    rows = rows_below("The recipes", page("recipes.md"))
    assert {name: rest for name, *rest in rows} == expected


def test_concepts_computes_the_ten_captions_right() -> None:
    """The table of keep probabilities, from the rule and from the code."""
    counts = {"dog": 6, "cat": 3, "axolotl": 1}
    entries = list(counts)
    rows = re.findall(r"^\| ([^|]+) \| ([a-z, ]+) \| (.*) \|$", page("concepts.md"), re.MULTILINE)
    captions = [row for row in rows if set(row[1].split(", ")) <= {*entries, "none"}]
    assert len(captions) == 10
    ids = [[entries.index(e) for e in row[1].split(", ") if e in entries] for row in captions]
    assert [sum(i in row for row in ids) for i in range(3)] == list(counts.values())
    p = [2 / max(n, 2) for n in counts.values()]
    kept = keep_probability(pa.array(ids, pa.list_(pa.int32())), np.array(p))
    written = [float(row[2].rpartition("= ")[2]) for row in captions]
    assert written == pytest.approx(kept, abs=5e-4)
    assert f"add up to {kept.sum():.2f}" in page("concepts.md")
    dog = sum(k for k, row in zip(kept, ids, strict=True) if 0 in row)
    assert f"`dog` keeps {dog:.1f} captions on average" in page("concepts.md")


def test_speed_computes_cpu_hours_right() -> None:
    for name, cost, *hours in rows_below("CPU hours", page("speed.md")):
        for cell, n_rows in zip(hours, (1e6, 1e8, 1e10), strict=True):
            written = float(cell.strip("*").replace(",", ""))
            expected = float(cost.replace(",", "")) * n_rows / 3.6e9
            assert written == pytest.approx(expected, rel=0.05), name


def texts_of_code() -> str:
    """All string literals of the packages; values put into them are left out."""
    texts = []
    for package in ("spark_jobs", "udfs"):
        for file in (ROOT / package).rglob("*.py"):
            nodes = ast.walk(ast.parse(file.read_bytes()))
            texts += [
                n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)
            ]
    return "\n".join(texts)


def test_troubleshooting_has_messages_that_the_code_has() -> None:
    code = texts_of_code()
    missing = []
    for message in messages_of_troubleshooting():
        parts = re.split(r"\.\.\.|'[^']*'|\.\w+\b|--format", message)
        missing += [part for part in map(str.strip, parts) if len(part) > 3 and part not in code]
    assert missing == []


def messages_of_troubleshooting() -> Iterator[str]:
    for line in page("troubleshooting.md").splitlines():
        if line.startswith("| `") or line.startswith("| counts"):
            yield from re.findall(r"`([^`]+)`", line.split(" | ")[0])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), f"{path.name}: {target}"
        if anchor:
            assert anchor in anchors_of(file), f"{path.name}: {target}"


def anchors_of(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_names_each_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [f.name for f in DOCS.glob("*.md") if f"docs/{f.name}" not in readme] == []
    assert len(readme.splitlines()) <= 115  # two screens
