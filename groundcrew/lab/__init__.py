"""Lab hosts: bare Debian with systemd and sshd, as Docker containers or virtual machines.

`bin/lab` manages them (`cli`), `inventory/lab.py` reads them (`inventory`). Containers are found by
their labels in the Docker Engine; a virtual machine is a directory (`vm`).
"""
