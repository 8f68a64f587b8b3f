"""Union-find, against the plainest connected components, over random graphs and long chains."""

import numpy as np
import pyarrow as pa
import pytest

from udfs.forest import link_all, no_edges, roots_of, spanning_forest


def plain_components(n: int, edges: list[tuple[int, int]]) -> list[int]:
    """The smallest node of each node's component: labels spread until nothing changes."""
    labels = list(range(n))
    changed = True
    while changed:
        changed = False
        for a, b in edges:
            low = min(labels[a], labels[b])
            changed |= labels[a] != low or labels[b] != low
            labels[a] = labels[b] = low
    return labels


def forest_of(edges: list[tuple[object, object]], batch_size: int = 7) -> dict[object, object]:
    starts = range(0, len(edges), batch_size)
    parts = [list(zip(*edges[start : start + batch_size], strict=True)) for start in starts]
    batches = [pa.RecordBatch.from_arrays([*map(pa.array, p)], ["node", "root"]) for p in parts]
    rows = [row for batch in spanning_forest(batches) for row in batch.to_pylist()]
    assert len({row["node"] for row in rows}) == len(rows)
    return {row["node"]: row["root"] for row in rows}


def test_equals_the_plain_components_of_thousands_of_graphs() -> None:
    random = np.random.default_rng(0)
    for _ in range(3000):
        n, m = int(random.integers(1, 30)), int(random.integers(0, 40))
        edges = [tuple(map(int, pair)) for pair in random.integers(0, n, (m, 2))]
        parents = no_edges(n)
        link_all(*np.array(edges, np.int64).reshape(-1, 2).T, parents)
        assert roots_of(parents).tolist() == plain_components(n, edges)


@pytest.mark.parametrize("order", [1, -1], ids=["ascending", "descending"])
def test_a_chain_of_ten_thousand_is_one_tree(order: int) -> None:
    links = np.arange(9_999)[::order]
    parents = no_edges(10_000)
    link_all(links, links + 1, parents)
    assert (roots_of(parents) == 0).all()


def test_a_spanning_forest_has_the_components_of_its_edges() -> None:
    random = np.random.default_rng(1)
    for _ in range(300):
        n = int(random.integers(2, 20))
        edges = [tuple(map(int, pair)) for pair in random.integers(0, n, (n, 2))]
        named = [(f"u{a}", f"u{b}") for a, b in edges]
        root_of = forest_of(named)
        components = plain_components(n, edges)
        for a in range(n):
            for b in range(n):
                same = root_of.get(f"u{a}", f"u{a}") == root_of.get(f"u{b}", f"u{b}")
                assert same == (components[a] == components[b])


def test_no_edges_give_no_rows() -> None:
    assert list(spanning_forest([])) == []
    assert forest_of([("a", "a")]) == {}


def test_nodes_may_be_numbers() -> None:
    assert forest_of([(-5, 7), (7, 9)]).keys() < {-5, 7, 9}
