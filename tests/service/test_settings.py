"""Settings are read from the environment; errors name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from service.api.app import create_app
from service.errors import SettingsError
from service.settings import Settings, load_settings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Return an environment without other TCAN_ variables."""
    return monkeypatch


def test_defaults_select_the_embedded_service() -> None:
    settings = load_settings()
    assert settings.data == Path(".tcan")
    assert (settings.redis_url, settings.s3_bucket, settings.preset) == (None, None, "mini")


def test_values_come_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TCAN_REDIS_URL", "redis://:hush@somewhere:6379/0")
    environment.setenv("TCAN_LIMITS__MAX_FRAMES", "12")
    environment.setenv("TCAN_URL", "http://somewhere:8000")
    settings = load_settings(data=Path("here"))
    assert settings.broker_url() == "redis://:hush@somewhere:6379/0"
    assert (settings.limits.max_frames, settings.data) == (12, Path("here"))
    assert "hush" not in repr(settings)


def test_devices_override_device(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TCAN_DEVICE", "cuda")
    assert load_settings().all_devices == ("cuda",)
    environment.setenv("TCAN_DEVICES", "cuda:0, cuda:1,")
    assert load_settings().all_devices == ("cuda:0", "cuda:1")


def test_log_level_may_be_in_upper_case(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TCAN_LOG_LEVEL", "WARNING")
    assert load_settings().log_level == "warning"


def test_empty_variable_counts_as_unset(environment: pytest.MonkeyPatch) -> None:
    for name in ("REQUIRE_CONSENT", "C2PA_CERT", "POLICY", "DETECTOR", "LIMITS__MAX_FRAMES"):
        environment.setenv(f"TCAN_{name}", "")
    assert load_settings() == Settings()
    assert load_settings().c2pa_cert is None


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TCAN_REDSI_URL", "x", "unknown setting TCAN_REDSI_URL; did you mean TCAN_REDIS_URL"),
        ("TCAN_ZZZZZZ", "x", "unknown setting TCAN_ZZZZZZ$"),
        ("TCAN_S3_ENDPOINT_URL", "s3.example.com", "TCAN_S3_ENDPOINT_URL: String should match"),
        ("TCAN_S3_ENDPOINT_URL", "s3.example.com", ", got 's3.example.com'$"),
        ("TCAN_S3_CA", "/nowhere.pem", "TCAN_S3_CA: .* not point to a file, got '/nowhere.pem'$"),
        (
            "TCAN_CORS_ORIGINS",
            "https://*.a.example",
            "ORIGINS: must be like .*, got 'https://\\*.a.example'$",
        ),
        (
            "TCAN_CORS_ORIGINS",
            "https://a.example/",
            "ORIGINS: must be like .*, got 'https://a.example/'$",
        ),
        ("TCAN_CORS_ORIGINS", "https://a:b", "ORIGINS: must be like .*, got 'https://a:b'$"),
        (
            "TCAN_OUTBOUND_ALLOW",
            "a.example,*.b.example",
            "ALLOW: '\\*.b.example' is neither a host",
        ),
        ("TCAN_LIMITS", "9", "TCAN_LIMITS: .* dictionary .*, got 9$"),
        ("TCAN_OTLP_ENDPOINT", "collector", "TCAN_OTLP_ENDPOINT: .*, got 'collector'$"),
        ("TCAN_LIMITS", "{", "limits.*must be JSON"),
        ("TCAN_LOG_LEVEL", "loud", "TCAN_LOG_LEVEL: Input should be 'debug', 'info', 'warning'"),
        ("TCAN_LEASE_MS", "soon", "TCAN_LEASE_MS: Input should be a valid integer.*, got 'soon'$"),
        ("TCAN_LIMITS__MAX_FRAMES", "0", "TCAN_LIMITS__MAX_FRAMES: Input should be greater"),
        ("TCAN_LIMITS__MAX_FRAME", "9", "TCAN_LIMITS__MAX_FRAME: Extra inputs"),
    ],
)
def test_invalid_setting_is_reported_by_name(
    environment: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=says):
        load_settings()


def test_invalid_secret_is_not_repeated(environment: pytest.MonkeyPatch) -> None:
    for name, value, says in (
        ("TCAN_WEBHOOK_KEY", "hush", "at least 32"),
        ("TCAN_METRICS_TOKEN", "hush", "at least 16"),
        ("TCAN_REDIS_URL", "hush", "must begin with redis://"),
        ("TCAN_REDIS_URL", "redis://:hush#1@host", "%23 for #"),
    ):
        with environment.context() as one:
            one.setenv(name, value)
            with pytest.raises(SettingsError, match=f"{name}: .*{says}") as refused:
                load_settings()
            assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("policy", "nowhere:x"), ("webhook_ed25519_keys", SecretStr("hush")), ("spool_bytes", 5)],
)
def test_invalid_setting_of_a_gateway_is_reported_before_it_starts(
    field: str, value: object
) -> None:
    with pytest.raises(SettingsError, match=f"TCAN_{field.upper()}") as refused:
        create_app(Settings().model_copy(update={field: value}))
    assert "hush" not in str(refused.value)


def test_embedded_server_url_is_read_from_the_data_folder(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    with pytest.raises(SettingsError, match=f"tcan up --data {tmp_path}"):
        settings.broker_url()
    settings.embedded_url_file.write_text("redis://127.0.0.1:1/0\n")
    assert settings.broker_url() == "redis://127.0.0.1:1/0"
