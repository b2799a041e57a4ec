"""Checks of Redis: whether it can lose an accepted job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from redis import ConnectionPool, Redis
from redis.connection import parse_url
from redis.exceptions import AuthenticationError, RedisError

from cli.checkup.finding import Finding, error, ok, skipped, warning
from service.auth.broker import HOW_TO, is_local
from service.settings import Settings

TIMEOUT_S = 5.0
# Script flags, which say what a full server may still run, need this version.
MIN_VERSION = 7
FULL_SHARE = 0.8
CREDENTIALS = ("username", "password", "ssl_certfile", "ssl_keyfile")
SETTINGS = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")


def check(settings: Settings) -> Iterator[Finding]:
    """Check the server's settings, its memory and its append-only file."""
    url = settings.broker_url()
    with Redis.from_url(
        url, decode_responses=True, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S
    ) as redis:
        try:
            info = redis.info()
            configuration = _configuration(redis, info)
        except AuthenticationError as failed:
            yield error("connection", f"{failed}", "add user and password to TCAN_REDIS_URL")
            return
        except RedisError as failed:
            yield error(
                "connection",
                f"the server does not answer: {failed}",
                "start it, and check TCAN_REDIS_URL and the network",
            )
            return
    yield check_password(url)
    yield from check_server(info)
    yield from check_durability(configuration, info)
    yield from check_memory(configuration, info)


def check_password(url: str) -> Finding:
    """Connect without password and certificate, which the server must reject."""
    if is_local(url):
        return ok("password", "local address, no password needed")
    parts = parse_url(url)  # type: ignore[no-untyped-call]
    anonymous = {name: value for name, value in parts.items() if name not in CREDENTIALS}
    anonymous |= {"socket_connect_timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S}
    with Redis(connection_pool=ConnectionPool(**anonymous)) as client:
        try:
            client.ping()
        except RedisError:
            return ok("password", "unauthenticated connections are rejected")
    detail = "unauthenticated connections are accepted: anyone there can create and read jobs"
    return warning("password", detail, HOW_TO)


def check_server(info: Mapping[str, object]) -> Iterator[Finding]:
    """Check the version and the role."""
    version = str(info.get("valkey_version") or info.get("redis_version", "0"))
    if int(version.partition(".")[0]) < MIN_VERSION:
        yield error("version", f"{version}", f"use Redis {MIN_VERSION} or later, or any Valkey")
    else:
        yield ok("version", version)
    if info.get("redis_mode") == "cluster" or info.get("cluster_enabled"):
        yield error("mode", "a cluster", "use a single primary: the scripts compute names of keys")
    if info.get("role") != "master":
        yield error("role", f"{info.get('role')}", "point TCAN_REDIS_URL at the primary")


def check_durability(
    configuration: Mapping[str, str], info: Mapping[str, object]
) -> Iterator[Finding]:
    """Check whether a restart or a power cut can lose jobs."""
    if configuration.get("appendonly") != "yes":
        yield error(
            "appendonly",
            f"{configuration.get('appendonly', 'unknown')}: a restart of the server loses jobs",
            "CONFIG SET appendonly yes, and set it in the server's configuration",
        )
        return
    yield ok("appendonly", "yes")
    sync = configuration.get("appendfsync")
    if sync is None:
        yield skipped("appendfsync", "unknown; an accepted job is durable only with always")
    elif sync != "always":
        yield warning(
            "appendfsync",
            f"{sync}: a power cut may lose the last second of accepted jobs",
            "CONFIG SET appendfsync always, and set it in the server's configuration",
        )
    else:
        yield ok("appendfsync", sync)
    for name in ("aof_last_write_status", "aof_last_bgrewrite_status"):
        if info.get(name, "ok") != "ok":
            yield error(name, f"{info[name]}", "check the server's log and its disk's free space")


def check_memory(configuration: Mapping[str, str], info: Mapping[str, object]) -> Iterator[Finding]:
    """Check how full the server is, and what it does when full."""
    policy = configuration.get("maxmemory-policy")
    if policy != "noeviction":
        yield error(
            "maxmemory-policy",
            f"{policy}: a full server drops jobs",
            "CONFIG SET maxmemory-policy noeviction, and set it in the server's configuration",
        )
    else:
        yield ok("maxmemory-policy", policy)
    used, limit = int(str(info.get("used_memory", 0))), int(configuration.get("maxmemory", "0"))
    if limit == 0:
        yield warning(
            "maxmemory",
            "none: the system kills the server when the machine's memory is full",
            "CONFIG SET maxmemory to about two thirds of the machine's memory",
        )
    elif used > FULL_SHARE * limit:
        yield warning(
            "memory",
            f"{used / 2**20:.0f} of {limit / 2**20:.0f} MiB used; when full it accepts no jobs",
            "raise maxmemory, or keep ended jobs shorter (ttl_s)",
        )
    else:
        yield ok("memory", f"{used / 2**20:.0f} of {limit / 2**20:.0f} MiB used")


def _configuration(redis: Redis, info: Mapping[str, object]) -> dict[str, str]:
    """Return the server's settings, from INFO where a managed server forbids CONFIG."""
    try:
        return {name: str(redis.config_get(name).get(name)) for name in SETTINGS}
    except RedisError:
        return {
            "appendonly": "yes" if info.get("aof_enabled") else "no",
            "maxmemory": str(info.get("maxmemory", 0)),
            "maxmemory-policy": str(info.get("maxmemory_policy", "unknown")),
        }
