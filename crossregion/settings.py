"""The only reader of the environment. Every setting is `CROSSREGION_<NAME>`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are. An address given here is used instead of the embedded service."""

    model_config = SettingsConfigDict(env_prefix="CROSSREGION_")

    kafka: str | None = Field(default=None, description="Kafka's bootstrap address, host:port.")
    kafka_secrets: Path | None = Field(
        default=None,
        description="Directory with `ca.pem` and a password file, mode 0600, for each principal.",
    )
    database: str | None = Field(default=None, description="PostgreSQL's connection string.")
    data: Path = Field(
        default=Path(".crossregion"), description="Where the embedded services keep data."
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address that /metrics and /health bind."
    )
    metrics_port: int = Field(default=0, description="Their port; 0 takes a free one.")
    worker: str = Field(default="1", description="Name of this worker among those of its kind.")


def settings() -> Settings:
    return Settings()
