"""The gateway's parts (stores, event hub, authenticator, ...), opened once per process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from anyio import CapacityLimiter, to_thread
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.auth.authenticator import Authenticator, Caller, Credentials
from service.auth.stream_revocation import StreamRevoker
from service.contract.errors import ErrorCode
from service.contract.views import JobView
from service.errors import RejectedError
from service.events.hub import EventHub
from service.inspection.cache import InspectionCache
from service.inspection.child_pool import ChildPool
from service.inspection.decoder import Decoder
from service.maintenance.gateway_tasks import GatewayTasks
from service.outbound.guard import Guard
from service.policy import Policy, load_policy
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.snapshots import JobSnapshot
from service.stores.job_store.store import AsyncJobStore, Clock
from service.stores.object_store.base import ObjectStore
from service.stores.object_store.folder import read_signing_key
from service.stores.object_store.gateway_forms import GatewayForms
from service.stores.object_store.open import open_objects
from service.stores.object_store.writer import Writer, open_writer
from service.stores.scratch import sweep_scratch
from service.submission.body_memory import BodyMemory
from service.submission.disk_budget import DiskBudget, open_disk_budget
from service.submission.join_slots import JoinSlots
from service.submission.spool import Spool
from service.telemetry.context import JOB_ID
from service.views.job_views import view_snapshot
from service.views.messages import event_frame, webhook_body
from service.webhooks.deliverer import Deliverer
from service.webhooks.signing import Signer, read_private_keys


@dataclass(frozen=True)
class Gateway:
    """The opened parts behind the routes and the use cases."""

    settings: Settings
    jobs: AsyncJobStore
    objects: ObjectStore
    writer: Writer
    upload_forms: GatewayForms
    disk_budget: DiskBudget
    body_memory: BodyMemory
    child_pool: ChildPool
    decoder: Decoder
    inspection_cache: InspectionCache
    events: EventHub
    signer: Signer
    authenticator: Authenticator
    revoker: StreamRevoker[Credentials]
    guard: Guard
    policy: Policy | None
    join_slots: JoinSlots = field(default_factory=JoinSlots)
    store_check: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    # Waiting for the object store must not take the threads that all routes share.
    store_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(32))
    # Requests to the object store for lists of uploads.
    upload_lookups: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(16))
    # Parsing a large body takes its size in memory several times.
    large_bodies: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))

    def open_spool(self, caller_id: str = "") -> Spool:
        """Return the spool of a request; empty is the caller of one without a key."""
        return Spool(self.settings.spool_folder, self.disk_budget, self.body_memory, caller_id)

    async def read(self, job_id: str, caller: Caller) -> JobSnapshot:
        """Return a job that the caller may see, and add its id to the log context.

        Raises:
            RejectedError: `job_not_found`.
        """
        snapshot = await self.jobs.run(commands.read(job_id))
        if snapshot is None or not (caller.sees_all or snapshot.record.caller == caller.id):
            raise job_not_found(job_id)
        JOB_ID.set(job_id)
        return snapshot

    def view(self, snapshot: JobSnapshot, caller: Caller | None = None) -> JobView:
        """Return the view of a job with its links; administrators also see its caller."""
        show_caller = caller is not None and caller.sees_all
        return view_snapshot(snapshot, show_caller=show_caller, base_url=self.settings.public_url)


def job_not_found(job_id: str) -> RejectedError:
    """Return the error for an id that no job has."""
    return RejectedError(ErrorCode.JOB_NOT_FOUND, f"there is no job {job_id!r}")


class GatewayConfig(NamedTuple):
    """Parts of a gateway that the settings alone decide."""

    guard: Guard
    policy: Policy | None
    disk_budget: DiskBudget
    webhook_private_keys: tuple[Ed25519PrivateKey, ...]


def read_config(settings: Settings) -> GatewayConfig:
    """Return these parts. Raises SettingsError when a setting is invalid."""
    private_keys = settings.webhook_ed25519_keys
    return GatewayConfig(
        Guard.allowing(settings.outbound_allow),
        None if settings.policy is None else load_policy(settings.policy),
        open_disk_budget(settings.spool_bytes, settings.limits),
        read_private_keys(private_keys.get_secret_value()) if private_keys else (),
    )


@asynccontextmanager
async def open_gateway(
    settings: Settings, config: GatewayConfig, clock: Clock | None = None
) -> AsyncIterator[Gateway]:
    """Open the stores, start the background tasks, and close all of it at the end.

    Args:
        config: of these settings; its errors are for a terminal, those of this block are logged.
        clock: returns the time in ms since 1970; None uses the Redis server's clock.

    Raises:
        SettingsError: no Redis is configured.
    """
    url = settings.broker_url()
    settings.spool_folder.mkdir(parents=True, exist_ok=True)
    await to_thread.run_sync(sweep_scratch, settings.spool_folder)
    jobs = AsyncJobStore.connect(url, clock)
    authenticator = Authenticator(jobs, settings.anonymous, settings.all_cors_origins)
    objects = open_objects(settings)
    webhook_key = read_webhook_key(settings)
    gateway = Gateway(
        settings=settings,
        jobs=jobs,
        objects=objects,
        writer=open_writer(objects),
        upload_forms=GatewayForms(webhook_key, base_url=settings.public_url),
        disk_budget=config.disk_budget,
        body_memory=BodyMemory(),
        child_pool=ChildPool(settings.limits.probe_memory_bytes, settings.limits.probe_requests),
        decoder=Decoder(),
        inspection_cache=InspectionCache(),
        events=EventHub(jobs, partial(event_frame, base_url=settings.public_url)),
        signer=Signer(webhook_key, config.webhook_private_keys),
        authenticator=authenticator,
        revoker=StreamRevoker(authenticator.is_valid),
        guard=config.guard,
        policy=config.policy,
    )
    try:
        body = partial(webhook_body, base_url=settings.public_url)
        deliverer = Deliverer(jobs, gateway.signer, body, config.guard)
        tasks = GatewayTasks(settings, objects, clock)
        async with gateway.events, gateway.revoker, deliverer, tasks:
            yield gateway
    finally:
        gateway.child_pool.close()
        gateway.decoder.close()
        await gateway.writer.close()
        await gateway.jobs.close()


def read_webhook_key(settings: Settings) -> bytes:
    """Return the key that all gateways share: TCAN_WEBHOOK_KEY, or a file of the data folder."""
    if settings.webhook_key is None:
        return read_signing_key(settings.webhook_key_file)
    return settings.webhook_key.get_secret_value().encode()
