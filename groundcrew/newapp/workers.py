"""Finds background processes: those that start scripts run, then those that the code implies."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from groundcrew.newapp import evidence
from groundcrew.newapp.django import DjangoSettings, manage
from groundcrew.newapp.project import Module, Project
from groundcrew.newapp.reading.reader import Reader
from groundcrew.newapp.reading.values import Class, Instance
from groundcrew.newapp.syntax import assignments, called

STARTED = re.compile(
    r"(?:(?:python[\d.]*|\$\{?\w*PYTHON\w*\}?)\s+)?"
    r"(?:[\w./${}-]*/)?(?P<command>"
    r"celery\s+(?:-A|--app)[\s=][\w.:]+\s+(?:worker|beat)\b[^|;&#]*|"
    r"manage\.py\s+(?:rq\s+worker|rq\s+scheduler|rqworker|rqscheduler|qcluster|run_huey|"
    r"rundramatiq|document_consumer|db_worker|runworker|process_tasks|"
    r"[a-z_]*(?:consumer|worker|scheduler))\b[^|;&#]*|"
    r"(?:rq\s+worker|rqworker|dramatiq|huey_consumer(?:\.py)?|arq|taskiq\s+worker)\s+[\w.:-]+[^|;&#]*)"
)
ALIVE = re.compile(r"healthcheck|inspect|ping|status|info|kill|pgrep|grep|echo|--reload|watchmedo")
PERIODIC = re.compile(r"beat_schedule|BEAT_SCHEDULE|CELERYBEAT_SCHEDULE|add_periodic_task")
LASTING = re.compile(
    r"^(run|start|consume|watch|listen|work|poll)_?(?!server|script|test|stat)\w+$|"
    r"(worker|consumer|daemon|cluster|scheduler|listener)s?$"
)
HUEYS = ("SqliteHuey", "RedisHuey", "PriorityRedisHuey", "FileHuey")
SCHEDULE = "--schedule /tmp/celerybeat-schedule"
"""Beat needs a file for its schedule: the release is read-only, but each unit has its own /tmp."""


@dataclass(frozen=True)
class Worker:
    """A background process. `reason`: why it is only proposed; None if it is not."""

    name: str
    command: str
    single: bool = False
    reason: str | None = None


def find(project: Project, reader: Reader, settings: DjangoSettings | None) -> list[Worker]:
    """The workers, one of each kind."""
    workers: dict[str, Worker] = {}
    for worker in [
        *_started(project, settings),
        *_celery(project, settings),
        *_applications(project, settings),
        *_others(project, reader),
    ]:
        workers.setdefault(_kind(worker), worker)
    switch = _switched_off(settings)
    if switch:
        workers = {
            key: replace(item, reason=switch) if key.startswith("celery") else item
            for key, item in workers.items()
        }
    return list(workers.values())


def _kind(worker: Worker) -> str:
    tool = next((tool for tool in ("celery", "huey", "dramatiq") if tool in worker.command), "")
    return f"{tool} {worker.name}"


def _started(project: Project, settings: DjangoSettings | None) -> Iterator[Worker]:
    """Workers that start scripts run."""
    for line in evidence.lines(project):
        process = re.match(r"([\w-]+):\s+(.+)", line.text)
        is_procfile = line.path.rpartition("/")[2].startswith("Procfile")
        if is_procfile and process and process[1] in ("web", "release"):
            continue
        text = re.sub(r"[\"',\[\]]+", " ", line.text)
        match = STARTED.search(text)
        if match is None or ALIVE.search(text):
            continue
        command = _clean(match["command"], project)
        if " -B" in f" {command}" or " --beat" in command:
            # Several workers would each run the schedule, so it gets a process of its own.
            command = re.sub(r"\s+(-B|--beat)\b", "", command)
            beat = re.sub(r"\bworker\b.*", f"beat --loglevel INFO {SCHEDULE}", command)
            yield Worker("beat", beat, single=True)
        yield _named(command, settings)


def _clean(command: str, project: Project) -> str:
    """The command without words that depend on shell variables."""
    words: list[str] = []
    for word in command.split():
        if "$" in word or "%(" in word:
            if words and words[-1].startswith("-") and "=" not in words[-1]:
                words.pop()
            continue
        words.append(word)
    while words and words[-1] in ("&", "-", "\\", "exec"):
        words.pop()
    text = re.sub(r"(--schedule|-s)[ =]/\S+", SCHEDULE, " ".join(words))
    if text.startswith("manage.py"):
        return f"python {manage(project) or 'manage.py'}{text.removeprefix('manage.py')}"
    return text


def _named(command: str, settings: DjangoSettings | None) -> Worker:
    if re.search(r"\bbeat\b", command):
        if not _has_schedule(settings) and SCHEDULE not in command:
            command += f" {SCHEDULE}"
        return Worker("beat", command, single=True)
    if "scheduler" in command:
        return Worker("scheduler", command, single=True)
    if "consumer" in command and "huey" not in command:
        return Worker("consumer", command, single=True)
    return Worker("worker", command)


def _celery(project: Project, settings: DjangoSettings | None) -> Iterator[Worker]:
    for module in _nearest(project):
        if "celery" not in {name.partition(".")[0] for name in project.imports[module.path]}:
            continue
        for name, value in assignments(module.tree.body):
            if called(value) != "Celery":
                continue
            target = module.name if name in ("app", "celery") else f"{module.name}:{name}"
            yield Worker("worker", f"celery -A {target} worker --loglevel INFO")
            if _is_periodic(project, settings):
                yield _beat(target, settings)
            return


def _beat(target: str, settings: DjangoSettings | None) -> Worker:
    stored = settings is not None and "django_celery_beat" in settings.applications
    options = "" if _has_schedule(settings) else f" {SCHEDULE}"
    if stored:
        options = " --scheduler django_celery_beat.schedulers:DatabaseScheduler"
    return Worker("beat", f"celery -A {target} beat --loglevel INFO{options}", single=True)


def _has_schedule(settings: DjangoSettings | None) -> bool:
    """Whether the settings set the path of beat's file."""
    return settings is not None and settings.get("CELERY_BEAT_SCHEDULE_FILENAME") is not None


