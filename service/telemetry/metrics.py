"""The Prometheus text of a snapshot of the service, and of this gateway's own requests."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from service.contract.workers import DiskSpace
from service.stores.job_store.counts import ServiceStats

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
# Counters that have labels: their name in Redis, in Prometheus, what they say, their labels.
COUNTERS = (
    ("jobs_ended", "tcan_jobs_ended", "Jobs that ended.", ("state", "code")),
    ("leases_lost", "tcan_leases_lost", "Leases that ran out.", ("queue",)),
    ("webhooks", "tcan_webhook_attempts", "Attempts by outcome.", ("event", "outcome")),
    (
        "worker_restarts",
        "tcan_worker_restarts",
        "Workers that took no hints in time.",
        (),
    ),
    ("resumed", "tcan_jobs_resumed", "Times a worker went on from a checkpoint.", ()),
    ("steps_repeated", "tcan_denoising_steps_repeated", "Steps that were done again.", ()),
    ("steps", "tcan_denoising_steps", "Denoising steps that workers reported.", ()),
)


class GatewayMetrics:
    """This gateway's own numbers; `text` adds those of the whole service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "tcan_http_request_seconds",
            "Seconds until the head of an answer, by this gateway.",
            ("method", "route", "status"),
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._series: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        series = self._series.get((method, route, status))
        if series is None:
            series = self._series[method, route, status] = self._requests.labels(
                method, route, str(status)
            )
        series.observe(seconds)

    def text(self, snapshot: ServiceStats, readers: int, spool: DiskSpace | None) -> bytes:
        """All metrics in Prometheus' text format.

        Args:
            readers: have a stream of events open here.
            spool: where uploads to this gateway are on their way.
        """
        registry = CollectorRegistry()
        registry.register(_Families(snapshot, readers, spool))
        return generate_latest(registry) + generate_latest(self._registry)


class _Families(Collector):
    def __init__(self, snapshot: ServiceStats, readers: int, spool: DiskSpace | None) -> None:
        self._snapshot = snapshot
        self._readers = readers
        self._spool = spool

    def collect(self) -> Iterable[Metric]:
        yield from _queues(self._snapshot)
        yield from _counters(self._snapshot)
        yield _stages(self._snapshot)
        yield from _workers(self._snapshot)
        yield from _scratch(self._snapshot, self._spool)
        yield _gauge(
            "tcan_webhooks_due", "Messages still to be delivered.", self._snapshot.pending_messages
        )
        yield _gauge(
            "tcan_webhooks_overdue_seconds",
            "For how long the first of them has been due.",
            self._snapshot.overdue_s,
        )
        yield _gauge("tcan_event_readers", "Open streams of events, here.", self._readers)


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(name, says, value=value)


def _queues(snapshot: ServiceStats) -> Iterable[Metric]:
    waiting = GaugeMetricFamily("tcan_queue_jobs", "Jobs that wait.", labels=["queue"])
    oldest = GaugeMetricFamily(
        "tcan_queue_oldest_seconds",
        "Age of the oldest job of a class that waits.",
        labels=["queue", "priority"],
    )
    classes = GaugeMetricFamily(
        "tcan_queue_class_jobs", "Jobs that wait, by class.", labels=["queue", "priority"]
    )
    leased = GaugeMetricFamily("tcan_jobs_at_work", "Jobs that workers hold.", labels=["queue"])
    for queue, depth in snapshot.queues.items():
        waiting.add_metric([queue], depth.waiting)
        leased.add_metric([queue], depth.leased)
        for priority, jobs in depth.by_class.items():
            classes.add_metric([queue, priority], jobs.waiting)
            oldest.add_metric([queue, priority], jobs.oldest_s)
    return waiting, oldest, classes, leased


def _counters(snapshot: ServiceStats) -> Iterable[Metric]:
    for stored, name, says, labels in COUNTERS:
        family = CounterMetricFamily(name, says, labels=labels)
        for parts, value in snapshot.counters.items():
            if parts[0] == stored:
                family.add_metric(parts[1:], value)
        yield family


def _stages(snapshot: ServiceStats) -> Metric:
    family = SummaryMetricFamily(
        "tcan_stage_seconds", "Seconds of the stages of ended jobs.", labels=["stage"]
    )
    for (name, *rest), seconds in snapshot.counters.items():
        if name == "stage_seconds":
            count = snapshot.counters[("stage_count", *rest)]
            family.add_metric(rest, count_value=int(count), sum_value=seconds)
    return family


def _workers(snapshot: ServiceStats) -> Iterable[Metric]:
    ready = GaugeMetricFamily("tcan_worker_ready", "1 when it takes jobs.", labels=["worker"])
    stalled = GaugeMetricFamily(
        "tcan_worker_stalled", "1 when it takes nothing although hints wait.", labels=["worker"]
    )
    used = GaugeMetricFamily(
        "tcan_device_memory_used_bytes",
        "Of the worker's device; of its process where the device is the processor.",
        labels=["worker", "device"],
    )
    total = GaugeMetricFamily(
        "tcan_device_memory_bytes", "All that there is.", labels=["worker", "device"]
    )
    for worker in snapshot.workers:
        ready.add_metric([worker.id], float(worker.ready))
        stalled.add_metric([worker.id], float(worker.stalled))
        if worker.memory is not None:
            labels = [worker.id, worker.memory.device]
            used.add_metric(labels, worker.memory.used_bytes)
            total.add_metric(labels, worker.memory.total_bytes)
    return ready, stalled, used, total


def _scratch(snapshot: ServiceStats, spool: DiskSpace | None) -> Iterable[Metric]:
    free = GaugeMetricFamily(
        "tcan_scratch_free_bytes",
        "Room for files on their way: of each worker, and of this gateway.",
        labels=["holder"],
    )
    total = GaugeMetricFamily("tcan_scratch_bytes", "Size of that disk.", labels=["holder"])
    rooms = [(worker.id, worker.scratch) for worker in snapshot.workers]
    for holder, room in [*rooms, ("gateway", spool)]:
        if room is not None:
            free.add_metric([holder], room.free_bytes)
            total.add_metric([holder], room.total_bytes)
    return free, total
