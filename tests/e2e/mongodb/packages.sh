# Makes packages with the names of MongoDB's, and a repository of them that is signed and served on
# the host. Run on the host, in the directory with mongod.py and tools.py.
set -eu
export DEBIAN_FRONTEND=noninteractive GNUPGHOME=/root/mongodb-keys
arch=$(dpkg --print-architecture)
repository=/root/mongodb-repository stand_in=/usr/lib/mongodb-stand-in
apt-get -qq update
apt-get -qq install --no-install-recommends gnupg apt-utils python3-venv >/dev/null

if ! [ -x $stand_in/bin/secantusd-py ]; then
    python3 -m venv $stand_in
    $stand_in/bin/pip -q install --only-binary :all: 'secantusdb==0.7.0b3' pyyaml
fi

rm -rf $repository $GNUPGHOME
mkdir -m 0700 $GNUPGHOME
mkdir -p $repository/dists/bookworm/mongodb-org/8.0/main/binary-$arch $repository/pool

package() { # NAME: makes the package of what is in $root
    mkdir -p "$root/DEBIAN"
    printf 'Package: %s\nVersion: 8.0.99\nArchitecture: %s\nMaintainer: t <t@example.org>\n' \
        "$1" "$arch" >"$root/DEBIAN/control"
    printf 'Description: a stand-in, made by a test\n' >>"$root/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$root" "$repository/pool/$1.deb" >/dev/null
    rm -rf "$root"
}

program() { # NAME SOURCE: a program of the package that runs a file of the stand-in
    mkdir -p "$root/usr/bin"
    cp "$2" "$stand_in/$1"
    printf '#!/bin/sh\nexec %s/bin/python %s/%s "$@"\n' $stand_in $stand_in "$1" >"$root/usr/bin/$1"
    chmod 0755 "$root/usr/bin/$1"
}

root=$(mktemp -d)
program mongod mongod.py
mkdir -p "$root/lib/systemd/system" "$root/etc" "$root/DEBIAN"
cat >"$root/lib/systemd/system/mongod.service" <<UNIT
[Unit]
Description=MongoDB Database Server
After=network-online.target
Wants=network-online.target

[Service]
User=mongodb
Group=mongodb
EnvironmentFile=-/etc/default/mongod
Environment="MONGODB_CONFIG_OVERRIDE_NOFORK=1"
ExecStart=/usr/bin/mongod --config /etc/mongod.conf
RuntimeDirectory=mongodb
LimitNOFILE=64000
TasksMax=infinity

[Install]
WantedBy=multi-user.target
UNIT
printf 'storage: {dbPath: /var/lib/mongodb}\n' >"$root/etc/mongod.conf"
echo /etc/mongod.conf >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/postinst" <<POSTINST
#!/bin/sh
set -e
getent passwd mongodb >/dev/null || adduser --quiet --system --group --home /var/lib/mongodb \
    --no-create-home mongodb
mkdir -p /var/lib/mongodb && chown mongodb:mongodb /var/lib/mongodb
POSTINST
chmod 0755 "$root/DEBIAN/postinst"
package mongodb-org-server

root=$(mktemp -d)
mkdir -p "$root/usr/bin"
printf '#!/bin/sh\nprintf "%%s " "$GROUNDCREW_DATABASE" "$@"\n' >"$root/usr/bin/mongosh"
chmod 0755 "$root/usr/bin/mongosh"
package mongodb-mongosh

root=$(mktemp -d)
program mongodump tools.py
program mongorestore tools.py
package mongodb-database-tools

cd $repository
gpg --batch --quiet --passphrase '' --quick-generate-key mongodb@example.org rsa3072 sign never
gpg --batch --quiet --armor --export mongodb@example.org >key.asc
suite=dists/bookworm/mongodb-org/8.0
apt-ftparchive packages pool >$suite/main/binary-$arch/Packages
apt-ftparchive -o APT::FTPArchive::Release::Components=main \
    -o APT::FTPArchive::Release::Architectures=$arch \
    -o APT::FTPArchive::Release::Suite=bookworm/mongodb-org/8.0 release $suite >Release
gpg --batch --quiet --clearsign --output $suite/InRelease Release
chmod -R a+rX $repository
systemctl stop mongodb-repository.service 2>/dev/null || true
systemd-run --quiet --unit=mongodb-repository --property=WorkingDirectory=$repository \
    python3 -m http.server --bind 127.0.0.1 8472
