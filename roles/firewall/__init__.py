"""Role: firewall."""
