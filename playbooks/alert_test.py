"""Sends a test alert to everybody who gets alerts.

pyinfra inventory/prod.py playbooks/alert_test.py -y
"""

from pyinfra import host

from groundcrew.roles.monitoring import operations
from groundcrew.settings import settings_for

settings = settings_for(host).settings

if "monitoring" in settings.place.groups:
    operations.send_test(name="monitoring | test alert", settings=settings.monitoring)
