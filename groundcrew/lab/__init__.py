"""Lab hosts: bare Debian with systemd and sshd, in containers of the Docker Engine.

`bin/lab` drives it (`cli`), `inventory/lab.py` reads it (`inventory`). What exists is asked of the
engine, by labels; nothing about the running hosts is kept in a file.
"""
