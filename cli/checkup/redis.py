"""Redis: whether a job that was accepted can get lost there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from redis import ConnectionPool, Redis
from redis.connection import parse_url
from redis.exceptions import AuthenticationError, RedisError

from cli.checkup.finding import Finding, error, ok, skipped, warning
from service.auth.broker import HOW_TO, is_local
from service.settings import Settings

AREA = "redis"
TIMEOUT_S = 5.0
# The scripts say with flags what a full server may still run.
OLDEST = 7
FULL = 0.8
CREDENTIALS = ("username", "password", "ssl_certfile", "ssl_keyfile")
SETTINGS = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")


def look(settings: Settings) -> Iterator[Finding]:
    """Settings of the server, its memory and its append-only file."""
    url = settings.broker_url()
    with Redis.from_url(
        url, decode_responses=True, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S
    ) as redis:
        try:
            info = redis.info()
            told = _configuration(redis, info)
        except AuthenticationError as failed:
            yield error(
                AREA, "connection", f"{failed}", "put user and password into TCAN_REDIS_URL"
            )
            return
        except RedisError as failed:
            yield error(
                AREA,
                "connection",
                f"the server does not answer: {failed}",
                "start it, and see that TCAN_REDIS_URL names it and the network lets it through",
            )
            return
    yield guard(url)
    yield from server(info)
    yield from durability(told, info)
    yield from memory(told, info)


def guard(url: str) -> Finding:
    """Whether it asks who comes, by coming without a password and without a certificate."""
    if is_local(url):
        return ok(AREA, "password", "this machine's own address; no password is needed")
    parts = parse_url(url)  # type: ignore[no-untyped-call]
    bare = {name: value for name, value in parts.items() if name not in CREDENTIALS}
    bare |= {"socket_connect_timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S}
    with Redis(connection_pool=ConnectionPool(**bare)) as nobody:
        try:
            nobody.ping()
        except RedisError:
            return ok(AREA, "password", "the server turns away who has none")
    told = "the server lets everybody in who reaches it: they can make jobs, and read them all"
    return warning(AREA, "password", told, HOW_TO)


def server(info: Mapping[str, object]) -> Iterator[Finding]:
    """Its version and its role."""
    version = str(info.get("valkey_version") or info.get("redis_version", "0"))
    if int(version.partition(".")[0]) < OLDEST:
        yield error(AREA, "version", f"{version}", f"use Redis {OLDEST} or later, or any Valkey")
    else:
        yield ok(AREA, "version", version)
    if info.get("redis_mode") == "cluster" or info.get("cluster_enabled"):
        yield error(
            AREA, "mode", "a cluster", "use one primary: the scripts name keys that they compute"
        )
    if info.get("role") != "master":
        yield error(AREA, "role", f"{info.get('role')}", "point TCAN_REDIS_URL at the primary")


def durability(told: Mapping[str, str], info: Mapping[str, object]) -> Iterator[Finding]:
    """Whether a restart, or a power cut, takes jobs."""
    if told.get("appendonly") != "yes":
        yield error(
            AREA,
            "appendonly",
            f"{told.get('appendonly', 'unknown')}: a restart of the server loses jobs",
            "CONFIG SET appendonly yes, and write it into the server's configuration",
        )
        return
    yield ok(AREA, "appendonly", "yes")
    sync = told.get("appendfsync")
    if sync is None:
        yield skipped(AREA, "appendfsync", "the server does not tell; 202 is durable with always")
    elif sync != "always":
        yield warning(
            AREA,
            "appendfsync",
            f"{sync}: a power cut may take the last second of accepted jobs",
            "CONFIG SET appendfsync always, and write it into the server's configuration",
        )
    else:
        yield ok(AREA, "appendfsync", sync)
    for name in ("aof_last_write_status", "aof_last_bgrewrite_status"):
        if info.get(name, "ok") != "ok":
            yield error(
                AREA, name, f"{info[name]}", "look at the server's log and at its disk's free space"
            )


def memory(told: Mapping[str, str], info: Mapping[str, object]) -> Iterator[Finding]:
    """What happens when it is full, and how far that is."""
    policy = told.get("maxmemory-policy")
    if policy != "noeviction":
        yield error(
            AREA,
            "maxmemory-policy",
            f"{policy}: a full server forgets jobs",
            "CONFIG SET maxmemory-policy noeviction, and write it into the server's configuration",
        )
    else:
        yield ok(AREA, "maxmemory-policy", policy)
    used, most = int(str(info.get("used_memory", 0))), int(told.get("maxmemory", "0"))
    if most == 0:
        yield warning(
            AREA,
            "maxmemory",
            "none: when the machine's memory ends, the system ends the server",
            "CONFIG SET maxmemory to about two thirds of the machine's memory",
        )
    elif used > FULL * most:
        yield warning(
            AREA,
            "memory",
            f"{used / 2**20:.0f} of {most / 2**20:.0f} MiB are in use; full, it takes no new jobs",
            "raise maxmemory, or let ended jobs go earlier (ttl_s)",
        )
    else:
        yield ok(AREA, "memory", f"{used / 2**20:.0f} of {most / 2**20:.0f} MiB are in use")


def _configuration(redis: Redis, info: Mapping[str, object]) -> dict[str, str]:
    """The server's settings; managed ones forbid CONFIG, but tell most of them in INFO."""
    try:
        return {name: str(redis.config_get(name).get(name)) for name in SETTINGS}
    except RedisError:
        return {
            "appendonly": "yes" if info.get("aof_enabled") else "no",
            "maxmemory": str(info.get("maxmemory", 0)),
            "maxmemory-policy": str(info.get("maxmemory_policy", "unknown")),
        }
