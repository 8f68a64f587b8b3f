"""A shell or Python program whose `captionlake` runs here, by the Spark of the tests.

A command then takes seconds, not a start of Java each.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.command_line import app

# What stands in the PATH as captionlake: words and folder go out, what is printed comes back.
_PROGRAM = """#!{python} -SE
import json, os, socket, sys
ask = socket.socket(socket.AF_UNIX)
ask.connect({address!r})
with ask.makefile("rw", encoding="utf-8") as lines:
    lines.write(json.dumps([sys.argv[1:], os.getcwd()]) + "\\n")
    lines.flush()
    code, out, err = json.loads(lines.readline())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


def run_program(words: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Run a program in a folder; returns what it printed. AssertionError if it fails."""
    with (
        tempfile.TemporaryDirectory(prefix="cl-") as short,  # a socket's path has 107 bytes
        tempfile.TemporaryFile("w+") as printed,
        socket.socket(socket.AF_UNIX) as server,
    ):
        address = f"{short}/socket"
        program = Path(short, "captionlake")
        program.write_text(_PROGRAM.format(python=sys.executable, address=address))
        program.chmod(0o755)
        server.bind(address)
        server.listen()
        server.settimeout(0.05)
        path = os.pathsep.join([short, str(Path(sys.executable).parent), os.environ["PATH"]])
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**os.environ, **environment, "PATH": path},
            stdout=printed,
            stderr=printed,
        )
        while process.poll() is None:
            _answer(server)
        printed.seek(0)
        text = printed.read()
    assert process.returncode == 0, f"{words[-1]}\n{text}"
    return text


def _answer(server: socket.socket) -> None:
    """Run the next command, if one is asked for."""
    try:
        asking, _ = server.accept()
    except TimeoutError:
        return
    asking.settimeout(None)
    with asking, asking.makefile("rw", encoding="utf-8") as lines:
        words, folder = json.loads(lines.readline())
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(folder)
            done = CliRunner().invoke(app(), words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        lines.write(json.dumps([done.exit_code, done.stdout, done.stderr]) + "\n")
