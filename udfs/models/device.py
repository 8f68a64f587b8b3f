"""The device that a task's model runs on, and its precision."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from udfs.models.spec import Device, ModelError, ModelSpec, Precision
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
    if gpu.startswith("GPU-"):  # an id says which GPU it is, however the visible ones are listed
        listed = []
    return f"cuda:{gpu_number(gpu, listed or _visible_gpu_ids(count), count)}"


def device_of_process(wanted: Device) -> str:
    """The device of a process: of several on one machine, each has the GPU of its number."""
    device = device_of_task(wanted)
    if device == "cpu" or "LOCAL_RANK" not in os.environ:
        return device
    import torch

    number = int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count()
    torch.cuda.set_device(number)
    return f"cuda:{number}"


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


def precision_on(device: str, precision: Precision) -> Precision:
    """The precision; "auto" is bf16 on a GPU that supports it, else fp16 on a GPU, else fp32."""
    import torch

    if precision != "auto":
        return precision
    if device == "cpu":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


@contextlib.contextmanager
def inference(device: str, precision: Precision) -> Iterator[None]:
    """Context in which torch casts to this precision and keeps nothing for gradients."""
    import torch

    kind = device.partition(":")[0]
    autocast_type: Any = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(
        precision_on(device, precision)
    )
    with torch.inference_mode(), contextlib.ExitStack() as stack:
        if autocast_type is not None:
            stack.enter_context(torch.autocast(kind, dtype=autocast_type))
        yield


def is_out_of_memory(fault: Exception) -> bool:
    """Whether a device was out of memory; torch raises plain RuntimeErrors for it too."""
    import torch

    message = str(fault).lower()
    return isinstance(fault, torch.OutOfMemoryError) or any(
        words in message for words in ("out of memory", "cublas_status_alloc_failed")
    )


@contextlib.contextmanager
def memory_for(spec: ModelSpec, device: str) -> Iterator[None]:
    """Context in which a model is loaded; ModelError if the device has no room for its weights."""
    import torch

    try:
        yield
    except RuntimeError as fault:
        if not is_out_of_memory(fault):
            raise
        free_mb, total_mb = (n >> 20 for n in torch.cuda.mem_get_info(device))
        raise ModelError(
            f"model {spec.name}: {device} has no room for its weights ({free_mb:,} of "
            f"{total_mb:,} MB are free): let fewer tasks share a GPU "
            "(spark.task.resource.gpu.amount), or set the device to cpu"
        ) from None


def pinned(array: NDArray[Any], device: str) -> Any:
    """The array as a tensor on the host, in memory that a GPU copies from by itself."""
    import torch

    tensor = torch.from_numpy(array)
    return tensor if device == "cpu" else tensor.pin_memory()


def upload(inputs: Mapping[str, Any], device: str) -> Mapping[str, Any]:
    """The tensors on the device; a GPU copies pinned ones while it computes what came before."""
    import torch

    if device == "cpu":
        return inputs
    computing, copying = torch.cuda.current_stream(device), _copy_stream(device)
    with torch.cuda.stream(copying):
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in inputs.items()}
    computing.wait_stream(copying)
    for tensor in moved.values():
        tensor.record_stream(computing)  # its memory is not given away before it was read
    return moved


@lru_cache
def _copy_stream(device: str) -> Any:
    import torch

    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def fetch(tensors: Sequence[Any], device: str) -> Callable[[], list[NDArray[Any]]]:
    """Start to copy tensors to the host; the function that is returned waits for them."""
    import torch

    if device == "cpu":
        return lambda: [tensor.numpy() for tensor in tensors]
    on_host = [torch.empty(t.shape, dtype=t.dtype, pin_memory=True) for t in tensors]
    for target, tensor in zip(on_host, tensors, strict=True):
        target.copy_(tensor, non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record(torch.cuda.current_stream(device))

    def wait() -> list[NDArray[Any]]:
        copied.synchronize()
        return [target.numpy() for target in on_host]

    return wait
