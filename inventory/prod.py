"""Production hosts: add yours, then run `pyinfra inventory/prod.py deploy.py`.

Each list is a group; its settings are in `group_data/GROUP.py`, those of all hosts in
`group_data/all.py`. A host is a name, or a name with its own data, which overrides both.
"""

# The web servers. If the name resolves, it is enough:
web: list[str | tuple[str, dict[str, object]]] = [
    # "web1.example.com",
    #
    # With its own data:
    # (
    #     "web2.example.com",
    #     {
    #         # Address and port of SSH, if they are not the name and 22.
    #         "ssh_hostname": "203.0.113.12",
    #         "ssh_port": 22,
    #         # The admin user that the first run creates (setting users.admins), and the user
    #         # that a new host has before that: root, debian, admin, ... by provider.
    #         "ssh_user": "deploy",
    #         "bootstrap_user": "root",
    #         # Default: the SSH agent and the keys in ~/.ssh.
    #         "ssh_key": "~/.ssh/id_ed25519",
    #         # "yes" refuses hosts that are not in known_hosts; "accept-new" (default) adds them.
    #         "ssh_strict_host_key_checking": "yes",
    #         # One nested setting for this host only; all others keep their values.
    #         "app": {"shop": {"server": {"workers": 4}}},
    #     },
    # ),
]
