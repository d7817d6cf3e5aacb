"""Names that are reserved for Debian: no application or administrator may use them."""

from __future__ import annotations

# Users and groups of base-passwd, systemd, and packages that web hosts may have.
_ACCOUNTS = """
    adm audio avahi backup bin bind bluetooth caddy cdrom certbot chrony clamav clock colord
    cron crontab daemon dbus dialout dip disk dnsmasq docker dovecot dovenull elasticsearch
    exim fax floppy ftp games geoclue git gnats grafana haproxy input irc kmem kvm libvirt
    list logcheck lp lpadmin lxd mail man mariadb memcache memcached messagebus mongodb munin
    mysql nagios netdev news nginx nobody node-exporter nogroup ntp ntpsec opendkim opendmarc
    openldap operator plugdev polkitd postdrop postfix postgres postgresql proftpd prometheus
    proxy rabbitmq redis render root rpc rtkit sambashare saned sasl scanner sgx shadow snmp
    src ssh sshd ssl-cert sssd staff statd stunnel4 sudo sync sys syslog systemd tape tcpdump
    tomcat tss tty unbound unscd usbmux users utmp uucp uuidd uwsgi valkey varnish video voice
    wireshark www-data
"""
ACCOUNTS = frozenset(_ACCOUNTS.split())
"""Users and groups."""

PREFIXES = ("systemd-", "_")
"""Prefixes of further accounts; `_` is Debian's prefix for users of packages."""

# Directories in /run and /srv, units, and `deploy`, the administrator of new hosts.
_PLACES = """
    agetty apt auditd autovt blkid cloud-init console container-getty credentials cryptsetup deploy
    fail2ban getty groundcrew initctl lock log lvm mdadm modprobe mount network nftables rsyslog
    run screen sendsigs serial-getty shm tmux udev user web
"""
PLACES = frozenset(_PLACES.split())
"""Names that would collide with an application's directories or units."""


def is_system_account(name: str) -> bool:
    """Whether a user or group of this name belongs to Debian."""
    return name in ACCOUNTS or name.startswith(PREFIXES)


def is_taken(name: str) -> bool:
    """Whether an application of this name would collide with an account, a unit or a directory of
    Debian."""
    return name in PLACES or is_system_account(name)
