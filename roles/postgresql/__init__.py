"""PostgreSQL for the applications of the inventory. The base role installs and starts it."""

from groundcrew.roles.postgresql.settings import PostgresqlSettings

__all__ = ["PostgresqlSettings"]