def _is_periodic(project: Project, settings: DjangoSettings | None) -> bool:
    if settings is not None and "django_celery_beat" in settings.applications:
        return True
    return any(
        PERIODIC.search(project.text(module.path)) for module in project.modules if not module.aside
    )


def _switched_off(settings: DjangoSettings | None) -> str | None:
    """Why Celery is disabled by default; None if it is not."""
    if settings is None or settings.frame is None:
        return None
    for name in ("CELERY_ENABLED", "USE_CELERY", "ENABLE_CELERY"):
        if settings.get(name) is False:
            return f"{name} is off in the settings"
    for name, value in settings.frame.names.items():
        if isinstance(value, dict) and value.get("USE_CELERY") is False:
            return f"{name}['USE_CELERY'] is off in the settings"
    if settings.get("CELERY_TASK_ALWAYS_EAGER") is True:
        return (
            "CELERY_TASK_ALWAYS_EAGER is on in the settings: jobs are done where they are asked for"
        )
    return None


def _applications(project: Project, settings: DjangoSettings | None) -> Iterator[Worker]:
    """Workers of Django applications for background jobs."""
    command = f"python {manage(project) or 'manage.py'}"
    used = settings.applications if settings else []
    known = {
        "django_q": "qcluster",
        "huey.contrib.djhuey": "run_huey",
        "bx_django_utils.huey": "run_huey",
        "django_dramatiq": "rundramatiq",
        "background_task": "process_tasks",
        "django_tasks.backends.database": "db_worker",
        "procrastinate.contrib.django": "procrastinate worker",
    }
    for application, name in known.items():
        if application in used:
            yield Worker("worker", f"{command} {name}")
    if "django_rq" in used and settings is not None:
        queues = settings.get("RQ_QUEUES")
        known = queues if isinstance(queues, dict) else {}
        names = " ".join(name for name in known if isinstance(name, str)) or "default"
        yield Worker("worker", f"{command} rqworker {names}")


def _others(project: Project, reader: Reader) -> Iterator[Worker]:
    """Workers of Huey, Dramatiq and arq without Django."""
    for module in _nearest(project):
        used = {name.partition(".")[0] for name in project.imports[module.path]}
        frame = reader.read(module.name) if used & {"huey", "dramatiq", "arq"} else None
        for name, value in frame.names.items() if frame else ():
            if isinstance(value, Instance) and value.module == module.name and value.kind in HUEYS:
                yield Worker("worker", f"huey_consumer {module.name}.{name}")
            if isinstance(value, Class) and name == "WorkerSettings" and "arq" in used:
                yield Worker("worker", f"arq {module.name}.WorkerSettings")
        if "dramatiq" in used and any(_is_actor(node) for node in ast.walk(module.tree)):
            yield Worker("worker", f"dramatiq {module.name}")


def _is_actor(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        "actor" in ast.unparse(decorator) for decorator in node.decorator_list
    )


def _nearest(project: Project) -> list[Module]:
    return [module for module in project.modules if not module.aside]


def commands(project: Project, settings: DjangoSettings | None) -> list[str]:
    """Management commands that may be meant to run permanently."""
    packages = settings.packages if settings else []
    names = []
    for module in project.modules:
        head, _, name = module.name.partition(".management.commands.")
        if name and head in packages and LASTING.search(name):
            names.append(name)
    return names


def unknown(project: Project, workers: list[Worker]) -> list[str]:
    """Job queues that are imported but have no worker."""
    used: set[str] = set()
    for module in _nearest(project):
        used |= {name.partition(".")[0] for name in project.imports[module.path]}
    known = " ".join(worker.command for worker in workers)
    names = {"rq": "RQ", "celery": "Celery", "huey": "Huey", "dramatiq": "Dramatiq",
             "arq": "arq", "taskiq": "TaskIQ", "procrastinate": "Procrastinate"}  # fmt: skip
    return [title for name, title in names.items() if name in used and name not in known]
