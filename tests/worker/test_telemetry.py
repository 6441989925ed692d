"""Spans, metrics and log lines reach Application Insights; the worker alone sets this up."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.watch.disturbances import Disturbance

from local import loopback_guard
from local.environment import app_environment
from local.samples import SAMPLE_CART
from tests.worker.app import HEALTH, create, needs_the_worker, run

pytestmark = needs_the_worker

TRACES = ["a1" * 16, "c3" * 16]
PARENTS = ["b2" * 8, "d4" * 8]


class Sink:
    """The ingestion service of Application Insights; it accepts and stores everything."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The items of a kind, each as its data with the ids of its trace."""
        return [
            item["data"]["baseData"]
            | {
                "trace": item["tags"].get("ai.operation.id"),
                "parent": item["tags"].get("ai.operation.parentId"),
            }
            for item in self.items
            if item["name"] == f"Microsoft.ApplicationInsights.{kind}"
        ]

    def metrics(self) -> Counter[tuple[str, str]]:
        """The metrics of our own by name and attributes, each with the times that it came."""
        return Counter(
            (metric["name"], json.dumps(item["properties"]))
            for item in self.of_kind("Metric")
            for metric in item["metrics"]
            if metric["name"].startswith(("carts.", "partner_center."))
        )

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its URL while the block runs."""
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                items: list[Any] = []
                if "/track" in self.path:
                    lines = json.loads(body) if body.startswith(b"[") else body.splitlines()
                    items = [x if isinstance(x, dict) else json.loads(x) for x in lines]
                    sink.items += items
                count = {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}
                answer = json.dumps(count).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *arguments: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{server.server_address[1]}/"
            server.shutdown()
            thread.join()


def test_the_worker_sends_everything_once_and_in_the_hosts_trace(tmp_path: Path) -> None:
    sink, guard_log = Sink(), tmp_path / "connections"
    with sink.serving() as url, LocalCloud.in_thread() as cloud:
        cloud.disturbances.inject(Disturbance("partner_center", status=503))
        environment = app_environment(
            cloud,
            PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY="true",
            APPLICATIONINSIGHTS_CONNECTION_STRING=(
                "InstrumentationKey=00000000-0000-4000-8000-000000000001;"
                f"IngestionEndpoint={url};LiveEndpoint={url}"
            ),
            # The host decides what is sampled. The default keeps about five spans a second.
            OTEL_TRACES_SAMPLER="parentbased_always_on",
            # What the exporter tells Microsoft about itself.
            APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL="true",
            APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED="true",
            **{loopback_guard.VARIABLE: str(guard_log)},
        )
        sampled, unsampled = (
            f"00-{trace}-{parent}-0{flag}"
            for trace, parent, flag in zip(TRACES, PARENTS, (1, 0), strict=True)
        )
        answers = run(
            create(SAMPLE_CART) | {"trace_parent": sampled},
            create("[]") | {"trace_parent": unsampled},
            HEALTH,
            environment=environment,
        )["answers"]
        secrets = {*cloud.entra.client_secrets, cloud.identity.header}
        for arrival in cloud.journal.requests():
            secrets.add(arrival.headers.get("authorization", "Bearer none").split()[1])
    assert [answer["status"] for answer in answers] == [201, 400, 200]
    assert "refused" not in guard_log.read_text()

    spans = sink.of_kind("RemoteDependency")
    ours = [span for span in spans if span["name"].startswith(("token", "partner"))]
    assert [(s["name"], s["properties"], s["success"]) for s in ours] == [
        ("token.fetch", {"attempt": "1"}, True),
        ("partner_center.create_cart", {"attempt": "1"}, True),
        ("partner_center.create_cart", {"attempt": "2"}, True),
    ]
    assert {(span["trace"], span["parent"]) for span in ours} == {(TRACES[0], PARENTS[0])}
    assert sink.of_kind("Request") == []  # that is the host's

    lines = [line for line in sink.of_kind("Message") if "operation=" in line["message"]]
    statuses = [line["message"].split(" ")[1] for line in lines]
    assert statuses == ["status=201", "status=400", "status=200"]
    traced = [(line["trace"], line["parent"]) for line in lines[:2]]
    assert traced == list(zip(TRACES, PARENTS, strict=True))
    assert {line["properties"]["logger_name"] for line in lines} == {"cart_core"}

    metrics = {
        (name, re.sub('"key:[0-9a-f]{12}"', '"a key"', attributes)): value
        for (name, attributes), value in sink.metrics().items()
    }
    assert metrics == {
        ("carts.created", '{"caller": "a key"}'): 1,
        ("carts.refused", '{"code": "invalid_request", "caller": "a key"}'): 1,
        ("partner_center.retries", "{}"): 1,
        ("partner_center.latency", '{"status": "503"}'): 1,
        ("partner_center.latency", '{"status": "201"}'): 1,
    }
    sent = json.dumps(sink.items)
    assert json.loads(SAMPLE_CART)["LineItems"][0]["FriendlyName"] not in sent
    assert [secret for secret in secrets if secret in sent] == []
