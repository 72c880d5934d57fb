"""The reader of the environment. Every setting is `CROSSREGION_<NAME>`.

`CROSSREGION_UNITS` alone is read elsewhere, too: `schemas.units` says why.
"""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Language = Literal["en", "zh"]


class Settings(BaseSettings):
    """Where things are. An address given here is used instead of the embedded service."""

    model_config = SettingsConfigDict(env_prefix="CROSSREGION_")

    kafka: str | None = Field(default=None, description="Kafka's bootstrap address, host:port.")
    kafka_secrets: Path | None = Field(
        default=None,
        description="Directory with `ca.pem` and a password file, mode 0600, for each principal.",
    )
    database: str | None = Field(default=None, description="PostgreSQL's connection string.")
    units: Path | None = Field(
        default=None,
        description=(
            "File of the units, the same for every process and command of the installation; "
            "`schemas/units.toml`, Jilin's, if none is named."
        ),
    )
    language: Language | None = Field(
        default=None,
        description="Language of what commands and pages say, en or zh; that of LANG if none.",
    )
    data: Path = Field(
        default=Path(".crossregion"), description="Where the embedded services keep data."
    )
    linkage_model: Path | None = Field(
        default=None,
        description="File of the linkage model; this version's own if none is named.",
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address that /metrics and /health bind."
    )
    metrics_port: int = Field(default=0, description="Their port; 0 takes a free one.")
    worker: str = Field(default="1", description="Name of this worker among those of its kind.")
    log_level: Literal["debug", "info", "warning"] = Field(
        default="info",
        description="The least level of our own log lines; the libraries' begin at warning always.",
    )
    timeout_factor: float = Field(
        default=1.0,
        gt=0,
        le=10,
        description=(
            "Factor of every time-out towards Kafka, and of every wait of delivery and the sender; "
            "tests shorten outages by it."
        ),
    )
    authorities: Path | None = Field(
        default=None,
        description="PEM file of CAs that webhooks and mail trust besides the system's.",
    )
    networks: dict[str, IPv4Network | IPv6Network] = Field(
        default={},
        description=(
            "JSON: private networks by name, which an endpoint may be allowed to be in, such as "
            '`{"police": "10.1.0.0/16"}`.'
        ),
    )
    smtp: str | None = Field(
        default=None,
        description="Mail server, host:port; only with STARTTLS and a right certificate.",
    )
    smtp_from: str = Field(
        default="crossregion@localhost", description="Sender's address of the mails."
    )
    smtp_user: str | None = Field(default=None, description="Whom the mail server knows us as.")
    smtp_password: Path | None = Field(
        default=None, description="File, mode 0600, with that user's password."
    )
    hour_seconds: float = Field(
        default=3600.0,
        gt=0,
        description="How long an hour of a notice's deadline is; tests shorten it.",
    )
    intake_host: str = Field(
        default="127.0.0.1",
        description="Address that the HTTP intake binds; another with TLS only.",
    )
    intake_port: int = Field(
        default=8520, ge=0, le=65_535, description="Its port; 0 takes a free one."
    )
    intake_certificate: Path | None = Field(
        default=None, description="PEM file of the HTTP intake's certificate, for TLS."
    )
    intake_certificate_key: Path | None = Field(
        default=None, description="PEM file of its key, if that stands elsewhere; mode 0600."
    )
    intake_proxies: str | None = Field(
        default=None,
        description=(
            "Addresses of proxies, with commas, whose X-Forwarded-For the HTTP intake believes; "
            "none by default."
        ),
    )
    intake_keys: Path | None = Field(
        default=None,
        description="Directory of the HTTP intake's keys; `intake-keys` beside the spools if none.",
    )
    intake_public_unit: str | None = Field(
        default=None,
        description="Unit that takes the tips of the public by HTTP; without it nobody may.",
    )
    intake_rate: float = Field(
        default=100.0, gt=0, description="Requests a second that the HTTP intake takes of a unit."
    )
    intake_public_rate: float = Field(
        default=1.0,
        gt=0,
        description="Those of an address without a right key: of the public, and of wrong keys.",
    )
    intake_body_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How long a request's body may take to arrive; its head 10 s.",
    )
    intake_group: int = Field(
        default=500, gt=0, description="Requests that share a commit at most; 1 is for benchmarks."
    )
    outbox: str | None = Field(
        default=None,
        description="Connection string of the unit's PostgreSQL, for `crossregion relay`.",
    )
    today_file: Path | None = Field(
        default=None,
        description="Tests only: a file whose content, an ISO day, is taken for today.",
    )
    failpoint: str | None = Field(
        default=None, description="Tests only: the failpoint that is honoured, or `any`."
    )
    failpoint_directory: Path | None = Field(
        default=None,
        description="Tests only: where a file of a failpoint's name makes it strike once.",
    )

    @property
    def intake_url(self) -> str:
        """Where the HTTP intake is."""
        host = f"[{self.intake_host}]" if ":" in self.intake_host else self.intake_host
        scheme = "https" if self.intake_certificate else "http"
        return f"{scheme}://{host}:{self.intake_port}"


def settings() -> Settings:
    return Settings()


def language() -> Language:
    """The language to speak: CROSSREGION_LANGUAGE, else that of the locale, else English.

    Of the locale's variables the first that is set counts (POSIX, XBD 8.2). That another setting
    cannot be used is said in the locale's language.
    """
    try:
        chosen = settings().language
    except ValidationError:
        chosen = None
    if chosen is not None:
        return chosen
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next((value for value in named if value), "")
    return "zh" if re.match(r"zh(?![a-z])", locale, re.IGNORECASE) else "en"
