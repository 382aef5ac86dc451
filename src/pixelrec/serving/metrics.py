"""Figures about the server for Prometheus: by route, never by user or item."""

from __future__ import annotations

from typing import final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_CALLS = (1, 2, 4, 8, 16, 32, 64)


@final
class Metrics:
    """Of one server; several in a process do not share them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "pixelrec_requests",
            "Requests, by template of the route.",
            ["route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "pixelrec_request_seconds",
            "Time until an answer was sent.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._running = Gauge(
            "pixelrec_requests_running", "Requests without an answer yet.", registry=self._registry
        )
        self._calls = Histogram(
            "pixelrec_batch_calls",
            "Calls that one computation answered.",
            ["kind"],
            buckets=_CALLS,
            registry=self._registry,
        )
        self._waiting = Gauge(
            "pixelrec_calls_waiting", "Calls that wait for a computation.", ["kind"], registry=self._registry
        )

    def started(self) -> None:
        self._running.inc()

    def ended(self, route: str, status: int, seconds: float) -> None:
        self._running.dec()
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, kind: str, calls: int) -> None:
        self._calls.labels(kind).observe(calls)

    def text(self, waiting: dict[str, int]) -> bytes:
        """In the format of Prometheus; waiting: calls that wait now, by kind."""
        for kind, calls in waiting.items():
            self._waiting.labels(kind).set(calls)
        return generate_latest(self._registry)
