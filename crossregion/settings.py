"""The reader of the environment. Every setting is `CROSSREGION_<NAME>`.

`CROSSREGION_UNITS` alone is read elsewhere, too: `schemas.units` says why.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal

from crossregion.errors import CrossregionError

PREFIX = "CROSSREGION_"

Language = Literal["en", "zh"]


class SettingUnusable(CrossregionError):
    """The environment gives a setting a value that it cannot have."""

    code = "setting-unusable"


Reader = Callable[[str, str], Any]
"""Makes a setting's value of its name and text, or raises SettingUnusable."""


def _text(_: str, text: str) -> str:
    return text


def _path(_: str, text: str) -> Path:
    return Path(text)


def _number(
    kind: type[int] | type[float],
    *,
    gt: float = -math.inf,
    ge: float = -math.inf,
    le: float = math.inf,
) -> Reader:
    """Reads a number that is finite and within bounds."""

    def read(name: str, text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if math.isfinite(number) and gt < number and ge <= number <= le:
            return number
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in ((">", gt), (">=", ge), ("<=", le))
            if math.isfinite(bound)
        ]
        if kind is int:
            raise SettingUnusable("whole-number", name=name, bounds=bounds)
        raise SettingUnusable("number", name=name, bounds=bounds)

    return read


def _one_of(*words: str) -> Reader:
    """Reads one of some words."""

    def read(name: str, text: str) -> str:
        if text not in words:
            raise SettingUnusable("word", name=name, known=words)
        return text

    return read


def _networks(name: str, text: str) -> dict[str, IPv4Network | IPv6Network]:
    try:
        return {str(one): ip_network(network) for one, network in json.loads(text).items()}
    except (ValueError, AttributeError):
        example = '{"police": "10.1.0.0/16"}'
        raise SettingUnusable("networks", name=name, example=example) from None


