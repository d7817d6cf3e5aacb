"""Monitoring: metrics of all hosts over time, and alerts."""

from groundcrew.roles.monitoring.deploy import apply
from groundcrew.roles.monitoring.settings import MonitoringSettings

__all__ = ["MonitoringSettings", "apply"]
