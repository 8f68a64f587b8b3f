"""Settings: where values come from, and what is told of faulty ones."""

from pathlib import Path

import pytest

from spark_jobs.core.errors import SettingsError
from spark_jobs.core.settings import load_settings
from spark_jobs.core.yaml_files import read_yaml_map
from spark_jobs.jobs import curate
from spark_jobs.jobs.balance_captions import BalanceCaptions
from spark_jobs.jobs.build_concept_bank import BuildConceptBank
from spark_jobs.jobs.explain import Explain
from spark_jobs.jobs.filter_captions import FilterCaptions

GIVEN = {"captions": "/c", "matches": "/m", "output": "/o"}


def load(config: Path | None = None, overrides: list[str] | None = None, **given: str):
    values = {key: str(value) for key, value in {**GIVEN, **given}.items()}
    return load_settings(BalanceCaptions, "balance-captions", config, overrides or [], values)


def test_the_papers_default_is_the_base() -> None:
    given = {"input": "/i", "bank": "/b", "output": "/o"}
    assert load_settings(curate.Curate, "curate", None, [], given).t == 20_000


@pytest.mark.parametrize("how", [{}, {"t": "5", "tail_fraction": "0.1"}])
def test_there_is_just_one_way_to_t(how: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="exactly one of t, tail_fraction and target_rows"):
        load(**how)


def test_file_goes_before_base_options_before_file_and_set_before_all(tmp_path: Path) -> None:
    config = tmp_path / "c.yml"
    config.write_text("t: 5\nseed: 6\n")
    assert (load(config).t, load(config).seed) == (5, 6)
    assert load(config, t="7").t == 7
    assert load(config, ["t=8"], t="7").t == 8


def test_addresses_are_told_by_role() -> None:
    settings = load(entry_counts="/e", t="5")
    assert settings.addresses("input") == {"captions": "/c", "matches": "/m", "entry_counts": "/e"}
    assert settings.addresses("output") == {"output": "/o"}
    assert settings.addresses("workspace") == {}


def test_files_of_bank_sources_are_inputs() -> None:
    settings = BuildConceptBank(sources=["imagenet1k", "lines:/x.txt"], output="/b")
    assert settings.addresses("input") == {"sources.0": "/x.txt"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("imagenet12k", "unknown kind 'imagenet12k', did you mean 'imagenet1k'?"),
        ("lines", "'lines': expected lines:FILE"),
        ("imagenet1k:/x", "expected imagenet1k without a file"),
    ],
)
def test_faulty_bank_sources_are_named(source: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(
            BuildConceptBank,
            "build-concept-bank",
            None,
            [],
            {"sources": f"['{source}']", "output": "/b"},
        )


def test_a_setting_without_value_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected key=value"):
        load(None, ["t"])


def test_a_map_sets_several_settings() -> None:
    settings = load(None, ["seed=1", "{t: 7, seed: 2}", "{}"])
    assert (settings.t, settings.seed) == (7, 2)


@pytest.mark.parametrize("text", ["{t: 7", "{1: 2}", "{t}: 7"])
def test_a_faulty_map_of_settings_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--set '\{"):
        load(None, [text])


@pytest.mark.parametrize("text", ["12345678901234567890123456789012", "1e5", "yes", "null", "[x"])
def test_text_stays_as_it_was_typed(text: str) -> None:
    given = {"uid": text, "run": "/r"}
    settings = load_settings(Explain, "explain", None, [f"run_id={text}"], given)
    assert (settings.uid, settings.run_id) == (text, text)


def test_addresses_read_the_same_from_any_folder(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(t="5", captions="./c", matches="parquet:m", output="main.x.y", workspace=".")
    assert settings.captions == f"{tmp_path}/c"
    assert settings.matches == f"parquet:{tmp_path}/m"
    assert settings.output == "main.x.y"
    assert settings.workspace == str(tmp_path)


def test_every_address_that_is_none_is_told_with_the_other_faults() -> None:
    with pytest.raises(SettingsError) as raised:
        load(t="0", captions="a.b.c.d", output="")
    told = str(raised.value)
    assert "setting 'captions' = 'a.b.c.d': address 'a.b.c.d' has more parts than" in told
    assert "setting 'output' = '': an address is empty" in told
    assert "setting 't' = 0" in told


def test_lists_and_maps_are_yaml() -> None:
    given = {"sources": "[imagenet1k, 'lines:/x']", "output": "/b"}
    settings = load_settings(BuildConceptBank, "build-concept-bank", None, [], given)
    assert settings.sources == ["imagenet1k", "lines:/x"]


def test_a_way_to_t_takes_the_place_of_the_one_in_the_base_file() -> None:
    from spark_jobs.jobs.curate import Curate

    given = {"input": "a", "bank": "b", "output": "c"}
    assert load_settings(Curate, "curate", None, [], given).t == 20_000
    settings = load_settings(Curate, "curate", None, ["tail_fraction=0.2"], given)
    assert (settings.t, settings.tail_fraction) == (None, 0.2)


def test_yaml_may_take_up_another_map_and_replace_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text("a: &base {x: 1, y: 2}\nb:\n  <<: *base\n  y: 3\n")
    assert read_yaml_map(file)["b"] == {"x": 1, "y": 3}
    file.write_text("a: &base {x: 1}\nb:\n  <<: *base\n  y: 3\n  y: 4\n")
    with pytest.raises(SettingsError, match="line 5: 'y' stands there twice"):
        read_yaml_map(file)


@pytest.mark.parametrize(
    ("rule", "faults"),
    [
        ("{rule: r, op: near, column: c, value: 1}", ["setting 'rules.0.op' = 'near': "]),
        ("{op: '>', column: c, value: 1, x: 1}", ["'rules.0.rule' is missing", "'rules.0.x'"]),
        ("{rule: r, op: '>', column: c, value: {a: 1}}", ["'rules.0.value' = {'a': 1}: is of no"]),
        ("{rule: r, any_of: [{rule: s, top_fraction: 2, column: c}]}", ["'rules.0.any_of.0.top_f"]),
        ("x", ["setting 'rules' = ['x']: there is no preset 'x'"]),
    ],
)
def test_faults_of_rules_have_the_keys_that_the_user_wrote(rule: str, faults: list[str]) -> None:
    given = {"captions": "/c", "output": "/o", "rules": f"[{rule}]"}
    with pytest.raises(SettingsError) as raised:
        load_settings(FilterCaptions, "filter-captions", None, [], given)
    lines = str(raised.value).removeprefix("filter-captions: ").split("; ")
    assert len(lines) == len(faults)
    assert all(fault in line for fault, line in zip(faults, lines, strict=True))
