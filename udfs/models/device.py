"""Where a model runs in a task: its GPU, or the processor."""

import contextlib
from collections.abc import Iterator
from typing import Any

from udfs.models.spec import Device, ModelError, Precision
from udfs.tasks import task_number


def device_of_task(wanted: Device) -> str:
    """The device of this task: the GPU that Spark gave it, else any that is there, else "cpu".

    Raises ModelError where a GPU is wanted and none is there.
    """
    import torch

    count = torch.cuda.device_count() if wanted != "cpu" else 0
    if count == 0:
        if wanted == "cuda":
            raise ModelError("device cuda: no GPU is there")
        return "cpu"
    # An executor that sees only its own GPUs still knows them by the numbers of the whole machine.
    return f"cuda:{_gpu_number() % count}"


def _gpu_number() -> int:
    from pyspark import TaskContext

    context = TaskContext.get()
    given = None if context is None else context.resources().get("gpu")
    return task_number() if given is None else int(given.addresses[0])


@contextlib.contextmanager
def inference(device: str, precision: Precision) -> Iterator[None]:
    """Within it torch computes in this precision and keeps nothing for gradients.

    "auto" is the shortest that the device is made for: bf16 or fp16 on a GPU, else fp32.
    """
    import torch

    kind = device.partition(":")[0]
    if precision == "auto" and kind == "cuda":
        precision = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    short: Any = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    with torch.inference_mode(), contextlib.ExitStack() as stack:
        if short is not None:
            stack.enter_context(torch.autocast(kind, dtype=short))
        yield


def is_out_of_memory(fault: Exception) -> bool:
    """Whether a device had no room for a batch; torch also tells it as a RuntimeError."""
    import torch

    return isinstance(fault, torch.OutOfMemoryError) or "out of memory" in str(fault).lower()
