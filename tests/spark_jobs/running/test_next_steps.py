"""The commands that a run's last lines name."""

from spark_jobs.running.launch import Summary
from spark_jobs.running.next_steps import next_step_lines


def summary(outputs: dict[str, str], *steps: dict[str, str]) -> Summary:
    return Summary("run", "done", "r", outputs, {}, 1.0, steps=[*steps])


def lines_of(made: Summary) -> list[str]:
    return next_step_lines(made, lambda address: address.removeprefix("/tmp/"))


def test_a_balanced_table_is_shown_explained_and_exported() -> None:
    outputs = {"balance-captions.output": "/tmp/curated/balanced_captions", "report.output": "/x"}
    made = summary(outputs, {"job": "balance-captions"}, {"job": "report"})
    assert lines_of(made) == [
        "Next: captionlake show curated/balanced_captions",
        "      captionlake explain --run curated --uid UID",
        "      captionlake export-pairs --input curated/balanced_captions --output ./to_download",
    ]


def test_the_last_table_of_pairs_counts_by_its_name_in_the_recipe() -> None:
    outputs = {"kept.output": "main.c.kept", "subset.output": "main.c.subset"}
    made = summary(
        outputs,
        {"name": "kept", "job": "filter-captions"},
        {"name": "subset", "job": "sample-subset"},
    )
    assert lines_of(made) == [
        "Next: captionlake show main.c.subset",
        "      captionlake export-pairs --input main.c.subset --output ./to_download",
    ]


def test_names_with_spaces_and_quotes_can_be_pasted_into_a_shell() -> None:
    outputs = {"balance-captions.output": "/tmp/my out/it's"}
    assert lines_of(summary(outputs, {"job": "balance-captions"})) == [
        """Next: captionlake show 'my out/it'"'"'s'""",
        "      captionlake explain --run 'my out' --uid UID",
        """      captionlake export-pairs --input 'my out/it'"'"'s' --output ./to_download""",
    ]


def test_a_run_without_pairs_names_nothing() -> None:
    assert lines_of(summary({"report.output": "/x"}, {"job": "report"})) == []
    assert lines_of(summary({})) == []