def setting(*, default: Any, description: str, read: Reader = _text) -> Any:
    """A field of `Settings`, its meaning and its reader beside it."""
    return dataclasses.field(
        default_factory=lambda: default, metadata={"description": description, "read": read}
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things are. An address given here is used instead of the embedded service."""

    kafka: str | None = setting(default=None, description="Kafka's bootstrap address, host:port.")
    kafka_secrets: Path | None = setting(
        default=None,
        read=_path,
        description="Directory with `ca.pem` and a password file, mode 0600, for each principal.",
    )
    database: str | None = setting(default=None, description="PostgreSQL's connection string.")
    units: Path | None = setting(
        default=None,
        read=_path,
        description=(
            "File of the units, the same for every process and command of the installation; "
            "`schemas/units.toml`, Jilin's, if none is named."
        ),
    )
    language: Language | None = setting(
        default=None,
        read=_one_of("en", "zh"),
        description="Language of what commands and pages say, en or zh; that of LANG if none.",
    )
    data: Path = setting(
        default=Path(".crossregion"),
        read=_path,
        description="Where the embedded services keep data.",
    )
    linkage_model: Path | None = setting(
        default=None,
        read=_path,
        description="File of the linkage model; this version's own if none is named.",
    )
    metrics_host: str = setting(
        default="127.0.0.1", description="Address that /metrics and /health bind."
    )
    metrics_port: int = setting(
        default=0, read=_number(int, ge=0, le=65_535), description="Their port; 0 takes a free one."
    )
    worker: str = setting(default="1", description="Name of this worker among those of its kind.")
    log_level: Literal["debug", "info", "warning"] = setting(
        default="info",
        read=_one_of("debug", "info", "warning"),
        description="The least level of our own log lines; the libraries' begin at warning always.",
    )
    timeout_factor: float = setting(
        default=1.0,
        read=_number(float, gt=0, le=10),
        description=(
            "Factor of every time-out towards Kafka, and of every wait of delivery and the sender; "
            "tests shorten outages by it."
        ),
    )
    authorities: Path | None = setting(
        default=None,
        read=_path,
        description="PEM file of CAs that webhooks and mail trust besides the system's.",
    )
    networks: dict[str, IPv4Network | IPv6Network] = setting(
        default={},
        read=_networks,
        description=(
            "JSON: private networks by name, which an endpoint may be allowed to be in, such as "
            '`{"police": "10.1.0.0/16"}`.'
        ),
    )
    smtp: str | None = setting(
        default=None,
        description="Mail server, host:port; only with STARTTLS and a right certificate.",
    )
    smtp_from: str = setting(
        default="crossregion@localhost", description="Sender's address of the mails."
    )
    smtp_user: str | None = setting(default=None, description="Whom the mail server knows us as.")
    smtp_password: Path | None = setting(
        default=None, read=_path, description="File, mode 0600, with that user's password."
    )
    hour_seconds: float = setting(
        default=3600.0,
        read=_number(float, gt=0),
        description="How long an hour of a notice's deadline is; tests shorten it.",
    )
    intake_host: str = setting(
        default="127.0.0.1",
        description="Address that the HTTP intake binds; another with TLS only.",
    )
    intake_port: int = setting(
        default=8520,
        read=_number(int, ge=0, le=65_535),
        description="Its port; 0 takes a free one.",
    )
    intake_certificate: Path | None = setting(
        default=None, read=_path, description="PEM file of the HTTP intake's certificate, for TLS."
    )
    intake_certificate_key: Path | None = setting(
        default=None,
        read=_path,
        description="PEM file of its key, if that stands elsewhere; mode 0600.",
    )
    intake_proxies: str | None = setting(
        default=None,
        description=(
            "Addresses of proxies, with commas, whose X-Forwarded-For the HTTP intake believes; "
            "none by default."
        ),
    )
    intake_keys: Path | None = setting(
        default=None,
        read=_path,
        description="Directory of the HTTP intake's keys; `intake-keys` beside the spools if none.",
    )
    intake_public_unit: str | None = setting(
        default=None,
        description="Unit that takes the tips of the public by HTTP; without it nobody may.",
    )
    intake_rate: float = setting(
        default=100.0,
        read=_number(float, gt=0),
        description="Requests a second that the HTTP intake takes of a unit.",
    )
    intake_public_rate: float = setting(
        default=1.0,
        read=_number(float, gt=0),
        description="Those of an address without a right key: of the public, and of wrong keys.",
    )
    intake_body_seconds: float = setting(
        default=30.0,
        read=_number(float, gt=0),
        description="How long a request's body may take to arrive; its head 10 s.",
    )
    intake_group: int = setting(
        default=500,
        read=_number(int, gt=0),
        description="Requests that share a commit at most; 1 is for benchmarks.",
    )
    outbox: str | None = setting(
        default=None,
        description="Connection string of the unit's PostgreSQL, for `crossregion relay`.",
    )
    today_file: Path | None = setting(
        default=None,
        read=_path,
        description="Tests only: a file whose content, an ISO day, is taken for today.",
    )
    failpoint: str | None = setting(
        default=None, description="Tests only: the failpoint that is honoured, or `any`."
    )
    failpoint_directory: Path | None = setting(
        default=None,
        read=_path,
        description="Tests only: where a file of a failpoint's name makes it strike once.",
    )

    @property
    def intake_url(self) -> str:
        """Where the HTTP intake is."""
        host = f"[{self.intake_host}]" if ":" in self.intake_host else self.intake_host
        scheme = "https" if self.intake_certificate else "http"
        return f"{scheme}://{host}:{self.intake_port}"


def settings(**given: Any) -> Settings:
    """What the environment says; `given` goes before it.

    Names of variables count in capitals and in small letters. Raises: SettingUnusable.
    """
    said = {name.upper(): text for name, text in os.environ.items()}
    for field in dataclasses.fields(Settings):
        name = PREFIX + field.name.upper()
        if field.name not in given and name in said:
            given[field.name] = field.metadata["read"](name, said[name])
    return Settings(**given)


def language() -> Language:
    """The language to speak: CROSSREGION_LANGUAGE, else that of the locale, else English.

    Of the locale's variables the first that is set counts (POSIX, XBD 8.2). That another setting
    cannot be used is said in the locale's language.
    """
    try:
        chosen = settings().language
    except SettingUnusable:
        chosen = None
    if chosen is not None:
        return chosen
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next((value for value in named if value), "")
    return "zh" if re.match(r"zh(?![a-z])", locale, re.IGNORECASE) else "en"
