"""Finds the services that an application uses, and whether it calls other hosts."""

from __future__ import annotations

import re

from groundcrew.newapp import needs
from groundcrew.newapp.project import Project

DRIVERS = {
    "PostgreSQL": ("psycopg", "psycopg2", "psycopg2-binary", "psycopg-binary", "asyncpg", "pg8000",
                   "aiopg"),
    "MySQL or MariaDB": ("mysqlclient", "pymysql", "aiomysql", "asyncmy", "mysql-connector-python",
                         "mysqldb", "mysql"),
    "MongoDB": ("pymongo", "motor", "mongoengine", "beanie", "pymongo-inmemory"),
    "Redis": ("redis", "aioredis", "django-redis", "channels-redis", "rq", "django-rq", "hiredis",
              "arq", "redis-py-cluster", "valkey"),
    "RabbitMQ": ("pika", "aio-pika", "amqp", "amqpstorm"),
    "memcached": ("pymemcache", "pylibmc", "python-memcached", "aiomcache"),
    "Elasticsearch or OpenSearch": ("elasticsearch", "opensearch-py", "elasticsearch-dsl"),
    "Oracle": ("oracledb", "cx-oracle"),
    "SQL Server": ("pyodbc", "pymssql", "mssql-django"),
    "ClickHouse": ("clickhouse-driver", "clickhouse-connect", "django-clickhouse-backend"),
}  # fmt: skip
"""Service -> names of packages and modules."""
BATTERIES = {"celery": "a broker for Celery (Redis or RabbitMQ)",
             "dramatiq": "a broker for Dramatiq (Redis or RabbitMQ)"}  # fmt: skip
CALLS = frozenset((
    "requests", "httpx", "aiohttp", "urllib3", "urllib.request", "http.client", "boto3",
    "botocore", "aiobotocore", "smtplib", "aiosmtplib", "imaplib", "flask_mail", "fastapi_mail",
    "emails", "sendgrid", "stripe", "openai", "anthropic", "slack_sdk", "twilio", "sentry_sdk",
    "ldap", "ldap3", "paho", "google.cloud", "google.auth", "googleapiclient", "azure", "minio",
    "paramiko", "ftplib", "websockets", "telegram", "authlib", "imap_tools", "django.core.mail",
    "pywebpush", "github", "zeep", "pycurl", "treq", "grpc", "apprise", "litellm", "msal",
    "requests_oauthlib", "allauth",
))  # fmt: skip
"""Client libraries for services on other hosts."""


def drivers(project: Project, requirements: str | None) -> dict[str, list[str]]:
    """Service -> its drivers that are required or imported."""
    asked = needs.packages(project, requirements)
    used = {name.partition(".")[0].replace("_", "-") for name in _imported(project)}
    services = {}
    for service, names in DRIVERS.items():
        present = [name for name in names if name in asked] or [n for n in names if n in used]
        if present:
            services[service] = present
    for name, service in BATTERIES.items():
        if name in asked | used and not {"Redis", "RabbitMQ"} & services.keys():
            services[service] = [name]
    return services


def callers(project: Project) -> list[str]:
    """Imported client libraries that call other hosts."""
    used = _imported(project)
    return sorted(
        name for name in CALLS if name in used or any(item.startswith(f"{name}.") for item in used)
    )


def _imported(project: Project) -> set[str]:
    packages: set[str] = set()
    for module in project.modules:
        if not module.aside:
            packages |= project.imports[module.path]
    return {name for name in packages if name.partition(".")[0] not in project.by_name}


def among(packages: list[str]) -> list[str]:
    """The drivers among these requirements."""
    every = {name for names in DRIVERS.values() for name in names}
    matches = (re.match(r"[A-Za-z0-9][\w.-]*", item.strip()) for item in packages)
    return [match[0] for match in matches if match and match[0].lower().replace("_", "-") in every]
