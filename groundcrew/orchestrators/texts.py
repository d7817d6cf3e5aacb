"""The files of an export: YAML, scripts, and notes for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from groundcrew.orchestrators import proxy
from groundcrew.orchestrators.kubernetes import RELEASE, Export, Options
from groundcrew.orchestrators.swarm import Stack
from groundcrew.orchestrators.swarm_service import text
from groundcrew.orchestrators.workload import Dropped, Workload

HEADER = "# Written by groundcrew from apps/{name}.yml: change that, and export it again.\n"
SCRIPT = "#!/bin/sh\n" + HEADER


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and never a reference."""

    def ignore_aliases(self, data: Any) -> bool:
        """No references: two objects with the same content are written twice."""
        del data
        return True


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # A block cannot hold lines that end in spaces.
    block = "\n" in value and not any(line != line.rstrip() for line in value.splitlines())
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if block else None)


_Dumper.add_representer(str, _string)


def dump(*documents: Any) -> str:
    """YAML, the same for the same content."""
    return "---\n".join(
        yaml.dump(item, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
        for item in documents
    )


def kubernetes(workload: Workload, made: Export, options: Options) -> dict[str, str]:
    """The files of an export to Kubernetes, by path."""
    name, header = workload.name, HEADER.format(name=workload.name)
    files = {path: header + dump(*objects) for path, objects in made.files.items()}
    files |= _secret_files(workload)
    if made.secrets:
        files["secrets.yaml.example"] = _secrets_example(made, options)
    files["apply.sh"] = SCRIPT.format(name=name) + _apply(workload, made, options)
    told = [
        f"# {name} in Kubernetes",
        "",
        "`./apply.sh` applies the files in their order. It waits for the release hooks, and for "
        "the new pods.",
        *_told_secrets(
            made.secrets,
            "copy `secrets.yaml.example`, fill it in, and apply it. Do not commit it",
        ),
        "",
        f"To go back: `kubectl rollout undo deployment/{name}`. It does not undo release hooks, "
        "nor what the ConfigMaps hold.",
        *_told_dropped(made.dropped),
        "",
    ]
    files["NOTES.md"] = "\n".join(told)
    return files


def _apply(workload: Workload, made: Export, options: Options) -> str:
    space = f"--namespace {shlex.quote(options.namespace)}"
    lines = ["set -eu", 'cd "$(dirname "$0")"']
    for path in made.files:
        lines.append(f"kubectl apply {space} --filename {path}")
        if made.job and path == RELEASE:
            state = '{.status.conditions[?(@.status=="True")].type}'
            lines += [
                "# Nothing is replaced unless the release hooks succeed.",
                "while :; do",
                f"    state=$(kubectl get {space} job/{made.job} --output jsonpath='{state}')",
                "    case $state in",
                "        *Complete*) break ;;",
                "        *Failed*)",
                f"            kubectl logs {space} --all-containers job/{made.job} || true",
                '            echo "the release hooks have failed: nothing was replaced" >&2',
                "            exit 1",
                "            ;;",
                "    esac",
                "    sleep 2",
                "done",
            ]
    seconds = max(600, workload.health.timeout) + 60
    lines.append(f"kubectl rollout status {space} --timeout={seconds}s deployment/{workload.name}")
    return "\n".join([*lines, ""])


def _secrets_example(made: Export, options: Options) -> str:
    lines = ["# Names without values. Fill in a copy, and keep it out of version control."]
    for number, (name, keys) in enumerate(sorted(made.secrets.items())):
        lines += ["---"] if number else []
        lines += [
            "apiVersion: v1",
            "kind: Secret",
            "metadata:",
            f"  name: {name}",
            f"  namespace: {options.namespace}",
            "type: Opaque",
            "stringData:",
        ]
        for key, told in sorted(keys.items()):
            lines += [f"  # {' '.join(told.split())}", f'  {key}: ""']
    return "\n".join([*lines, ""])


def swarm(workload: Workload, made: Stack, image: str) -> dict[str, str]:
    """The files of an export to Swarm, by path."""
    name = workload.name
    files = {"stack.yml": HEADER.format(name=name) + dump(text(made.content)), **made.files}
    files |= _secret_files(workload)
    for job, service in made.jobs.items():
        files[f"jobs/{job}.sh"] = _job(workload, job, service, made)
    if workload.served:
        files["proxy/Dockerfile"] = _dockerfile(image, workload)
    lines = ["set -eu", 'cd "$(dirname "$0")"']
    if "release" in made.jobs:
        lines += [
            "# Nothing is replaced unless the release hooks succeed.",
            "./jobs/release.sh",
        ]
    lines += [f"docker stack deploy --with-registry-auth --compose-file stack.yml {name}", ""]
    files["deploy.sh"] = SCRIPT.format(name=name) + "\n".join(lines)
    told = [
        f"# {name} in Docker Swarm",
        "",
        "`./deploy.sh` on a manager runs the release hooks and then updates the services. "
        f"`docker service ps {name}_{name}` shows how far it is.",
        *_told_secrets(
            {key: {"": value} for key, value in made.secrets.items()},
            "`docker secret create NAME FILE` for each",
        ),
        "",
        f"To go back: `docker service rollback {name}_{name}`. It does not undo release hooks.",
        *_told_dropped(made.dropped),
        "",
    ]
    files["NOTES.md"] = "\n".join(told)
    return files


def _job(workload: Workload, job: str, service: Mapping[str, Any], made: Stack) -> str:
    """A script that runs a service once, and ends with its result."""
    once = f"{workload.name}-{job}"
    configs = made.content.get("configs", {})
    names = {key: item["name"] for key, item in made.content.get("secrets", {}).items()}
    network = f"{workload.name}_app"
    options = [
        *("--mode replicated-job", "--restart-condition none", "--detach", "--with-registry-auth"),
        f"--name {once}",
        f"--network {network}",
        f"--user {service['user']}",
        f"--workdir {shlex.quote(service['working_dir'])}",
        "--init",
        *("--cap-drop ALL",),
        *(f"--cap-add {item}" for item in service.get("cap_add", ())),
        *(["--read-only"] if service.get("read_only") else []),
        *(
            f"--mount type=tmpfs,destination={item['target']}"
            if item["type"] == "tmpfs"
            else f"--mount type=volume,source={workload.name}_{item['source']},"
            f"destination={item['target']}{_driver(made, item['source'])}"
            for item in service["volumes"]
        ),
        *(
            f"--constraint {shlex.quote(item)}"
            for item in service["deploy"].get("placement", {}).get("constraints", ())
        ),
        *(
            f"--env {shlex.quote(f'{key}={value}')}"
            for key, value in service["environment"].items()
        ),
        *(
            f"--config source={configs[item['source']]['name']},target={item['target']},"
            f"uid={item['uid']},gid={item['gid']},mode=0{item['mode']:o}"
            for item in service.get("configs", ())
        ),
        *(
            f"--secret source={names[item['source']]},target={item['target']},"
            f"uid={item['uid']},gid={item['gid']},mode=0{item['mode']:o}"
            for item in service.get("secrets", ())
        ),
        *_job_limits(service),
        f"--entrypoint {shlex.quote(service['entrypoint'][0])}",
    ]
    create = " \\\n    ".join(
        [
            "docker service create --quiet",
            *options,
            shlex.quote(service["image"]),
            *(shlex.quote(word) for word in service["entrypoint"][1:]),
        ]
    )
    needed = [
        f"docker config inspect {configs[item['source']]['name']} >/dev/null 2>&1 ||\n"
        f"    docker config create {configs[item['source']]['name']} "
        f"{configs[item['source']]['file']} >/dev/null"
        for item in service.get("configs", ())
    ]
    internal = " --internal" if made.content["networks"]["app"].get("internal") else ""
    # As `docker stack deploy` would make it, which then takes it over.
    label = f"com.docker.stack.namespace={workload.name}"
    lines = [
        "set -eu",
        'cd "$(dirname "$0")/.."',
        *needed,
        f"docker network inspect {network} >/dev/null 2>&1 ||\n"
        f"    docker network create --driver overlay --scope swarm{internal} --label {label} "
        f"{network} >/dev/null",
        f"docker service rm {once} >/dev/null 2>&1 || true",
        f"{create} >/dev/null",
        "state=",
        "while :; do",
        f"    state=$(docker service ps --format '{{{{.CurrentState}}}}' {once} | head -n 1)",
        "    case $state in",
        "        Complete*) result=0; break ;;",
        "        Failed* | Rejected* | Orphaned* | Remove*) result=1; break ;;",
        "    esac",
        "    sleep 1",
        "done",
        f"docker service logs --raw {once} || true",
        f"docker service rm {once} >/dev/null",
        f'[ "$result" = 0 ] || echo "{once}: $state" >&2',
        'exit "$result"',
        "",
    ]
    return SCRIPT.format(name=workload.name) + "\n".join(lines)


def _driver(made: Stack, volume: str) -> str:
    driver = made.content["volumes"][volume].get("driver")
    return f",volume-driver={driver}" if driver else ""


def _job_limits(service: Mapping[str, Any]) -> Iterable[str]:
    limits = service["deploy"].get("resources", {}).get("limits", {})
    if "cpus" in limits:
        yield f"--limit-cpu {limits['cpus']}"
    if "memory" in limits:
        yield f"--limit-memory {limits['memory']}"


def _dockerfile(image: str, workload: Workload) -> str:
    lines = [
        HEADER.format(name=workload.name).rstrip(),
        "# The proxy's image: nginx, and the files of the release that it serves.",
        f"ARG IMAGE={image}",
        "FROM ${IMAGE} AS release",
        "FROM nginx:1.28",
        *(f"COPY --from=release {source}/ {target}/" for source, target in proxy.copies(workload)),
    ]
    return "\n".join([*lines, ""])


def _secret_files(workload: Workload) -> dict[str, str]:
    return {
        f"files/{file.path.replace('/', '--')}": file.text
        for file in workload.files
        if file.secrets
    }


def _told_secrets(secrets: Mapping[str, Mapping[str, str]], how: str) -> list[str]:
    if not secrets:
        return []
    lines = ["", "## Secrets", "", f"They must exist first: {how}.", ""]
    for name, keys in sorted(secrets.items()):
        for key, told in sorted(keys.items()):
            label = f"`{name}`, key `{key}`" if key else f"`{name}`"
            lines.append(f"- {label}: {told}")
    return lines


def _told_dropped(dropped: Iterable[Dropped]) -> list[str]:
    lines = [f"- `{item.key}`: {item.reason}" for item in dropped]
    return ["", "## Not carried over", "", *lines] if lines else []
