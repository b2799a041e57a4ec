"""Prometheus metrics of the whole service and of this gateway's requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from service.contract.stats import ServiceStats
from service.contract.workers import DiskSpace

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
RESTARTS_HELP = "Restarts of workers that claimed no jobs despite wake-up messages."
# Counters: name in Redis, name in Prometheus, help, labels.
COUNTERS = (
    ("jobs_ended", "tcan_jobs_ended", "Ended jobs.", ("state", "code")),
    ("leases_lost", "tcan_leases_lost", "Leases that expired.", ("queue",)),
    ("webhooks", "tcan_webhook_attempts", "Webhook attempts by outcome.", ("event", "outcome")),
    ("worker_restarts", "tcan_worker_restarts", RESTARTS_HELP, ()),
    ("resumed", "tcan_jobs_resumed", "Jobs resumed from a checkpoint.", ()),
    ("steps_repeated", "tcan_denoising_steps_repeated", "Denoising steps that were repeated.", ()),
    ("steps", "tcan_denoising_steps", "Denoising steps reported by workers.", ()),
)


class GatewayMetrics:
    """Metrics of this gateway; `text` adds those of the whole service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "tcan_http_request_seconds",
            "Seconds until the response header, of this gateway.",
            ("method", "route", "status"),
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self.connections = Gauge(
            "tcan_http_connections", "Open connections of this gateway.", registry=self._registry
        )
        self.connection_limit = Gauge(
            "tcan_http_connections_limit",
            "Connections that this gateway may have open.",
            registry=self._registry,
        )
        self.refusals = Counter(
            "tcan_http_refusals",
            "Connections that this gateway refused or closed, by reason.",
            ("reason",),
            registry=self._registry,
        )
        self.streams = Gauge(
            "tcan_http_streams",
            "Open event streams and waiting requests of this gateway.",
            registry=self._registry,
        )
        self.streams_refused = Counter(
            "tcan_http_streams_refused",
            "Event streams and waiting requests over the limit of their caller.",
            registry=self._registry,
        )
        self.spool_reserved = Gauge(
            "tcan_spool_reserved_bytes",
            "Disk space reserved for bodies of requests and joined uploads of this gateway.",
            registry=self._registry,
        )
        self.body_memory = Gauge(
            "tcan_body_memory_bytes",
            "Memory of this gateway that holds bodies of requests.",
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

    def text(self, stats: ServiceStats, readers: int, spool: DiskSpace | None) -> bytes:
        """Return all metrics in Prometheus' text format.

        Args:
            readers: number of open event streams.
            spool: disk for incoming uploads.
        """
        registry = CollectorRegistry()
        registry.register(_Families(stats, readers, spool))
        return generate_latest(registry) + generate_latest(self._registry)


@dataclass(eq=False)  # a registry hashes its collectors
class _Families(Collector):
    stats: ServiceStats
    readers: int
    spool: DiskSpace | None

    def collect(self) -> Iterable[Metric]:
        yield from _queues(self.stats)
        yield from _counters(self.stats)
        yield _stages(self.stats)
        yield from _workers(self.stats)
        yield from _scratch(self.stats, self.spool)
        due, overdue_s = self.stats.pending_messages, self.stats.overdue_s
        yield GaugeMetricFamily("tcan_webhooks_due", "Webhook messages to be delivered.", due)
        overdue_help = "How long the first pending webhook message has been due."
        yield GaugeMetricFamily("tcan_webhooks_overdue_seconds", overdue_help, overdue_s)
        yield _webhook_callers(self.stats)
        stored_help = "Jobs in the store, ended ones included."
        yield GaugeMetricFamily("tcan_jobs_stored", stored_help, self.stats.stored_jobs)
        uploads_help = "Uploads whose form or file is valid, and those still to be deleted."
        yield GaugeMetricFamily("tcan_uploads_stored", uploads_help, self.stats.stored_uploads)
        expired_help = "Jobs whose retention time has passed, still to be erased."
        yield GaugeMetricFamily("tcan_jobs_expired", expired_help, self.stats.expired_jobs)
        readers_help = "Open event streams of this gateway."
        yield GaugeMetricFamily("tcan_event_readers", readers_help, self.readers)


def _queues(stats: ServiceStats) -> Iterable[Metric]:
    waiting = GaugeMetricFamily("tcan_queue_jobs", "Waiting jobs.", labels=["queue"])
    oldest = GaugeMetricFamily(
        "tcan_queue_oldest_seconds",
        "Age of the oldest waiting job by priority.",
        labels=["queue", "priority"],
    )
    classes = GaugeMetricFamily(
        "tcan_queue_class_jobs", "Waiting jobs by priority.", labels=["queue", "priority"]
    )
    presets = GaugeMetricFamily(
        "tcan_queue_preset_jobs", "Waiting jobs that name a preset.", labels=["queue", "preset"]
    )
    served = GaugeMetricFamily(
        "tcan_preset_jobs_at_work",
        "Jobs leased by the workers of each preset.",
        labels=["queue", "preset"],
    )
    leased = GaugeMetricFamily("tcan_jobs_at_work", "Jobs leased by workers.", labels=["queue"])
    for queue, depth in stats.queues.items():
        waiting.add_metric([queue], depth.waiting)
        leased.add_metric([queue], depth.leased)
        # Zeros too: for an autoscaler a missing series is not zero.
        live = {worker.preset for worker in stats.workers if queue in worker.queues}
        for preset in sorted(live | depth.by_preset.keys()):
            presets.add_metric([queue, preset], depth.by_preset.get(preset, 0))
            served.add_metric([queue, preset], depth.leased_by_preset.get(preset, 0))
        for priority, jobs in depth.by_class.items():
            classes.add_metric([queue, priority], jobs.waiting)
            oldest.add_metric([queue, priority], jobs.oldest_s)
    return waiting, oldest, classes, presets, served, leased


def _counters(stats: ServiceStats) -> Iterable[Metric]:
    for stored, name, help_text, labels in COUNTERS:
        family = CounterMetricFamily(name, help_text, labels=labels)
        for parts, value in stats.counters.items():
            if parts[0] == stored:
                family.add_metric(parts[1:], value)
        yield family


def _stages(stats: ServiceStats) -> Metric:
    family = SummaryMetricFamily(
        "tcan_stage_seconds", "Duration of the stages of ended jobs.", labels=["stage"]
    )
    for (name, *rest), seconds in stats.counters.items():
        if name == "stage_seconds":
            count = stats.counters[("stage_count", *rest)]
            family.add_metric(rest, count_value=int(count), sum_value=seconds)
    return family


def _workers(stats: ServiceStats) -> Iterable[Metric]:
    ready = GaugeMetricFamily("tcan_worker_ready", "1 if the worker is ready.", labels=["worker"])
    stalled = GaugeMetricFamily(
        "tcan_worker_stalled",
        "1 if the worker claims no jobs despite wake-up messages.",
        labels=["worker"],
    )
    used = GaugeMetricFamily(
        "tcan_device_memory_used_bytes",
        "Used memory of the worker's device; on a CPU, of its process.",
        labels=["worker", "device"],
    )
    total = GaugeMetricFamily(
        "tcan_device_memory_bytes", "Memory of the worker's device.", labels=["worker", "device"]
    )
    for worker in stats.workers:
        ready.add_metric([worker.id], float(worker.ready))
        stalled.add_metric([worker.id], float(worker.stalled))
        if worker.memory is not None:
            labels = [worker.id, worker.memory.device]
            used.add_metric(labels, worker.memory.used_bytes)
            total.add_metric(labels, worker.memory.total_bytes)
    return ready, stalled, used, total


def _webhook_callers(stats: ServiceStats) -> Metric:
    family = GaugeMetricFamily(
        "tcan_webhook_callers",
        "Callers with webhook messages to be delivered by level: 0 if their last attempt took less "
        "than 2 s, 1 without one, one more for each slower attempt.",
        labels=["level"],
    )
    for level, callers in enumerate(stats.webhook_callers):
        family.add_metric([str(level)], callers)
    return family


def _scratch(stats: ServiceStats, spool: DiskSpace | None) -> Iterable[Metric]:
    free = GaugeMetricFamily(
        "tcan_scratch_free_bytes",
        "Free disk space for temporary files of each worker and of this gateway.",
        labels=["holder"],
    )
    total = GaugeMetricFamily("tcan_scratch_bytes", "Size of that disk.", labels=["holder"])
    disks = [(worker.id, worker.scratch) for worker in stats.workers]
    for holder, space in [*disks, ("gateway", spool)]:
        if space is not None:
            free.add_metric([holder], space.free_bytes)
            total.add_metric([holder], space.total_bytes)
    return free, total
