"""Lab hosts as virtual machines: Debian with its own kernel in QEMU.

Each machine is a directory with its disk and its description; its ports are published on 127.0.0.1.
Virtual machines cover what containers cannot: reboots and power cuts, AppArmor, kernel parameters,
swap, cloud-init.
"""
