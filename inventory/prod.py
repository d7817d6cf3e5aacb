"""Real hosts: an example. Put yours in, then `pyinfra inventory/prod.py deploy.py`.

Each list is a group; its settings are in `group_data/GROUP.py`, those of all hosts in
`group_data/all.py`. A host is a name, or a name with data of its own, which wins over both.
"""

# The web servers. A name that resolves needs no more than this:
web: list[str | tuple[str, dict[str, object]]] = [
    # "web1.example.com",
    #
    # With data of its own:
    # (
    #     "web2.example.com",
    #     {
    #         # Where SSH reaches it, if not at its name, port 22.
    #         "ssh_hostname": "203.0.113.12",
    #         "ssh_port": 22,
    #         # The admin user that the first run makes (setting users.admins), and the user that
    #         # a bare host has before that: root, debian, admin, ... by provider.
    #         "ssh_user": "deploy",
    #         "bootstrap_user": "root",
    #         # Left out: the SSH agent and the keys in ~/.ssh.
    #         "ssh_key": "~/.ssh/id_ed25519",
    #         # "yes" refuses hosts that known_hosts does not have; "accept-new" trusts them once.
    #         "ssh_strict_host_key_checking": "yes",
    #         # One nested setting for this host alone; all others stay as they are.
    #         "app": {"shop": {"server": {"workers": 4}}},
    #     },
    # ),
]
