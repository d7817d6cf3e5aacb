#!/bin/sh
# What groundcrew is measured against: the same host, set up by a script in one SSH session, as one
# would write it by hand. It checks nothing, waits for nothing and knows only the way from a fresh
# host; a second run of it is not meant to work.
#
# Beside it lie `parameters` (PACKAGES, ADMIN, UV_HOME, APPS = "NAME=RELEASE ..."), uv.lock
# and files.tar: the configuration files and application sources of a host that groundcrew made.
set -eu
umask 022
cd "$(dirname "$0")"
. ./parameters

step() { echo "step $(date +%s.%N) $*"; }
apt() { DEBIAN_FRONTEND=noninteractive apt-get --quiet "$@"; }

step packages
apt --error-on=any update
# shellcheck disable=SC2086
apt -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    install --no-install-recommends $PACKAGES

step users
useradd --create-home --shell /bin/bash --comment Administrator "$ADMIN"
usermod --append --groups adm,systemd-journal "$ADMIN"
install -d -m 0700 -o "$ADMIN" -g "$ADMIN" "/home/$ADMIN/.ssh"
install -m 0600 -o "$ADMIN" -g "$ADMIN" /root/.ssh/authorized_keys "/home/$ADMIN/.ssh/"
for pair in $APPS; do
    app=${pair%%=*}
    groupadd --system "$app"
    groupadd --system "$app-web"
    groupadd --system "$app-build"
    gpasswd --add www-data "$app-web" >/dev/null
    useradd --system --no-create-home --home-dir "/srv/$app/shared/home" \
        --shell /usr/sbin/nologin --gid "$app" --groups "$app-build" "$app"
    useradd --system --no-create-home --home-dir "/srv/$app/cache" \
        --shell /usr/sbin/nologin --gid "$app-build" "$app-build"
done

step files
tar --extract --file files.tar --directory / --same-permissions --same-owner
rm -f /etc/nginx/sites-enabled/default

step system
sysctl --quiet --system 2>/dev/null || true # a container cannot set all of them
visudo --check --quiet
systemctl restart systemd-journald.service
systemctl restart fail2ban.service
/usr/sbin/sshd -t
systemctl reload ssh.service
nft --check --file /etc/nftables.d/groundcrew.nft
nft --file /etc/nftables.d/groundcrew.nft
systemctl daemon-reload
systemctl enable --quiet nftables-groundcrew.service
systemctl enable --quiet --now logrotate.timer
systemctl restart logrotate.timer

step uv
PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_ROOT_USER_ACTION=ignore \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    python3 "$(echo /usr/share/python-wheels/pip-*.whl)/pip" install --quiet --no-cache-dir \
    --no-deps --only-binary :all: --require-hashes --target "$UV_HOME" --requirement uv.lock

step nginx
systemd-tmpfiles --create /etc/tmpfiles.d/groundcrew-*.conf
nginx -t -q
systemctl restart nginx.service

for pair in $APPS; do
    app=${pair%%=*}
    release=/srv/$app/releases/${pair#*=}
    venv=$(readlink "$release/venv")
    install -d -o "$app-build" -g "$app-build" "$(dirname "$venv")"
    as_builder() {
        (
            umask 027
            cd /
            exec setpriv --reuid "$app-build" --regid "$app-build" --clear-groups env -i \
                HOME="/srv/$app/cache" LANG=C.UTF-8 PATH="$venv/bin:/usr/bin:/bin" \
                VIRTUAL_ENV="$venv" UV_CACHE_DIR="/srv/$app/cache/uv" UV_NO_CONFIG=1 \
                UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never \
                SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt "$@"
        )
    }
    step "$app: virtualenv"
    as_builder "$UV_HOME/bin/uv" venv --quiet --python /usr/bin/python3 "$venv"
    as_builder "$UV_HOME/bin/uv" pip install --quiet --require-hashes --compile-bytecode \
        --requirements "$release/requirements.txt"
    chown -R root:root "$(dirname "$venv")"
    chgrp "$app-build" "$(dirname "$venv")"
    "$venv/bin/python" -m compileall -q -j 0 "$release/app"
    step "$app: start"
    systemctl enable --quiet --now "$app@${pair#*=}.service"
done
step end
