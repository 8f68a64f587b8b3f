"""Files that jobs write for people, which show themselves in notebooks."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass

from captionlake.errors import short_errors

_FRAME = (
    '<iframe srcdoc="{page}" title="{name}" style="width: 100%; height: {height}px; '
    'border: 1px solid #8886"></iframe>'
)


@dataclass(frozen=True)
class WrittenFile:
    """A file that a job has written, such as a report or a picture.

    In a notebook a report is a frame, as high as `height` in pixels, and a picture an image.
    """

    path: str
    height: int = 800

    @short_errors
    def read(self) -> bytes:
        """The content of the file, from whatever file system it lies in."""
        from udfs.file_systems import file_system

        system, path = file_system(self.path)
        with system.open_input_stream(path, compression=None) as file:
            content: bytes = file.read()
        return content

    def _repr_html_(self) -> str | None:
        """The file as HTML that keeps its own style; None if it is no page and no picture."""
        name = html.escape(self.path)
        if self.path.endswith(".html"):
            page = html.escape(self.read().decode())
            return _FRAME.format(page=page, name=name, height=self.height)
        if self.path.endswith(".svg"):
            picture = base64.b64encode(self.read()).decode()
            return f'<img src="data:image/svg+xml;base64,{picture}" alt="{name}">'
        return None
