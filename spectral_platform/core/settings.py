"""The one place where the environment is read."""

import json
import os
import secrets
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from spectral_platform.core.outbound import Outbound
from spectral_platform.core.sealing import Seal
from spectral_platform.core.signing import Algorithm, Keyring, SigningKeysUnusable

DEFAULT_SECRETS = {"change-me", "changeme", "secret", "spectral", "development", "replace-me", "please-change-me"}
MINIMUM_SECRET_LENGTH = 32


class Environment(StrEnum):
    """How strict the server is about its own configuration."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


def default_data_dir() -> Path:
    """Where an unconfigured server keeps its data.

    Root's home is closed to the user that the embedded Postgres drops to, so root gets a system directory.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/spectral")
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "spectral"


def revealed(value: Any) -> Any:
    """A setting with the secrets in it in the clear."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case BaseModel():
            return {name: revealed(getattr(value, name)) for name in value.model_fields_set}
        case dict():
            return {name: revealed(part) for name, part in value.items()}
        case list() | tuple():
            return [revealed(part) for part in value]
    return value


def written(value: Any) -> str:
    """A setting as a variable holds it: what has parts as JSON."""
    plain = revealed(value)
    return json.dumps(plain, default=str) if isinstance(plain, dict | list) else str(plain)


class OAuthClient(BaseModel):
    """This server as the client of an identity provider, whose ``issuer`` need not be given where the name says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str | None = None
    client_id: str = Field(min_length=1)
    client_secret: SecretStr | None = None

    @field_validator("issuer")
    @classmethod
    def refuse_readable_issuers(cls, value: str | None) -> str | None:
        """What an issuer says has to come over TLS, save from this very machine."""
        parsed = urlsplit(value or "https://default")
        if parsed.scheme != "https" and parsed.hostname not in {"localhost", "127.0.0.1", "::1"}:
            raise ValueError("SPECTRAL_OAUTH: an issuer must begin with https://")
        return value


