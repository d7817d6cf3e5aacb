"""The state of hosts and applications, as tables and as JSON."""
