"""Hosts that run applications."""

apps = ["hello", "httpbin"]

firewall = {
    "allow": {
        "http": {"ports": [80]},
        "https": {"ports": [443]},
    },
}
