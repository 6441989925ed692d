"""The spans and metrics of cart_core.telemetry, kept in memory."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cart_core import telemetry

Attributes = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Signals:
    """What was sent so far."""

    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended, in the order of their ends."""
        return self.exporter.get_finished_spans()

    def attempts(self, name: str) -> list[Any]:
        """The attempt numbers of the spans of a name."""
        return [dict(span.attributes or {})["attempt"] for span in self.spans if span.name == name]

    def metrics(self) -> dict[str, dict[Attributes, Any]]:
        """By name and attributes: a counter's sum, a histogram's number of values."""
        found: dict[str, dict[Attributes, Any]] = {}
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        value = point.value if isinstance(point, NumberDataPoint) else point.count
                        key = tuple(sorted((point.attributes or {}).items()))
                        found.setdefault(metric.name, {})[key] = value
        return found

    def attributes(self) -> Sequence[Mapping[str, Any]]:
        """All attributes of everything."""
        points = [dict(key) for values in self.metrics().values() for key in values]
        return [dict(span.attributes or {}) for span in self.spans] + points

    def text(self) -> str:
        """Everything that spans and metrics say, to search in."""
        spans = [span.to_json() for span in self.spans]
        return "\n".join([*spans, repr(self.metrics())])


@contextmanager
def collected() -> Iterator[Signals]:
    """What cart_core.telemetry sends while the block runs."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    with (
        mock.patch.object(trace, "get_tracer", tracers.get_tracer),
        mock.patch.object(metrics, "get_meter", meters.get_meter),
    ):
        importlib.reload(telemetry)  # everybody else knows the module, and none of its members
    try:
        yield Signals(exporter, reader)
    finally:
        importlib.reload(telemetry)
        tracers.shutdown()
        meters.shutdown()
