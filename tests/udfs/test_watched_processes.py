"""A process of torch does not outlive the program that started it."""

import subprocess
import sys
import time

_WATCHED = """
import sys, time
from udfs.watched_processes import call_while_running
call_while_running(int(sys.argv[1]), time.sleep, 60)
"""


def test_a_process_ends_soon_after_the_one_that_it_watches() -> None:
    driver = subprocess.Popen(["sleep", "60"])
    watching = subprocess.Popen([sys.executable, "-c", _WATCHED, str(driver.pid)])
    try:
        time.sleep(1.5)
        assert watching.poll() is None
        driver.kill()  # and not collected yet
        assert watching.wait(10) == 1
    finally:
        for process in (watching, driver):
            process.kill()
            process.wait()
