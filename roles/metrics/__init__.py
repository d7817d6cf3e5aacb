"""What monitoring reads on every host: an exporter of its state, and probes of its applications."""

from groundcrew.roles.metrics.settings import MetricsSettings

__all__ = ["MetricsSettings"]
