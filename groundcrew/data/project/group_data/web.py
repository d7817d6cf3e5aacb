"""Hosts that run applications."""

# Applications to run, by the names of their manifests: apps/NAME.yml (`groundcrew new-app ../shop`
# writes one).
apps: list[str] = []

firewall = {
    "allow": {
        "http": {"ports": [80]},
        "https": {"ports": [443]},
    },
}
