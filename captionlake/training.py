"""Readers of snapshots (export-snapshot) for training; they need neither Spark nor, alone, torch.

from captionlake.training import ArrowBatches, Loader, open_snapshot

batches = ArrowBatches(open_snapshot("./snapshot"), columns=["caption"], batch_size=512)
for batch in Loader(batches, num_workers=2):
batch.column("caption")
"""

from udfs.training.arrow_batches import ArrowBatches
from udfs.training.batches import Batches
from udfs.training.concept_batches import ConceptChoice
from udfs.training.faults import SnapshotError
from udfs.training.loader import Loader
from udfs.training.petastorm_batches import PetastormBatches
from udfs.training.snapshot import Snapshot, open_snapshot

__all__ = [
    "ArrowBatches",
    "Batches",
    "ConceptChoice",
    "Loader",
    "PetastormBatches",
    "Snapshot",
    "SnapshotError",
    "open_snapshot",
]
