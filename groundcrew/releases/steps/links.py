"""Shell commands that move nginx's links to the sockets of a release."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from groundcrew.manifest.paths import AppPaths
from groundcrew.releases.target import Target

RELOAD_SECONDS = 2
"""Seconds after a reload until nginx's old workers accept no new requests."""


def same_protocol(target: Target, release: str) -> str:
    """Shell command that fails if the release's protocol differs from the live one's. Requests
    waiting in the socket held by systemd would reach the release in the wrong protocol."""
    paths = target.paths
    message = (
        f"{paths.name}: another `server.type` cannot take over with `release.strategy: restart`; "
        "release it once with `switch`"
    )
    return "\n".join(
        [
            _protocol(paths, release),
            f"if ! {_passed(paths)}; then echo {shlex.quote(message)} >&2; exit 1; fi",
        ]
    )


def _protocol(paths: AppPaths, release: str) -> str:
    """Shell command that sets `$kind` to the release's protocol and `$other` to the other one."""
    return (
        "kind=http other=uwsgi; "
        f"if [ -e {paths.uwsgi_config(release)} ]; then kind=uwsgi other=http; fi"
    )


def _passed(paths: AppPaths) -> str:
    """Shell condition: whether nginx passes requests in the protocol `$kind`."""
    return f'[ "$(readlink {paths.passing})" = {paths.name}.$kind ]'


def _links(target: Target, release: str) -> list[tuple[int, str]]:
    """Each of nginx's links by number, with the socket it points to. There are as many links as
    instances today; an older release may have fewer instances, which then share them, or more."""
    sockets = target.sockets(release)
    return [(number, sockets[(number - 1) % len(sockets)]) for number in _link_numbers(target)]


def _link_numbers(target: Target) -> range:
    return range(1, target.app.instances + 1)


def _upstreams(paths: AppPaths) -> tuple[Callable[[int], str], Callable[[int], str]]:
    return paths.upstream, paths.uwsgi_upstream


def point_nginx_at(target: Target, release: str) -> str:
    """Shell command that points nginx to the release by renaming links: no reload, connections stay
    open.

    The release's directory determines its protocol, so this also works for a rollback. nginx is
    reloaded only if the protocol changes: between the two sets of links, so that its old workers
    still find the previous release until they exit.
    """
    paths = target.paths
    partial = f"{paths.upstreams}/.current.sock"

    def move(path_of: Callable[[int], str]) -> str:
        return " && ".join(
            f"ln -sfn {socket} {partial} && mv -T {partial} {path_of(number)}"
            for number, socket in _links(target, release)
        )

    return "\n".join(
        [
            f"{{ http() {{ {move(paths.upstream)}; }}",
            f"uwsgi() {{ {move(paths.uwsgi_upstream)}; }}",
            _protocol(paths, release),
            "$kind &&",
            f"if ! {_passed(paths)}; then",
            f"  ln -sfn {paths.name}.$kind {paths.passing} && systemctl reload nginx && "
            f"sleep {RELOAD_SECONDS}",
            f"fi && $other && {_unlink_surplus(target)}; }}",
        ]
    )


def _unlink_surplus(target: Target) -> str:
    """Shell command that removes the links of instances that no longer exist: they would point to a
    release that was replaced."""
    paths = target.paths
    kept = [path(number) for number in _link_numbers(target) for path in _upstreams(paths)]
    excluded = " ".join(f"! -path {path}" for path in kept)
    return f"find {paths.upstreams} -type l -name 'current.*' {excluded} -delete"


def boot_links(target: Target, release: str) -> str:
    """The tmpfiles.d text that points nginx's links to the release again after a reboot."""
    return "".join(
        f"L+ {path(number)} - - - - {socket}\n"
        for number, socket in _links(target, release)
        for path in _upstreams(target.paths)
    )
