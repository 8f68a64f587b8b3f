"""Connected components in Spark: a chain and random graphs, whatever the partitions."""

import numpy as np
import pytest

from spark_jobs.images.components import components


@pytest.mark.parametrize(("n_parts", "n_tasks"), [(1, 1), (5, 9)])
def test_chains_and_cliques_are_components(spark, n_parts: int, n_tasks: int) -> None:
    chain = [(k, k + 1) for k in range(10_000)]
    clique = [(20_000 + a, 20_000 + b) for a in range(30) for b in range(30)]
    edges = np.random.default_rng(0).permutation([*chain, *clique]).tolist()
    frame = spark.createDataFrame(edges, "node long, root long").repartition(n_parts)
    rows = components(frame, n_tasks=n_tasks).collect()
    roots = {row["node"]: row["root"] for row in rows}
    assert len(rows) == len(roots) == 10_000 + 29
    assert len({roots.get(node, node) for node in range(10_001)}) == 1
    assert len({roots.get(20_000 + k, 20_000 + k) for k in range(30)}) == 1


def test_no_edges_have_no_components(spark) -> None:
    frame = spark.createDataFrame([], "node string, root string")
    assert components(frame, n_tasks=4).collect() == []
