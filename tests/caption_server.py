"""A server of OpenAI's API on loopback that answers well, and badly in many ways."""

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

KEY, MODEL = "sk-loopback-0123456789-0123456789-0123", "loopback-model"
# Behaviour of a request -> the cause of its fault, or None where it is answered.
BEHAVIOURS = {
    "good": None,
    "500": "server",
    "429": "rate_limit",
    "truncated": "answer",
    "no_json": "answer",
    "no_choices": "answer",
    "null_text": None,
    "reset": "connection",
    "short": "connection",
    "hang": "timeout",
    "drip": "timeout",
    "400": "request",
}


def caption_of(prompt: str) -> str:
    """A caption with the concept, which prompts of the tests have in <>."""
    concept = re.search(r"<(.*)>", prompt, re.S)
    return f"A photo of {concept[1] if concept else 'nothing'} number {len(prompt)} ."


@dataclass
class CaptionServer:
    """`behave(prompt, times)`: a behaviour, by the prompt and how often it has come before.

    `asked`: prompt and seed of each request that came; `answered`: of those that were answered.
    `together`: all but the first wait until so many are there.
    """

    behave: Callable[[str, int], str] = lambda _prompt, _times: "good"
    write: Callable[[str], str] = caption_of
    delay_s: float = 0.0
    key: str | None = None
    usage: bool = True
    retry_after: str | None = "0"
    together: int = 1
    asked: list[tuple[str, int | None]] = field(default_factory=list)
    answered: list[tuple[str, int | None]] = field(default_factory=list)
    url: str = ""
    most_at_once: int = 0
    _times: Counter[str] = field(default_factory=Counter)
    _at_once: int = 0
    _barrier: asyncio.Barrier | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"(?i)content-length: (\d+)", head)
        body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
        path = head.split(" ")[1]
        if self.key is not None and f"Bearer {self.key}" not in head:
            said = f"Incorrect API key provided: {head.partition('Bearer ')[2].split()[0]}"
            return self._send(writer, 401, {"error": {"message": said}})
        if not path.startswith("/v1/"):
            return self._send(writer, 404, {"error": {"message": "Not found"}})
        if body["model"] != MODEL:
            said = f"The model {body['model']} does not exist"
            return self._send(writer, 404, {"error": {"message": said}})
        is_chat = path.endswith("/chat/completions")
        prompt = body["messages"][0]["content"] if is_chat else body["prompt"]
        self.asked.append((prompt, body.get("seed")))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        behaviour = self.behave(prompt, self._times[prompt])
        self._times[prompt] += 1
        try:
            await asyncio.sleep(3600 if behaviour == "hang" else self.delay_s)
            if len(self.asked) > 1 and self.together > 1:
                self._barrier = self._barrier or asyncio.Barrier(self.together)
                await self._barrier.wait()
            if behaviour == "drip":
                await self._drip(writer)
            return self._answer(writer, behaviour, body, prompt, is_chat)
        finally:
            self._at_once -= 1

    @staticmethod
    async def _drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 9999\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)

    def _answer(
        self, writer: asyncio.StreamWriter, behaviour: str, body: Any, prompt: str, is_chat: bool
    ) -> bool:
        text = None if behaviour == "null_text" else self.write(prompt)
        choice = {"message": {"content": text}} if is_chat else {"text": text}
        response = {"choices": [{**choice, "index": 0, "finish_reason": "stop"}]}
        if self.usage:
            response["usage"] = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
        if behaviour == "500":
            return self._send(writer, 500, {"error": {"message": "out of luck"}})
        if behaviour == "400":
            return self._send(writer, 400, {"error": {"message": "too long a prompt"}})
        if behaviour == "no_quota":
            error = {"message": "You exceeded your quota", "code": "insufficient_quota"}
            return self._send(writer, 429, {"error": error})
        if behaviour == "429":
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            return self._send(writer, 429, {"error": {"message": "slow down"}}, headers)
        if behaviour == "no_choices":
            return self._send(writer, 200, {**response, "choices": []})
        content = json.dumps(response).encode()
        if behaviour == "truncated":
            return self._send(writer, 200, content[: len(content) // 2])
        if behaviour == "no_json":
            return self._send(writer, 200, b"<html>a proxy</html>", {"Content-Type": "text/html"})
        if behaviour == "reset":
            writer.transport.abort()
            return False
        if behaviour == "short":
            self._send(writer, 200, content, {"Content-Length": str(len(content) + 9)})
            return False
        self.answered.append((prompt, body.get("seed")))
        return self._send(writer, 200, content)

    @staticmethod
    def _send(
        writer: asyncio.StreamWriter, status: int, body: Any, headers: dict[str, str] | None = None
    ) -> bool:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        lines = [f"{name}: {value}" for name, value in (fields | (headers or {})).items()]
        writer.write("\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode() + content)
        return True


@contextmanager
def running(server: CaptionServer) -> Iterator[CaptionServer]:
    """Context in which the server answers, in a thread of its own."""
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def start() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024)
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
        started.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()
        open_connections = asyncio.all_tasks(loop)
        for task in open_connections:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*open_connections, return_exceptions=True))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
