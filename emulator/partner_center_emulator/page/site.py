"""The web site of a cloud: the page, its events, and what its buttons do."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from aiohttp import web

from partner_center_emulator.page.panels import Action, PageError, Panel, Row

_SECONDS_BETWEEN_LOOKS = 0.25
_FILES = {
    "": ("index.html", "text/html"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Site:
    """The page over some panels and actions, which may be added to at any time.

    `title` is the heading. `links` are further pages that it leads to: their names by address.
    """

    def __init__(self, panels: Sequence[Panel], actions: Sequence[Action]) -> None:
        self.title = "Partner Center emulator"
        self.panels = list(panels)
        self.actions = list(actions)
        self.links: dict[str, str] = {}
        self._ended = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """The page at the root, and what it needs below /page."""
        return [
            web.get("/", self._file),
            web.get("/page/structure", self._structure),
            web.get("/page/events", self._events),
            web.get("/page/panels/{panel}/{row:.+}", self._detail),
            web.post("/page/actions/{action}", self._act),
            web.get("/page/{name}", self._file),
        ]

    def end(self) -> None:
        """Ends the streams of events, which would otherwise never end."""
        self._ended.set()

    async def _file(self, request: web.Request) -> web.Response:
        found = _FILES.get(request.match_info.get("name", ""))
        if found is None:
            raise web.HTTPNotFound
        name, content_type = found
        text = (files(__package__) / "static" / name).read_text("utf-8")
        return web.Response(text=text, content_type=content_type, headers=_HEADERS)

    async def _structure(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "title": self.title,
                "links": self.links,
                "panels": [panel.as_json() for panel in self.panels],
                "actions": [action.as_json() for action in self.actions],
            }
        )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: the rows of a panel, whenever they differ from those sent before."""
        stream = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
        await stream.prepare(request)
        async for panel, rows in self._changes():
            message = json.dumps({"panel": panel, "rows": [asdict(row) for row in rows]})
            try:
                await stream.write(f"data: {message}\n\n".encode())
            except ConnectionError:
                break  # nobody looks any more
        return stream

    async def _changes(self) -> AsyncIterator[tuple[str, Sequence[Row]]]:
        """The rows of each panel that has others than before, until the site ends."""
        seen: dict[str, Sequence[Row]] = {}
        while not self._ended.is_set():
            for panel in list(self.panels):
                rows = await panel.rows()
                if seen.get(panel.id) != rows:
                    seen[panel.id] = rows
                    yield panel.id, rows
            try:
                await asyncio.wait_for(self._ended.wait(), _SECONDS_BETWEEN_LOOKS)
            except TimeoutError:
                continue

    async def _detail(self, request: web.Request) -> web.Response:
        panels = {panel.id: panel for panel in self.panels}
        panel = panels.get(request.match_info["panel"])
        if panel is None:
            return _error("There is no such panel.", 404)
        try:
            sections = await panel.detail(request.match_info["row"])
        except PageError as error:
            return _error(str(error), 404)
        return web.json_response([asdict(section) for section in sections])

    async def _act(self, request: web.Request) -> web.Response:
        actions = {action.id: action for action in self.actions}
        action = actions.get(request.match_info["action"])
        if action is None:
            return _error("There is no such action.", 404)
        try:
            done = await action.act(action.values(_json(await request.read())))
        except PageError as error:
            return _error(str(error), 400)
        return web.json_response(asdict(done))


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _error(text: str, status: int) -> web.Response:
    return web.json_response({"error": text}, status=status)
