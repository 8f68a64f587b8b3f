"""Command lines as calls in Python."""

import pytest

from spark_jobs.running.python_functions import python_example
from spark_jobs.running.registry import all_jobs


@pytest.mark.parametrize(
    ("command", "call"),
    [
        (
            "captionlake match-concepts --captions ./captions --carry \\\n  --output 'my matches'",
            'cl.match_concepts(captions="./captions", carry=True, output="my matches")',
        ),
        (
            "captionlake curate ./pairs --bank bank.txt --t 20000 --no-report --output ./out",
            'cl.curate("./pairs", bank="bank.txt", t=20000, report=False, output="./out")',
        ),
        (
            "captionlake run metaclip.yml --set input=./pairs --set bank=metadata.json",
            'cl.run("metaclip.yml", input="./pairs", bank="metadata.json")',
        ),
        (
            "captionlake show ./pairs --columns uid,caption -n 5",
            'cl.show("./pairs", columns="uid,caption", rows=5)',
        ),
        (
            "captionlake count-concepts --classes '[imagenet, dtd]'",
            'cl.count_concepts(classes=["imagenet", "dtd"])',
        ),
        (
            "captionlake filter-captions --set 'rules=[{rule: clip, top_fraction: 0.3}]'",
            'cl.filter_captions(rules=[{"rule": "clip", "top_fraction": 0.3}])',
        ),
    ],
)
def test_a_command_as_a_call(command: str, call: str) -> None:
    job = all_jobs()[command.split()[1]]
    assert python_example(job, command) == call
