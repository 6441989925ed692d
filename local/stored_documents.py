"""The app's documents in Blob Storage, as the requests that reached it have left them."""

import json
from typing import Any

from partner_center_emulator.watch.journal import Arrival, Journal

Document = dict[str, Any]


class StoredDocuments:
    """Reads the journal on from where it stopped, so what the journal forgets stays known."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._read_to = 0
        self._documents: dict[str, Document] = {}

    def all(self) -> list[Document]:
        """The JSON objects that are stored, the one written last at the end."""
        for arrival in self._journal.requests("storage"):
            if arrival.milliseconds is None:
                break  # What it does, and what came after it, is seen once it is answered.
            if arrival.number > self._read_to:
                self._read_to = arrival.number
                self._follow(arrival)
        return list(self._documents.values())

    def find(self, name: str) -> Document | None:
        """The JSON object whose path ends with this; None where there is none."""
        found = (each for path, each in self._documents.items() if path.endswith(f"/{name}"))
        return next(found, None)

    def _follow(self, arrival: Arrival) -> None:
        done = (arrival.method, arrival.status)
        if done in (("PUT", 201), ("DELETE", 202)):
            self._documents.pop(arrival.path, None)
        if done == ("PUT", 201):
            try:
                document = json.loads(arrival.body)
            except ValueError:
                return
            if isinstance(document, dict):
                self._documents[arrival.path] = document
