#!/usr/bin/env bash
# Runs on the lab host as root: the live release of hello under the framework's development server,
# under gunicorn without nginx, and as it is deployed, in turn, over the loopback interface only.
# measure.sh ROUNDS SECONDS CONNECTIONS; prints "way path requests-per-second errors".
set -euo pipefail
rounds=$1 seconds=$2 connections=$3
release="$(readlink -f /srv/hello/current)"
cd "$release/app"

started=()
trap 'for group in "${started[@]}"; do kill -- "-$group" 2>/dev/null || true; done' EXIT
start() {
    setsid runuser -u hello -- env HOME=/srv/hello/shared/home "$@" >/dev/null 2>&1 &
    started+=($!)
}
start "$release/venv/bin/flask" --app hello run --port 5000
start "$release/venv/bin/gunicorn" --config "$release/gunicorn.conf.py" --bind 127.0.0.1:8001 \
    hello:app
for port in 5000 8001; do
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
        sleep 0.1
    done
done

ask() {
    local way=$1 path=$2 port=$3
    wrk --threads 1 --connections "$connections" --duration "${seconds}s" --header "Host: hello.test" \
        "http://127.0.0.1:$port$path" |
        awk -v way="$way" -v path="$path" '
            /Requests\/sec/ { rate = $2 }
            /Non-2xx/ { errors += $NF }
            /Socket errors/ { gsub(",", ""); errors += $4 + $6 + $8 + $10 }
            END { print way, path, rate, errors + 0 }'
}
for _ in $(seq "$rounds"); do
    ask development / 5000
    ask deployed / 80
    ask gunicorn / 8001
    ask deployed /ready 80
    ask gunicorn /ready 8001
done