class Settings(BaseSettings):
    """Everything an operator can set, from ``SPECTRAL_*`` variables."""

    model_config = SettingsConfigDict(
        env_prefix="SPECTRAL_",
        env_ignore_empty=True,  # how Compose passes on a variable that its own environment lacks
        frozen=True,
        extra="ignore",
        protected_namespaces=(),
    )

    environment: Environment = Environment.DEVELOPMENT
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    grpc_port: int | None = Field(default=None, ge=0, le=65535)
    grpc_certificate_file: Path | None = None
    grpc_key_file: Path | None = None
    public_url: str | None = None
    trusted_proxies: str = ""
    data_dir: Path = Field(default_factory=default_data_dir)
    database_url: str | None = None
    database_pool_size: int = Field(default=10, gt=0)
    postgres_bin: Path | None = None
    disk_min_free_bytes: int = Field(default=2_000_000_000, ge=0)
    disk_min_free_percent: float = Field(default=0, ge=0, le=100)
    database_limit_bytes: int | None = Field(default=None, gt=0)
    workers: int = Field(default=1, ge=0)
    scans_per_workspace: int = Field(default=3, gt=0)
    secret_key: SecretStr | None = None
    previous_secret_keys: tuple[SecretStr, ...] = ()
    jwt_algorithm: Algorithm = Algorithm.HS256
    signing_keys_file: Path | None = None
    registration: Literal["open", "invite"] | None = None
    metrics: bool = False
    worker_metrics_port: int | None = Field(default=None, gt=0, le=65535)
    outbound_allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    outbound_https_only: bool | None = None
    access_token_minutes: int = Field(default=60, gt=0)
    refresh_token_days: int = Field(default=30, gt=0)
    requests_per_minute: int = Field(default=6_000, ge=0)
    ingestion_requests_per_minute: int = Field(default=60_000, ge=0)
    public_requests_per_minute: int = Field(default=300, ge=0)
    request_arrival_s: float = Field(default=30.0, gt=0)
    request_bytes_per_s: int = Field(default=8_192, gt=0)
    max_body_bytes: int = Field(default=20_000_000, gt=0)
    max_upload_bytes: int = Field(default=250_000_000, gt=0)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    demo_email: str | None = None
    demo_password: SecretStr | None = None
    oauth: dict[str, OAuthClient] = Field(default_factory=dict)
    smtp_host: str | None = None
    smtp_port: int | None = Field(default=None, gt=0, le=65535)
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_tls: Literal["starttls", "implicit", "none"] = "starttls"
    smtp_timeout_s: float = Field(default=20.0, gt=0)
    mail_from: str | None = None
    openai_base_url: str | None = None
    openai_api_key: SecretStr | None = None
    openai_model: str | None = None
    anthropic_base_url: str | None = None
    anthropic_api_key: SecretStr | None = None
    google_base_url: str | None = None
    google_api_key: SecretStr | None = None
    default_model: str | None = None
    cassette: Path | None = None
    cassette_mode: Literal["record", "replay"] = "replay"
    model_call_timeout_s: float = Field(default=120.0, gt=0)
    model_concurrency: int = Field(default=32, gt=0)
    provider_concurrency: int = Field(default=64, gt=0)
    provider_patience_s: float = Field(default=300.0, ge=0)

    @model_validator(mode="after")
    def refuse_weak_production_secret(self) -> "Settings":
        """In production a secret that is missing, short or a known default stops the start."""
        if self.environment is Environment.PRODUCTION:
            secret = self.secret_key.get_secret_value() if self.secret_key else ""
            if secret.lower() in DEFAULT_SECRETS or len(secret) < MINIMUM_SECRET_LENGTH:
                raise ValueError(
                    f"SPECTRAL_SECRET_KEY must be set to at least {MINIMUM_SECRET_LENGTH} random characters in production, "
                    "for example with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
                )
        return self

    @field_validator("openai_base_url", "anthropic_base_url", "google_base_url")
    @classmethod
    def refuse_unreachable_providers(cls, value: str | None) -> str | None:
        """An address that no client can call stops the start, instead of every scan."""
        parsed = urlsplit(value or "https://default")
        if parsed.scheme not in {"http", "https"} or not parsed.hostname or parsed.port == 0:
            raise ValueError("the address of a provider begins with http:// or https:// and names a host")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def refuse_unclear_proxies(cls, value: str) -> str:
        """Proxies are named by address or network. There is no word for all of them: then anybody could say who asks."""
        for proxy in filter(None, map(str.strip, value.split(","))):
            ip_network(proxy)
        return value

    @model_validator(mode="after")
    def refuse_mail_from_nobody(self) -> "Settings":
        """An SMTP server is of no use without a sender."""
        if self.smtp_host is not None and "@" not in (self.mail_from or ""):
            raise ValueError("SPECTRAL_MAIL_FROM must be an email address where SPECTRAL_SMTP_HOST is set.")
        return self

    @model_validator(mode="after")
    def refuse_unusable_signing_keys(self) -> "Settings":
        """Keys that tokens could not be signed with stop the start, instead of every login."""
        if (self.jwt_algorithm is Algorithm.HS256) != (self.signing_keys_file is None):
            raise ValueError(
                "SPECTRAL_JWT_ALGORITHM (RS256 or EdDSA) and SPECTRAL_SIGNING_KEYS_FILE go together; HS256 signs with the secret."
            )
        if self.signing_keys_file is not None:
            Keyring.of_file(self.signing_keys_file, self.jwt_algorithm)
        return self

    @property
    def has_secret(self) -> bool:
        """Whether there is a secret already, so that asking for it would not generate another one."""
        return self.secret_key is not None or (self.data_dir / "secret").exists()

    @cached_property
    def secret(self) -> str:
        """The server's secret: the configured one, else one generated into the data directory (development only).

        Raises ``SigningKeysUnusable`` for a file that somebody began and did not finish.
        """
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        path = self.data_dir / "secret"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if known := path.read_text().strip():
                return known
            raise SigningKeysUnusable(
                f"{path} is empty, so nothing was signed with it. Delete it, and another is made."
            ) from None
        try:
            with os.fdopen(descriptor, "w") as file:
                secret = secrets.token_urlsafe(48)
                file.write(secret)
        except BaseException:  # the disk is full, or who starts was interrupted: the next start is to make another
            path.unlink()
            raise
        return secret

    @property
    def secrets(self) -> tuple[str, ...]:
        """The server's secret, then the ones it had before, which still open and verify what they closed and signed."""
        return (self.secret, *(previous.get_secret_value() for previous in self.previous_secret_keys))

    @cached_property
    def seal(self) -> Seal:
        """What closes the secrets that are kept in the database."""
        return Seal(self.secrets)

    @cached_property
    def outbound(self) -> Outbound:
        """The way to call URLs that users set; in production over TLS only, unless that is set otherwise."""
        https_only = self.outbound_https_only
        if https_only is None:
            https_only = self.environment is Environment.PRODUCTION
        return Outbound(allowed_networks=self.outbound_allowed_networks, https_only=https_only)

    @property
    def usual_model(self) -> str | None:
        """The model that judges and proposes where a workspace names none."""
        return self.default_model or self.openai_model

    @property
    def replayed_cassette(self) -> Path | None:
        """The cassette that answers in place of every real provider."""
        return self.cassette if self.cassette_mode == "replay" else None

    @cached_property
    def keyring(self) -> Keyring:
        """What access tokens are signed and verified with; the file of keys is read once."""
        if self.signing_keys_file is None:
            return Keyring.of_secrets(self.secrets)
        return Keyring.of_file(self.signing_keys_file, self.jwt_algorithm)

    def for_worker(self, number: int) -> "Settings":
        """The settings of one of several workers on this machine: each answers for its metrics at a port of its own."""
        if self.worker_metrics_port is None:
            return self
        return self.model_copy(update={"worker_metrics_port": self.worker_metrics_port + number})

    def environment_of_child(self, *, database_url: str) -> dict[str, str]:
        """The environment that gives a child process these settings, and this database whatever they say."""
        chosen = {name: getattr(self, name) for name in self.model_fields_set} | {"database_url": database_url}
        plain = {f"SPECTRAL_{name.upper()}": written(value) for name, value in chosen.items() if value is not None}
        return {**os.environ, **plain}

    @property
    def registration_mode(self) -> Literal["open", "invite"]:
        """Who may register: anybody in development, in production only the first account or the invited."""
        if self.registration is not None:
            return self.registration
        return "open" if self.environment is Environment.DEVELOPMENT else "invite"
