"""What bin/new-app makes of Django projects."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.newapp_trees import MANAGE, WSGI, django, look, text, told, written


@pytest.mark.parametrize(
    ("named", "modules", "taken"),
    [
        # What wsgi.py names, where it is for production.
        ("conf.settings.live", ["live", "local"], "conf.settings.live"),
        # A production module beside one for development, or beside the base.
        ("conf.settings.local", ["base", "local", "production"], "conf.settings.production"),
        ("conf.settings.base", ["base", "dev", "prod"], "conf.settings.prod"),
        # No production module: the base, never the one for development.
        ("conf.settings.dev", ["base", "dev", "test"], "conf.settings.base"),
        ("conf.settings.common", ["common", "ci", "testing"], "conf.settings.common"),
    ],
)
def test_the_settings_are_those_for_production(
    tmp_path: Path, named: str, modules: list[str], taken: str
) -> None:
    files = {f"conf/settings/{name}.py": "INSTALLED_APPS = []\n" for name in modules}
    result = look(
        tmp_path,
        {
            "manage.py": MANAGE.format(settings=named),
            "conf/__init__.py": "",
            "conf/settings/__init__.py": "",
            "conf/wsgi.py": WSGI.format(settings=named),
            **files,
        },
    )
    assert written(result).env["DJANGO_SETTINGS_MODULE"] == taken


def test_settings_of_a_package_that_nobody_names(tmp_path: Path) -> None:
    result = look(
        tmp_path,
        {
            "manage.py": "from django.core.management import execute_from_command_line\n",
            "conf/__init__.py": "",
            "conf/settings/__init__.py": "",
            "conf/settings/base.py": "INSTALLED_APPS = []\n",
            "conf/settings/development.py": "from .base import *\n",
            "conf/wsgi.py": "from django.core.wsgi import get_wsgi_application\n"
            "application = get_wsgi_application()\n",
        },
    )
    assert result.env["DJANGO_SETTINGS_MODULE"] == "conf.settings.base"


def test_settings_that_the_source_names_and_does_not_have(tmp_path: Path) -> None:
    files = {
        "manage.py": MANAGE.format(settings="shop.conf.development"),
        "shop/__init__.py": "",
        "shop/wsgi.py": WSGI.format(settings="my_conf"),
    }
    result = look(tmp_path / "bare", files)
    assert result.env["DJANGO_SETTINGS_MODULE"] == "my_conf"
    assert "does not have it: bring it with `files`" in told(result)
    files["shop/settings/development.py"] = "from .default import *\n"
    files["shop/settings/default.py"] = "SECRET_KEY = 'x'\n"
    files["manage.py"] = MANAGE.format(settings="shop.settings.development")
    result = look(tmp_path / "more", files)
    assert result.env["DJANGO_SETTINGS_MODULE"] == "shop.settings.default"
    assert "names my_conf, which it does not have; shop.settings.default was taken" in told(result)


def test_settings_are_read_through_what_they_import(tmp_path: Path) -> None:
    result = look(
        tmp_path,
        {
            "web/manage.py": MANAGE.format(settings="config.settings.production"),
            "web/requirements/base.txt": "django\n",
            "web/requirements/production.txt": "-r base.txt\npsycopg\n",
            "web/config/__init__.py": "",
            "web/config/settings/__init__.py": "",
            "web/config/settings/base.py": """
                import os
                from django.utils.translation import gettext_lazy as _
                ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
                STATIC_ROOT = os.path.join(ROOT, "collected")
                STATIC_URL = "/files/"
                MEDIA_ROOT = os.path.join(ROOT, "uploads")
                MEDIA_URL = "uploads/"
                INSTALLED_APPS = ["django.contrib.admin"]
                DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}
                WSGI_APPLICATION = "config.wsgi.application"
                ROOT_URLCONF = "config.urls"
            """,
            "web/config/settings/production.py": """
                from .base import *
                SECRET_KEY = os.environ["SITE_SECRET_KEY"]
                ALLOWED_HOSTS = [h for h in os.environ["SITE_HOSTS"].split(";") if h]
            """,
            "web/config/settings/local.py": "from .base import *\nX = os.environ['NEVER']\n",
            "web/config/urls.py": """
                from django.contrib import admin
                from django.urls import path
                urlpatterns = [path("backstage/", admin.site.urls)]
            """,
            "web/config/wsgi.py": WSGI.format(settings="config.settings.local"),
        },
    )
    settings = written(result)
    assert result.inside == "web"
    assert "the application lives in web" in told(result)
    assert settings.entry == "config.wsgi:application"
    assert settings.requirements == "requirements/production.txt"
    assert settings.env == {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SITE_HOSTS": "shop.test",
    }
    assert settings.static is not None
    assert (settings.static.path, settings.static.url) == ("collected", "/files/")
    assert settings.media is not None
    assert (settings.media.path, settings.media.url) == ("uploads", "/uploads/")
    assert [*settings.secrets] == ["SITE_SECRET_KEY"]
    assert settings.secrets["SITE_SECRET_KEY"].generate is not None
    assert settings.hooks.build == (
        "SITE_HOSTS=only-for-the-build SITE_SECRET_KEY=only-for-the-build "
        "python manage.py collectstatic --noinput",
    )
    assert settings.hooks.release == ("python manage.py migrate --noinput",)
    assert settings.health.path == "/backstage/login/"
    assert settings.network == "any"
    assert result.open == []
    assert "fill in" not in told(result)
    assert "PostgreSQL (psycopg)" in told(result)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ('DEBUG = os.environ.get("SHOP_DEBUG", "True") == "True"', "False"),
        ('DEBUG = bool(int(os.getenv("SHOP_DEBUG", "1")))', "0"),
        ('DEBUG = os.getenv("SHOP_DEBUG", "on") in ("on", "yes")', "False"),
        ('import environ\nenv = environ.Env(SHOP_DEBUG=(bool, True))\nDEBUG = env("SHOP_DEBUG")',
         "False"),
        ('from environs import Env\nenv = Env()\nDEBUG = env.bool("SHOP_DEBUG", True)', "False"),
        ('from decouple import config\nDEBUG = config("SHOP_DEBUG", default=True, cast=bool)',
         "False"),
        ('def flag(name, default):\n    return os.getenv(name, default).lower() == "yes"\n'
         'DEBUG = flag("SHOP_DEBUG", "YES")', "False"),
    ],
)  # fmt: skip
def test_debug_is_turned_off_where_a_variable_does(tmp_path: Path, code: str, value: str) -> None:
    assert django(tmp_path, code).env["SHOP_DEBUG"] == value


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("DEBUG = True", "DEBUG is on in shop.settings, and no variable turns it off"),
        ("import socket\nDEBUG = socket.gethostname() == 'x'", "whether DEBUG is on is unclear"),
        ('SECRET_KEY = "written-down"', "SECRET_KEY is written down in shop/settings.py"),
        ("ALLOWED_HOSTS = ['shop.example.com']", "ALLOWED_HOSTS must contain the domains below"),
        ("SECURE_SSL_REDIRECT = True", "the manifest needs `tls`"),
        ("STATIC_ROOT = '/var/www/static'", "STATIC_ROOT is /var/www/static, outside"),
        ("MEDIA_ROOT = '/var/media'", "MEDIA_ROOT is /var/media, outside of the source"),
        ("import os\nSTATIC_ROOT = os.getcwd()", "STATIC_ROOT could not be made out"),
    ],
)
def test_what_only_a_person_can_change_is_told(tmp_path: Path, code: str, sentence: str) -> None:
    result = django(tmp_path, code)
    assert sentence in told(result)
    assert result.static is None
    assert [*result.env] == ["DJANGO_SETTINGS_MODULE"]


def test_a_build_gets_the_variables_that_settings_read(tmp_path: Path) -> None:
    result = django(
        tmp_path,
        """
            STATIC_ROOT = os.environ.get("STATIC_PLACE", "/home/shop/static")
            DEBUG = os.environ.get("DEBUG", "1") == "1"
            PORT, NAME = os.environ["PORT"], os.environ.get("NAME")
            DATABASES = {"default": {"ENGINE": os.environ["DB_ENGINE"]}}
            DATA_DIR = os.environ.get("SHOP_DATA_DIR", "/app")
        """,
        {"manage.py": MANAGE.format(settings="shop.local")},
    )
    assert result.build_hooks == [
        "DJANGO_SETTINGS_MODULE=shop.settings DB_ENGINE=django.db.backends.sqlite3 PORT=1 "
        "DEBUG=False STATIC_PLACE=staticfiles python manage.py collectstatic --noinput"
    ]


def test_debug_that_is_off_is_left_alone(tmp_path: Path) -> None:
    result = django(tmp_path, 'DEBUG = os.getenv("DEBUG", "no") == "yes"\nALLOWED_HOSTS = ["*"]\n')
    assert [*result.env] == ["DJANGO_SETTINGS_MODULE"]
    assert "Django" not in told(result)


def test_only_what_is_reached_is_required(tmp_path: Path) -> None:
    result = django(
        tmp_path,
        """
            import environ
            from django.core.exceptions import ImproperlyConfigured
            env = environ.Env()
            if os.environ.get("ONE_URL"):
                DATABASES = {"default": env.db_url("ONE_URL")}
            else:
                DATABASES = {"default": {"ENGINE": env("DB_ENGINE"), "NAME": env.str("DB", "x")}}
            if "MAIL" in os.environ:
                HOST = env("MAIL_HOST")
            if env.bool("CACHED", False):
                CACHE = os.environ["CACHE_PLACE"]
            try:
                EXTRA = os.environ["EXTRA"]
            except KeyError:
                EXTRA = None
            SITE = os.environ.get("SITE_NAME")
            if not SITE:
                raise ImproperlyConfigured("no name")
            PLACE = os.environ.get("PLACE") or os.environ.get("PLACE_FILE")
            if PLACE is None:
                raise ImproperlyConfigured("no place")
        """,
    )
    assert result.open == ["DB_ENGINE", "SITE_NAME"]
    assert "it stops unless one of PLACE, PLACE_FILE is set" in told(result)
    assert written(result).env["DB_ENGINE"] == ""


def test_files_that_lie_elsewhere_are_moved_where_a_variable_can(tmp_path: Path) -> None:
    result = django(
        tmp_path,
        """
            STATIC_ROOT = os.getenv("STATIC_PLACE", "/home/shop/static")
            MEDIA_ROOT = os.getenv("MEDIA_PLACE", "/home/shop/media")
            MEDIA_URL = "https://files.example.com/media/"
            DATABASES = {
                "default": {"ENGINE": "django.db.backends.sqlite3",
                            "NAME": os.getenv("DB_FILE", BASE_DIR / "db.sqlite3")},
                "jobs": {"ENGINE": "shop.sqlite_with_a_clock",
                         "NAME": os.getenv("JOBS_DB_FILE", "jobs.sqlite3")},
            }
        """,
    )
    settings = written(result)
    assert settings.env == {
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "STATIC_PLACE": "staticfiles",
        "MEDIA_PLACE": "media",
        "DB_FILE": "/srv/shop/shared/data/db.sqlite3",
        "JOBS_DB_FILE": "/srv/shop/shared/data/jobs.sqlite3",
    }
    assert settings.static is not None
    assert settings.static.path == "staticfiles"
    assert settings.media is not None
    assert (settings.media.path, settings.media.url) == ("media", "/media/")
    assert settings.shared == ("data",)
    assert settings.hooks.release == (
        "python manage.py migrate --noinput",
        "python manage.py migrate --noinput --database=jobs",
    )
    assert "MEDIA_URL is https://files.example.com/media/" in told(result)


def test_a_database_url_takes_the_file_too(tmp_path: Path) -> None:
    result = django(
        tmp_path,
        """
            import dj_database_url
            DATABASES = {"default": dj_database_url.config(default="sqlite:///db.sqlite3")}
        """,
    )
    assert result.env["DATABASE_URL"] == "sqlite:////srv/{name}/shared/data/db.sqlite3"
    assert written(result).env["DATABASE_URL"] == "sqlite:////srv/shop/shared/data/db.sqlite3"


def test_a_database_that_only_a_variable_names(tmp_path: Path) -> None:
    result = django(
        tmp_path,
        """
            import dj_database_url
            STATIC_ROOT = BASE_DIR / "static-files"
            if "DATABASE_URL" in os.environ:
                DATABASES = {"default": dj_database_url.parse(os.environ["DATABASE_URL"])}
        """,
    )
    assert result.given == ["DATABASE_URL"]
    # A build has no secrets, and no database: something that can be parsed stands in.
    assert result.build_hooks == [
        "DATABASE_URL=sqlite://:memory: python manage.py collectstatic --noinput"
    ]


def test_hosts_are_set_where_that_works(tmp_path: Path) -> None:
    code = 'if v := os.getenv("SITE_ALLOWED_HOSTS"):\n    ALLOWED_HOSTS = v.split(",")\n'
    assert django(tmp_path / "one", code).hosts_from == ["SITE_ALLOWED_HOSTS"]
    code = 'ALLOWED_HOSTS = os.environ.get("SITE_ALLOWED_HOSTS", "").split("@")[5:]\n'
    result = django(tmp_path / "two", code)
    assert "SITE_ALLOWED_HOSTS becomes ALLOWED_HOSTS, and how is unclear" in told(result)


def test_a_redirect_to_https_is_off_until_there_is_https(tmp_path: Path) -> None:
    result = django(
        tmp_path,
        """
            import environ
            env = environ.Env()
            SECURE_SSL_REDIRECT = env.bool("SSL_REDIRECT", default=True)
        """,
    )
    assert result.env["SSL_REDIRECT"] == "False"
    assert "off until the manifest has `tls`" in told(result)


@pytest.mark.parametrize(
    ("patterns", "path"),
    [
        ('path("", include("shop.more"))', "/api/health/ready"),
        ('path("v1/", include(("shop.more", "x"), namespace="x"))', "/v1/api/health/ready"),
        ('re_path(r"^ops/", include("health_check.urls"))', "/ops/"),
        ('re_path(r"^healthz$", view)', "/healthz"),
        ('*([path("healthz", view)] if X else [])', None),
        ('path("<slug:x>/health/", view)', None),
        ('path("status/", view)', None),
        ('path("accounts/", include([path("login/", LoginView.as_view())]))', "/accounts/login/"),
    ],
)
def test_the_health_path_is_whole(tmp_path: Path, patterns: str, path: str | None) -> None:
    urls = f"urlpatterns = [path('shop/', index), {patterns}]\n"
    result = django(
        tmp_path,
        'ROOT_URLCONF = "shop.urls"\n',
        {
            "shop/urls.py": urls,
            "shop/more.py": "inner = [path('health/ready', view)]\n"
            "urlpatterns = [path('api/', include(inner))]\n",
        },
    )
    assert result.health == path
    assert ("No health check was found" in text(result)) is (path is None)


def test_urls_that_settings_switch_on(tmp_path: Path) -> None:
    urls = """
        from django.conf import settings
        urlpatterns = []
        if settings.DEBUG:
            urlpatterns += [path("debug/health/", view)]
        if not settings.IS_WORKER:
            urlpatterns.append(path("web/health/", view))
    """
    settings = 'ROOT_URLCONF = "shop.urls"\nDEBUG = False\nIS_WORKER = bool(os.getenv("W"))\n'
    assert django(tmp_path, settings, {"shop/urls.py": urls}).health == "/web/health/"


def test_a_project_below_src_beside_its_requirements(tmp_path: Path) -> None:
    result = look(
        tmp_path,
        {
            "pyproject.toml": '[project]\nname = "x"\ndependencies = ["django"]\n',
            "uv.lock": "",
            "Procfile": "web: granian --interface asginl shop.asgi:application\n",
            "src/manage.py": MANAGE.format(settings="shop.settings"),
            "src/shop/__init__.py": "",
            "src/shop/asgi.py": """
                from channels.routing import ProtocolTypeRouter
                from django.core.asgi import get_asgi_application
                application = ProtocolTypeRouter({"http": get_asgi_application()})
            """,
            "src/shop/wsgi.py": WSGI.format(settings="shop.settings"),
            "src/shop/settings/__init__.py": """
                from pathlib import Path
                BASE_DIR = Path(__file__).resolve().parent.parent.parent
                DATA_DIR = BASE_DIR.parent / "data"
                INDEX_DIR = DATA_DIR / "index"
                MEDIA_ROOT = BASE_DIR.parent / "documents"
                STATIC_ROOT = BASE_DIR.parent / "static"
            """,
        },
    )
    settings = written(result)
    assert result.inside == ""
    assert settings.entry == "shop.asgi:application"
    assert settings.server.speaks_websockets
    assert settings.env["PYTHONPATH"] == "src"
    assert not settings.install
    assert settings.requirements == "uv.lock"
    assert settings.hooks.release == ("python src/manage.py migrate --noinput",)
    # Uploads without a URL are private; an index lies in what is kept already.
    assert sorted(settings.shared) == ["data", "documents"]
    assert settings.media is None


def test_an_application_that_wsgi_py_wraps(tmp_path: Path) -> None:
    wsgi = """
        from django.core.wsgi import get_wsgi_application
        _inner = get_wsgi_application()

        def application(environ, start_response):
            environ["wsgi.url_scheme"] = environ["HTTP_X_SCHEME"]
            return _inner(environ, start_response)
    """
    result = django(tmp_path / "one", "", {"shop/wsgi.py": wsgi})
    assert (result.entry.name, result.entry.framework) == ("shop.wsgi:application", "Django")
    # What a request's own environment holds is no variable.
    assert result.open == []
    wsgi = """
        def build():
            return Handler()
        application = build()
    """
    result = django(tmp_path / "two", "", {"shop/wsgi.py": wsgi})
    assert (result.entry.name, result.entry.framework) == ("shop.wsgi:application", "Django")


def test_static_files_that_the_source_has_collected_already(tmp_path: Path) -> None:
    settings = 'STATIC_ROOT = BASE_DIR / "static"\n'
    result = django(tmp_path, settings, {"static/staticfiles.json": "{}"})
    assert (result.static, result.build_hooks) == (("static", "/static/"), [])
    assert "the source brings static as collectstatic has left it" in told(result)


def test_static_files_that_somebody_else_keeps(tmp_path: Path) -> None:
    result = django(
        tmp_path,
        """
            STATIC_ROOT = BASE_DIR / "static"
            STORAGES = {"staticfiles": {"BACKEND": "storages.backends.s3.S3StaticStorage"}}
        """,
    )
    assert result.static is None
    assert result.build_hooks == []
    assert "STORAGES keeps static files elsewhere" in told(result)


def test_an_example_of_settings_is_pointed_out(tmp_path: Path) -> None:
    result = django(tmp_path, "", {"shop/settings.py.example": "", "shop/local.py.example": ""})
    assert "shop/settings.py.example is an example" in told(result)
