"""The demo's captions and its summary."""

import collections

import pandas as pd
import pyarrow as pa

from spark_jobs.concepts.imagenet_prompts import imagenet_templates
from spark_jobs.demo.corpus import caption_maker, n_batches
from spark_jobs.demo.summary import head_and_tail, summary_lines


def test_there_are_the_80_templates() -> None:
    templates = imagenet_templates()
    assert len(templates) == 80
    assert all(template.count("{}") == 1 for template in templates)
    assert "a photo of a {}." in templates


def made(n_rows: int, seed: int, numbers: list[int] | None = None) -> pa.Table:
    """The captions of the given batches, else of all."""
    every = list(range(n_batches(n_rows))) if numbers is None else numbers
    given = pa.record_batch([pa.array(every, pa.int64())], names=["id"])
    return pa.Table.from_batches(caption_maker(n_rows, seed)([given]))


def test_same_seed_same_captions_other_seed_others() -> None:
    first, again, other = (made(60_000, seed) for seed in (0, 0, 1))
    assert first.num_rows == 60_000
    assert len(set(first["url"].to_pylist())) == 60_000
    assert first.equals(again)
    assert not first.equals(other)


def test_a_batch_is_the_same_in_whichever_task_it_is_made() -> None:
    assert made(60_000, 0, [1]).equals(made(60_000, 0).slice(50_000))


def test_concepts_have_a_head_and_a_long_tail() -> None:
    captions = made(60_000, 0)["caption"].to_pylist()
    words = collections.Counter(word for caption in captions for word in set(caption.split()))
    counts = sorted(words.values(), reverse=True)
    assert counts[0] > 10_000
    assert sum(count <= 2 for count in counts) > 10_000
    assert not any("{}" in caption for caption in captions)


def test_summary_adds_up_head_and_tail() -> None:
    entries = pd.DataFrame(
        {
            "entry": ["dog", "newt", "unseen"],
            "entry_count": [1_000, 10, 0],
            "kept_count": [100, 10, 0],
        }
    )
    summary = head_and_tail(entries, t=100)
    assert (summary.entries_matched, summary.head_entries) == (2, 1)
    assert (summary.head_before, summary.head_after) == (1_000, 100)
    assert (summary.tail_before, summary.tail_after) == (10, 10)
    lines = summary_lines(summary)
    assert max(map(len, lines)) <= 80
    assert any("1.0 %" in line and "9.1 %" in line for line in lines)


def test_summary_of_nothing_is_a_table_too() -> None:
    empty = pd.DataFrame({"entry": [], "entry_count": [], "kept_count": []})
    assert summary_lines(head_and_tail(empty, t=1))
