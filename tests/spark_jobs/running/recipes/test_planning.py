"""Recipes become jobs with checked settings, in an order in which they can run."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from spark_jobs.core.errors import SettingsError
from spark_jobs.core.variables import fill_in
from spark_jobs.running.recipes.planning import (
    PlannedStep,
    left_out_steps,
    plan_steps,
    select_steps,
)
from spark_jobs.running.recipes.reading import Recipe, packaged_recipes, read_recipe
from spark_jobs.running.recipes.starting import write_recipe


def recipe(steps: dict[str, Any], **variables: Any) -> Recipe:
    named = {"output": "/out"} | variables
    return Recipe(file="mine.yml", summary="x", variables=named, steps=steps)


def two_branches() -> dict[str, Any]:
    """Written from the end to the beginning."""
    return {
        "many": {"job": "balance-captions", "captions": "c", "matches": "matches", "t": 9},
        "few": {"job": "balance-captions", "captions": "c", "matches": "matches", "t": 3},
        "matches": {"job": "match-concepts", "captions": "c", "bank": "bank"},
        "bank": {"job": "build-concept-bank", "sources": "imagenet1k"},
        "ingest": {"job": "ingest-captions", "input": "/in", "output": "c"},
    }


def planned(steps: dict[str, Any], **changes: Any) -> list[PlannedStep]:
    return plan_steps(recipe(steps), changes)


def fault(steps: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(SettingsError) as raised:
        planned(steps, **changes)
    return str(raised.value)


def test_a_step_comes_after_those_whose_tables_it_reads() -> None:
    steps = planned(two_branches())
    assert [step.name for step in steps] == ["bank", "ingest", "matches", "many", "few"]
    assert {step.name: step.depends_on for step in steps} == {
        "bank": (),
        "ingest": (),
        "matches": ("bank", "ingest"),
        "many": ("ingest", "matches"),
        "few": ("ingest", "matches"),
    }


def test_bare_words_are_tables_in_the_output_folder_or_schema() -> None:
    in_folder = {step.name: step.settings for step in planned(two_branches())}
    assert in_folder["matches"].captions == "/out/c"
    assert in_folder["matches"].output == "/out/matches"
    assert {s.workspace for s in in_folder.values()} == {"/out"}
    in_catalog = {s.name: s.settings for s in planned(two_branches(), output="main.curation")}
    assert in_catalog["matches"].captions == "main.curation.c"
    assert in_catalog["ingest"].input == "/in"


def test_a_steps_name_is_its_output_wherever_that_lies() -> None:
    """A folder of files needs a path where tables lie in a catalog, and others read it by name."""
    steps = two_branches()
    where = {"output": "main.curation", "matches": {"output": "${place}/m"}}
    planned_steps = plan_steps(recipe(steps, place="/elsewhere"), where)
    found = {step.name: step for step in planned_steps}
    assert found["few"].settings.matches == "/elsewhere/m"
    assert found["few"].depends_on == ("ingest", "matches")
    assert found["few"].settings.captions == "main.curation.c"


def test_tables_in_a_map_are_tables_of_the_recipe() -> None:
    steps = {
        "clean": {
            "job": "decontaminate",
            "input": "unique",
            "benchmarks": {"food": "tests", "cars": "/cars"},
            "contaminated": "found",
        },
        "unique": {"job": "dedup-images", "input": "/images", "groups": "groups"},
        "tests": {"job": "dedup-images", "input": "/tests", "groups": "test_groups"},
    }
    *_, clean = planned(steps)
    assert clean.settings.benchmarks == {"food": "/out/tests", "cars": "/cars"}
    assert clean.depends_on == ("tests", "unique")
    steps["clean"]["benchmarks"] = {"food": "tets"}
    assert "no step writes 'tets', did you mean 'tests'?" in fault(steps)


def test_the_value_of_a_variable_is_an_address_as_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    steps = two_branches()
    steps["ingest"]["input"] = "${input}"
    for word in ("c", "./c", "c/"):  # c is also a table of the recipe
        found = plan_steps(recipe(steps, input=None), {"input": word, "output": "out"})
        settings = {step.name: step.settings for step in found}
        assert settings["ingest"].input == f"{tmp_path}/c"
        assert settings["matches"].captions == f"{tmp_path}/out/c"


def test_a_format_stays_before_a_bare_word() -> None:
    steps = two_branches() | {"copy": {"job": "dedup-captions", "captions": "c"}}
    steps["copy"]["output"] = "parquet:copy"
    settings = {s.name: s.settings for s in planned(steps)}
    assert settings["copy"].output == "parquet:/out/copy"


def test_changes_reach_variables_and_settings() -> None:
    steps = two_branches()
    steps["few"]["t"] = "${t}"
    found = plan_steps(recipe(steps, t=5), {"t": 7, "many": {"seed": 4}})
    of = {s.name: s.settings for s in found}
    assert (of["few"].t, of["many"].t, of["many"].seed) == (7, 9, 4)


def test_a_job_takes_its_base_settings_unless_the_step_says_otherwise(tmp_path: Path) -> None:
    """conf/base/curate.yml gives a t; a step that gives another way to it replaces that."""
    steps = two_branches()
    steps["few"] = {**steps["few"], "t": None, "tail_fraction": 0.2}
    assert {s.name: s.settings for s in planned(steps)}["few"].tail_fraction == 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"few": {"sede": 1}}, "mine.yml: step few: unknown setting 'sede', did you mean 'seed'?"),
        ({"fwe": {"seed": 1}}, "there is no step or variable 'fwe', did you mean 'few'?"),
        ({"fwe": 1}, "there is no step or variable 'fwe', did you mean 'few'?"),
        ({"few": 1}, "step few: expected --set few.<setting>=value"),
        ({"few": {"job": "balance"}}, "step few: there is no job 'balance'"),
        ({"few": {"job": "curate"}}, "step few: there is no job 'curate'"),
        ({"few": {"captions": "d"}}, "step few: captions: no step writes 'd'"),
        ({"few": {"captions": "macthes"}}, "no step writes 'macthes', did you mean 'matches'?"),
        ({"few": {"t": "${tt}"}}, "step few: there is no variable 'tt'"),
        ({"few": {"t": -1}}, "step few: setting 't' = -1: expected a number above 0"),
        ({"output": None}, "variable 'output' has no value: --set output=..."),
        ({"few": {"output": "many"}}, "step few: output is /out/many, which step many writes too"),
        ({"ingest": {"input": "few"}}, "steps need each other: "),
        ({"matches": {"bank": "matches"}}, "steps need each other: matches -> matches"),
    ],
)
def test_a_fault_names_file_step_and_key(change: dict[str, Any], message: str) -> None:
    told = fault(two_branches(), **change)
    assert told.startswith("mine.yml: ")
    assert message in told


def test_all_faults_are_told_at_once() -> None:
    told = fault(two_branches(), few={"seed": "x"}, many={"t": 0}, foo=1)
    assert "step few" in told
    assert "step many" in told
    assert "'foo'" in told


def test_a_file_needs_a_folder() -> None:
    steps = two_branches() | {"page": {"job": "report", "table": "many", "output": "r.html"}}
    assert {s.name: s.settings for s in planned(steps)}["page"].output == "/out/r.html"
    told = fault(steps, output="main.curation")
    assert "step page: output: 'r.html' is a file, and main.curation holds only tables" in told
    assert planned(steps, output="main.curation", page={"output": "/Volumes/r.html"})


def test_a_name_is_a_variable_or_a_step_not_both() -> None:
    with pytest.raises(SettingsError, match="'few' is both a variable and a step"):
        plan_steps(recipe(two_branches(), few=1), {})


def test_a_step_that_is_no_map_and_a_key_twice_are_named(tmp_path: Path) -> None:
    file = tmp_path / "r.yml"
    file.write_text("summary: x\nsteps:\n  a: 3\n")
    with pytest.raises(SettingsError, match=r"r\.yml: setting 'steps\.a' = 3"):
        read_recipe(str(file))
    file.write_text("summary: x\nsteps:\n  a: {job: x}\n  b: {job: x}\n  a: {job: y}\n")
    with pytest.raises(SettingsError, match=r"r\.yml: .*line 5: 'a' stands there twice"):
        read_recipe(str(file))
    with pytest.raises(SettingsError, match=r"none\.yml: cannot be read"):
        read_recipe(str(tmp_path / "none.yml"))


class TestSelection:
    def names(self, first: str | None = None, only: str | None = None) -> list[str]:
        return [step.name for step in select_steps(planned(two_branches()), first, only)]

    def test_from_a_step_on_means_what_follows_from_it(self) -> None:
        assert self.names(first="matches") == ["matches", "many", "few"]
        assert self.names(first="many") == ["many"]

    def test_only_is_that_one(self) -> None:
        assert self.names(only="matches") == ["matches"]

    def test_an_unknown_step_is_named(self) -> None:
        with pytest.raises(SettingsError, match="no step 'matchs', did you mean 'matches'"):
            self.names(only="matchs")

    def test_a_step_that_is_left_out_is_none_and_no_fault(self) -> None:
        steps = {**two_branches(), "rare": {**two_branches()["few"], "when": "${more}"}}
        for more, chosen in ((False, []), (True, ["rare"])):
            mine = recipe(steps, more=more)
            left_out = left_out_steps(mine, {})
            selected = select_steps(plan_steps(mine, {}), None, "rare", left_out)
            assert [step.name for step in selected] == chosen


def test_a_variable_alone_keeps_its_type() -> None:
    values = {"n": 3, "who": "cats"}
    assert fill_in(["${n}", "${n} ${who}", {"a": "${n}"}, 4], values) == [3, "3 cats", {"a": 3}, 4]


@pytest.mark.parametrize("value", ["${a}", "x ${b}", ["${a}"], {"c": "${d}"}])
def test_a_variable_that_names_a_variable_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"variable 'a' holds \$\{\w\}, expected a value without"):
        fill_in("${a}/x", {"a": value})


@pytest.mark.parametrize("name", packaged_recipes())
def test_every_recipe_that_comes_along_can_be_planned_and_started_from(
    name: str, tmp_path: Path
) -> None:
    needed = {k: "/x/y.json" for k, v in read_recipe(name).variables.items() if v is None}
    assert plan_steps(read_recipe(name), needed)
    mine = tmp_path / "mine.yml"
    told = write_recipe(name, mine)
    assert f"captionlake run {mine}" in told
    assert all(f"--set {variable}=" in told for variable in needed)
    assert yaml.safe_load(mine.read_text())["steps"].keys() == read_recipe(name).steps.keys()
    with pytest.raises(SettingsError, match="is there already"):
        write_recipe(name, mine)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [(True, ["a", "b"]), ({"x": 1}, ["a", "b"]), (False, ["a"]), ({}, ["a"]), ("", ["a"])],
)
def test_a_step_is_left_out_when_its_condition_does_not_hold(wanted: Any, names: list[str]) -> None:
    job = {"job": "build-concept-bank", "sources": "imagenet1k"}
    steps = {"a": job, "b": {**job, "when": "${more}"}}
    assert [step.name for step in plan_steps(recipe(steps, more=wanted), {})] == names
    assert [step.name for step in plan_steps(recipe(steps, more=False), {"more": wanted})] == names
    with pytest.raises(SettingsError, match="step b: when: there is no variable 'more'"):
        planned(steps)


def test_all_conditions_must_hold_and_the_first_table_that_is_written_is_read() -> None:
    job = {"job": "dedup-captions"}
    steps = {
        "raw": {"job": "ingest-captions", "input": "/in"},
        "few": {**job, "captions": "raw", "when": ["${one}", "${two}"]},
        "last": {**job, "captions": {"first_of": ["few", "raw"]}},
    }
    for one, two, read in ((1, 1, "few"), (1, 0, "raw"), (0, 1, "raw")):
        *_, last = plan_steps(recipe(steps, one=one, two=two), {})
        assert (last.settings.captions, last.depends_on) == (f"/out/{read}", (read,))
    # A variable's value is taken as it is, and need not have one where it is not read.
    steps["few"]["captions"] = {"first_of": ["raw", "${given}"]}
    *_, few, _ = plan_steps(recipe(steps, one=1, two=1, given=None), {})
    assert few.settings.captions == "/out/raw"
    steps["few"]["captions"] = {"first_of": ["none", "${given}"]}
    few = {s.name: s for s in plan_steps(recipe(steps, one=1, two=1, given="/far"), {})}["few"]
    assert few.settings.captions == "/far"
    steps["last"]["captions"] = {"first_of": ["a", "b"]}
    with pytest.raises(SettingsError, match="no step writes 'b'"):
        plan_steps(recipe(steps, one=1, two=1), {})


def test_a_table_inside_a_map_is_the_first_that_is_written() -> None:
    read = read_recipe("datacomp_captions")
    by_name = {step.name: step for step in plan_steps(read, {"input": "/in", "generated": "/blip"})}
    assert len(by_name) == 13
    synthetic = by_name["best"].settings.sources["synthetic"]  # type: ignore[attr-defined]
    assert (synthetic.captions, synthetic.scores) == ("/blip", None)
    given = {"input": "/in", "output": "/out", "images": "/images", "caption_model": "/blip"}
    with_images = plan_steps(read, given | {"caption_images": True})
    by_name = {step.name: step for step in with_images}
    synthetic = by_name["best"].settings.sources["synthetic"]  # type: ignore[attr-defined]
    assert synthetic.captions == "/out/synthetic_captions"
    assert synthetic.scores == "/out/synthetic_scores"
    assert by_name["best"].depends_on == ("synthetic_captions", "synthetic_scores")
    assert by_name["synthetic_scores"].depends_on == ("image_vectors", "synthetic_vectors")
    with pytest.raises(SettingsError, match="variable 'generated' has no value"):
        plan_steps(read, {"input": "/in"})


@pytest.mark.parametrize("name", ["metaclip", "metaclip2"])
def test_the_recipes_of_metaclip_can_begin_with_a_bank_from_text(name: str) -> None:
    read = read_recipe(name)
    given = {"input": "/in", "output": "/out"}
    text = {"bank_from_text": True, "bank_texts": "/texts", "bank_min_pmi": 10}
    from_text = plan_steps(read, given | text)
    by_name = {step.name: step for step in from_text}
    assert by_name["concept_bank"].settings.texts == "/texts"  # type: ignore[attr-defined]
    assert by_name["matches"].settings.bank == "/out/concept_bank"  # type: ignore[attr-defined]
    assert "concept_bank" in by_name["matches"].depends_on
    with_bank = {step.name: step for step in plan_steps(read, given | {"bank": "imagenet22k"})}
    assert "concept_bank" not in with_bank
    assert with_bank["matches"].settings.bank == "imagenet22k"  # type: ignore[attr-defined]
    with pytest.raises(SettingsError, match="variable 'bank' has no value"):
        plan_steps(read, given)
