"""End processes of torch with the program that started them, which torchrun does not."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_SECONDS_BETWEEN_LOOKS = 1


def call_while_running(process: int, function: Callable[[T], None], argument: T) -> None:
    """Call the function in a program that ends soon after another process of this machine."""
    end_with(process)
    function(argument)


def end_with(process: int) -> None:
    """Have this process end soon after another of this machine, whatever it is at."""

    def watch() -> None:
        while is_running(process):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="driver").start()


def is_running(process: int) -> bool:
    """Whether a process is there, and not merely waiting to be collected by its parent."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:  # a system without /proc
        return True
    except (OSError, IndexError):
        return False
    return state not in ("Z", "X")
