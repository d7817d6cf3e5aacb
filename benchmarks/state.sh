#!/bin/sh
# Everything that both ways of setting a host up have to agree on, one line each. Run as root.
# Left out: what every host has of its own (keys, identity, password files: users are listed by
# name), and groundcrew's notes to itself in /var/lib. Releases go by their digest, not by their time.
export LC_ALL=C
undated='s/[0-9]\{8\}T[0-9]\{6\}Z-/RELEASE-/g'
export undated
cd /

state() {
    dpkg-query --show --showformat='package ${Package} ${Version} ${db:Status-Status}\n'
    find etc -xdev -type f ! -path 'etc/ssh/ssh_host_*' ! -path 'etc/ssl/*' ! -name '*-' \
        ! -name machine-id ! -name hostname ! -name hosts ! -name resolv.conf ! -name '*.cache' \
        ! -name passwd ! -name shadow ! -name group ! -name gshadow ! -name .pwd.lock \
        -exec sh -c '
        for path; do
            echo "file $(stat -c "%a %U:%G" "$path") $(sed "$undated" "$path" | sha256sum) $path"
        done' sh {} +
    find etc -xdev -type l ! -path 'etc/ssl/*' -printf 'link %p -> %l\n'
    # Groups by name: numbers depend on the order in which they were made.
    getent passwd | while IFS=: read -r name _ _ _ comment home shell; do
        echo "user $name $comment $home $shell $(id -nG "$name" | tr ' ' '\n' | sort | tr '\n' ' ')"
    done
    find srv -xdev \( -name cache -o -name __pycache__ -o -name site-packages \) -prune -o \
        -printf 'application %y %m %u:%g %p %l\n'
    for venv in srv/*/releases/*/venv; do
        for package in "$venv"/lib/python3*/site-packages/*.dist-info; do echo "application $package"; done
    done
    find run/hello run/httpbin -printf 'runtime %y %m %u:%g %p %l\n' 2>/dev/null
    systemctl list-unit-files --no-legend --state=enabled | awk '{ print "enabled", $1 }'
    systemctl list-units --plain --no-legend --type=service,timer,socket --state=active |
        awk '$1 !~ /^(user|session|systemd-timedated)/ && $4 != "exited" { print "active", $1, $4 }'
    nft --stateless --terse list table inet groundcrew | sed 's/^/nftables /'
    sed -n 's/^\([a-z].*\) = .*/\1/p' etc/sysctl.d/99-zz-groundcrew.conf |
        xargs sysctl --ignore 2>/dev/null | sed 's/^/kernel /'
    sshd=$(command -v sshd || echo /usr/sbin/sshd)
    "$sshd" -T | sort | sed 's/^/sshd /'
}

state | sed "$undated"
