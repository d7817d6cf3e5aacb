"""Workers, kept directories and hooks that bin/new-app finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundcrew.manifest.source import DirectorySource
from tests.unit.newapp_trees import django, look, text, told, written

FLASK = "from flask import Flask\napp = Flask('x')\n"
SCHEDULE = "--schedule /tmp/celerybeat-schedule"


@pytest.mark.parametrize(
    ("files", "workers"),
    [
        # As the project itself starts them.
        ({"Procfile": "worker: celery -A shop.jobs worker -l INFO\n"},
         {"worker": "celery -A shop.jobs worker -l INFO"}),
        ({"docker/async.entrypoint.sh": "exec gosu shop celery -A shop worker -B -c $N\n"},
         {"worker": "celery -A shop worker",
          "beat": f"celery -A shop beat --loglevel INFO {SCHEDULE}"}),
        ({"Procfile": "beat: celery -A shop beat -s /data/beat\n"},
         {"beat": f"celery -A shop beat {SCHEDULE}"}),
        ({"worker.conf": "command=./manage.py rq worker %(ENV_QUEUES)s\n",
          "manage.py": "import shop\n"}, {"worker": "python manage.py rq worker"}),
        ({"Procfile": "worker: rq worker shop-tasks\n"}, {"worker": "rq worker shop-tasks"}),
        # As the code asks for.
        ({"shop.py": "from celery import Celery\napp = Celery('shop')\n"},
         {"worker": "celery -A shop worker --loglevel INFO"}),
        ({"shop.py": "from celery import Celery\nqueue = Celery('shop')\n"
                     "queue.conf.beat_schedule = {}\n"},
         {"worker": "celery -A shop:queue worker --loglevel INFO",
          "beat": f"celery -A shop:queue beat --loglevel INFO {SCHEDULE}"}),
        ({"jobs.py": "from huey import SqliteHuey\nhuey = SqliteHuey()\n"},
         {"worker": "huey_consumer jobs.huey"}),
        ({"jobs.py": "import dramatiq\n@dramatiq.actor\ndef work(): ...\n"},
         {"worker": "dramatiq jobs"}),
        ({"jobs.py": "import arq\nclass WorkerSettings: ...\n"},
         {"worker": "arq jobs.WorkerSettings"}),
        # Checks and development are no workers.
        ({"start.sh": "celery -A shop inspect ping\nwatchmedo celery -A shop worker --reload\n"},
         {}),
        ({"tests/jobs.py": "from celery import Celery\napp = Celery('x')\n"}, {}),
    ],
)  # fmt: skip
def test_workers(tmp_path: Path, files: dict[str, str], workers: dict[str, str]) -> None:
    settings = written(look(tmp_path, {"web.py": FLASK, **files}))
    assert {name: worker.command for name, worker in settings.workers.items()} == workers
    assert all(worker.single is (name == "beat") for name, worker in settings.workers.items())


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        ('INSTALLED_APPS = ["django_q"]', "python manage.py qcluster"),
        ('INSTALLED_APPS = ["huey.contrib.djhuey"]', "python manage.py run_huey"),
        ('INSTALLED_APPS = ["django_dramatiq"]', "python manage.py rundramatiq"),
        ('INSTALLED_APPS = ["django_rq"]\nRQ_QUEUES = {"high": {}, "low": {}}',
         "python manage.py rqworker high low"),
    ],
)  # fmt: skip
def test_workers_of_django_applications(tmp_path: Path, settings: str, command: str) -> None:
    assert written(django(tmp_path, settings)).workers["worker"].command == command


def test_celery_that_is_switched_off_is_only_proposed(tmp_path: Path) -> None:
    jobs = {"shop/jobs.py": "from celery import Celery\napp = Celery('shop')\n"}
    result = django(tmp_path, "CELERY_ENABLED = False\n", jobs)
    assert written(result).workers == {}
    assert '#   worker: {command: "celery -A shop.jobs worker' in text(result)
    assert "CELERY_ENABLED is off in the settings" in text(result)


def test_the_schedule_is_where_the_settings_say(tmp_path: Path) -> None:
    jobs = {"shop/jobs.py": "from celery import Celery\napp = Celery('shop')\n"}
    settings = 'CELERY_BEAT_SCHEDULE = {}\nCELERY_BEAT_SCHEDULE_FILENAME = "data/beat"\n'
    result = django(tmp_path / "own", settings, jobs)
    assert written(result).workers["beat"].command == "celery -A shop.jobs beat --loglevel INFO"
    result = django(tmp_path / "stored", 'INSTALLED_APPS = ["django_celery_beat"]\n', jobs)
    assert "django_celery_beat.schedulers" in written(result).workers["beat"].command


def test_what_may_be_a_worker_is_told(tmp_path: Path) -> None:
    commands = "shop/management/commands"
    more = {f"{commands}/{name}.py": "" for name in ("document_consumer", "runjobs", "report")}
    result = django(tmp_path, 'INSTALLED_APPS = ["shop"]\n', more)
    assert "document_consumer, runjobs" in told(result)
    assert "report" not in told(result)
    result = look(tmp_path / "rq", {"web.py": FLASK, "jobs.py": "import rq\n"})
    assert "it uses RQ, but the command that runs its jobs was not found" in told(result)


@pytest.mark.parametrize(
    ("code", "shared"),
    [
        ('DATABASE = "data/shop.db"', ["data"]),
        ('URL = "sqlite:///./var/db/shop.sqlite3"', ["var/db"]),
        ('import os\nUPLOAD_FOLDER = os.path.join(os.path.dirname(__file__), "uploads")',
         ["uploads"]),
        ('class Config:\n    UPLOAD_FOLDER = "files"', ["files"]),
        ('from pathlib import Path\nDATA_DIR = Path("data")\nINDEX_DIR = DATA_DIR / "index"',
         ["data"]),
        ('import os\nos.makedirs("spool/in", exist_ok=True)', ["spool/in"]),
        ('import logging\nh = logging.FileHandler("logs/shop.log")', ["logs"]),
        # Not the source's own, not elsewhere, not another kind of path.
        ('TEMPLATE_DIR = "templates"', []),
        ('DATA_DIR = "brought"', []),
        ('DATA_DIR = "/var/lib/shop"', []),
        ('DATA_PATH = "https://example.com/data"', []),
        ('DATA_PATH = "file.json"', []),
    ],
)  # fmt: skip
def test_kept_directories(tmp_path: Path, code: str, shared: list[str]) -> None:
    files = {"web.py": "import config\n" + FLASK, "config.py": code, "brought/x.json": "{}"}
    assert look(tmp_path, files).shared == shared


def test_a_directory_that_only_a_hidden_file_keeps_in_git(tmp_path: Path) -> None:
    files = {"web.py": f'UPLOAD_FOLDER = "up/loads"\n{FLASK}', "up/loads/.gitkeep": ""}
    settings = written(look(tmp_path, files))
    assert settings.shared == ("up/loads",)
    # A build refuses a shared directory that is not empty in the source.
    assert isinstance(settings.source, DirectorySource)
    assert settings.source.exclude == ("/up/loads/",)


def test_a_directory_that_the_source_fills_cannot_be_kept(tmp_path: Path) -> None:
    result = django(
        tmp_path,
        """
            MEDIA_ROOT = BASE_DIR / "media"
            MEDIA_URL = "/media/"
            DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3",
                                     "NAME": BASE_DIR / "data" / "db.sqlite3"}}
        """,
        {"media/logo.png": "", "data/cities.json": ""},
    )
    assert (result.media, result.shared) == (None, [])
    assert "the source has files in it (media/logo.png)" in told(result)
    assert "the source has files in it (data/cities.json)" in told(result)


@pytest.mark.parametrize(
    ("code", "env", "sentence"),
    [
        ('URL = os.getenv("DATABASE_URL", f"sqlite:///{HERE}/shop.db")',
         {"DATABASE_URL": "sqlite:////srv/shop/shared/data/shop.db"}, None),
        ('class Config:\n    URL = os.getenv("DATABASE_URL") or f"sqlite:///{HERE}/shop.db"',
         {"DATABASE_URL": "sqlite:////srv/shop/shared/data/shop.db"}, None),
        ('URL = f"sqlite:///{HERE}/shop.db"', {}, "shop.db lies beside the code, and is lost"),
        ('URL = "sqlite:////tmp/shop.db"', {}, "/tmp/shop.db lies outside of what outlives"),
        ('URL = "sqlite://"', {}, None),
        # Without a default in the source its data goes where releases do not reach.
        ('PLACE = os.getenv("SHOP_DATA_DIR")', {"SHOP_DATA_DIR": "/srv/shop/shared/data"}, None),
        ('PLACE = os.getenv("SHOP_DATA_DIR", "/app/data")',
         {"SHOP_DATA_DIR": "/srv/shop/shared/data"}, None),
        ('PLACE = os.getenv("SHOP_DATA_DIR", "data")', {}, None),
    ],
)  # fmt: skip
def test_data_that_would_be_lost(
    tmp_path: Path, code: str, env: dict[str, str], sentence: str | None
) -> None:
    code = f"import os\nHERE = os.path.dirname(os.path.abspath(__file__))\n{code}\n"
    result = look(tmp_path, {"web.py": "import config\n" + FLASK, "config.py": code})
    settings = written(result)
    assert settings.env == env
    assert settings.shared == (("data",) if env else ())
    assert "is lost" not in told(result) if sentence is None else sentence in told(result)


@pytest.mark.parametrize(
    ("files", "hook"),
    [
        ({"migrations/env.py": "", "web.py": f"import flask_migrate\n{FLASK}"},
         "flask --app web:app db upgrade"),
        ({"alembic.ini": "[alembic]\nprepend_sys_path = .\n", "web.py": FLASK},
         "alembic upgrade head"),
        ({"alembic.ini": "[alembic]\n", "web.py": FLASK}, "python -m alembic upgrade head"),
        ({"shop/alembic.ini": "[alembic]\n", "web.py": FLASK},
         "python -m alembic -c shop/alembic.ini upgrade head"),
        ({"web.py": f"from flask_migrate import upgrade\n{FLASK}"}, 'python -c "import web"'),
        # Which command runs these only a person knows.
        ({"shop/migrations/alembic.ini": "", "shop/migrations/script.py.mako": "",
          "web.py": FLASK}, None),
    ],
)  # fmt: skip
def test_migrations(tmp_path: Path, files: dict[str, str], hook: str | None) -> None:
    result = look(tmp_path, files)
    assert result.release_hooks == ([hook] if hook else [])
    if hook is None:
        assert "migrations: they lie in shop/migrations" in told(result)


def test_a_factory_migrates_once_before_there_are_workers(tmp_path: Path) -> None:
    code = """
        from flask import Flask
        from flask_migrate import upgrade
        def create_app():
            app = Flask("x")
            upgrade()
            return app
    """
    result = look(tmp_path, {"shop.py": code})
    assert result.release_hooks == ['python -c "from shop import create_app; create_app()"']
    assert written(result).hooks.release == tuple(result.release_hooks)


def test_what_an_empty_database_needs_first(tmp_path: Path) -> None:
    script = "python manage.py migrate\npython manage.py loaddata first\npython manage.py test\n"
    result = look(tmp_path, {"web.py": FLASK, "docker/entrypoint.sh": script})
    assert "docker/entrypoint.sh also runs `python manage.py loaddata first`" in told(result)
    assert "manage.py test" not in told(result)


@pytest.mark.parametrize(
    ("code", "static"),
    [
        ("Flask(__name__)", ("shop/static", "/static/")),
        ("Flask(__name__, static_folder='public')", ("shop/public", "/public/")),
        ("Flask(__name__, static_url_path='/files')", ("shop/static", "/files/")),
        ("Flask(__name__, static_url_path='/')", None),
        ("Flask(__name__, static_folder=None)", None),
        ("Flask(__name__, static_url_path=load())", None),
    ],
)
def test_static_files_of_flask(tmp_path: Path, code: str, static: tuple[str, str] | None) -> None:
    files = {
        "shop/__init__.py": f"from flask import Flask\ndef create_app():\n    return {code}\n",
        "shop/wsgi.py": "from shop import create_app\napp = create_app()\n",
        "shop/static/page.css": "",
        "shop/public/page.css": "",
    }
    assert look(tmp_path, files).static == static
