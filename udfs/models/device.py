"""The device that a task's model runs on, and its precision."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

from udfs.models.spec import Device, ModelError, Precision
from udfs.tasks import task_number


def device_of_task(wanted: Device) -> str:
    """The device of this task: the GPU that Spark assigned, else any visible GPU, else "cpu".

    Raises ModelError if a GPU is wanted and none is visible.
    """
    import torch

    count = torch.cuda.device_count() if wanted != "cpu" else 0
    if count == 0:
        if wanted == "cuda":
            raise ModelError("device cuda: no GPU is there")
        return "cpu"
    gpu = _gpu_of_task()
    if gpu is None:
        return f"cuda:{task_number() % count}"
    listed = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return f"cuda:{gpu_number(gpu, listed or _visible_gpu_ids(count), count)}"


def gpu_number(gpu: str, names: Sequence[str], count: int) -> int:
    """Torch's number, below `count`, of the GPU that Spark assigned to a task.

    `gpu`: its number in the whole machine, or an id such as GPU-5f3c or MIG-9a. `names`: the
    entries of CUDA_VISIBLE_DEVICES, numbers or ids, whose order torch numbers GPUs by; else the
    visible GPUs' ids. Raises ModelError if the GPU is not among them.
    """
    for number, name in enumerate(map(str.strip, names[:count])):
        if name == gpu or _is_abbreviation(gpu, name) or _is_abbreviation(name, gpu):
            return number
    # In a container that sees a part of the machine's GPUs, Spark may still number all of them.
    if gpu.isdecimal() and not any(name.strip().isdecimal() for name in names):
        return int(gpu) % count
    raise ModelError(
        f"GPU {gpu!r}, which Spark gave to the task, is none of those it sees "
        f"({', '.join(names)}): the discovery script must give what CUDA_VISIBLE_DEVICES lists"
    )


def _is_abbreviation(short: str, name: str) -> bool:
    """Whether an id is a prefix of another; CUDA accepts such prefixes."""
    return short.startswith(("GPU-", "MIG-")) and name.startswith(short)


def _visible_gpu_ids(count: int) -> list[str]:
    """The ids of torch's GPUs, by their numbers."""
    import torch

    return [f"GPU-{torch.cuda.get_device_properties(number).uuid}" for number in range(count)]


def _gpu_of_task() -> str | None:
    """The GPU that Spark assigned to this task, if any."""
    from pyspark import TaskContext

    context = TaskContext.get()
    gpu = None if context is None else context.resources().get("gpu")
    return None if gpu is None else str(gpu.addresses[0])


@contextlib.contextmanager
def inference(device: str, precision: Precision) -> Iterator[None]:
    """Context in which torch computes in this precision and keeps nothing for gradients.

    "auto" is bf16 on a GPU that supports it, else fp16 on a GPU, else fp32.
    """
    import torch

    kind = device.partition(":")[0]
    if precision == "auto" and kind == "cuda":
        precision = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    autocast_type: Any = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    with torch.inference_mode(), contextlib.ExitStack() as stack:
        if autocast_type is not None:
            stack.enter_context(torch.autocast(kind, dtype=autocast_type))
        yield


def is_out_of_memory(fault: Exception) -> bool:
    """Whether a device was out of memory; torch raises plain RuntimeErrors for it too."""
    import torch

    return isinstance(fault, torch.OutOfMemoryError) or "out of memory" in str(fault).lower()
