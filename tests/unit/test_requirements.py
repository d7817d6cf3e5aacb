"""One requirements file out of the application's and the server's."""

from __future__ import annotations

import pytest

from groundcrew.releases.requirements import Requirements, combine, decode

SERVER = """\
gunicorn==26.1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via server
packaging==26.0 \\
    --hash=sha256:cc
"""
GUNICORN = "gunicorn==26.1.0 --hash=sha256:aa --hash=sha256:bb\n"
PACKAGING = "packaging==26.0 --hash=sha256:cc\n"


def both(own: str, folder: str = "") -> Requirements:
    return combine(own, SERVER, wanted=("gunicorn",), folder=folder)


def test_hashed_requirements_get_all_of_the_servers() -> None:
    own = "flask==3.1.0 \\\n    --hash=sha256:dd\n"
    assert both(own) == Requirements(
        "flask==3.1.0 --hash=sha256:dd\n" + GUNICORN + PACKAGING, hashed=True
    )


def test_unhashed_requirements_get_only_the_server_itself() -> None:
    assert both("flask>=3\n") == Requirements("flask>=3\n" + GUNICORN, hashed=False)


def test_no_requirements_at_all_are_hashed_ones() -> None:
    assert both("") == Requirements(GUNICORN + PACKAGING, hashed=True)


@pytest.mark.parametrize(
    "pin", ["gunicorn==23.0.0", "Gunicorn[gevent]>=23", "gunicorn @ https://example.com/g.whl"]
)
def test_an_applications_own_pin_of_the_server_is_kept(pin: str) -> None:
    assert both(f"{pin}\nflask\n").text == f"{pin}\nflask\n"


def test_an_applications_own_pin_of_a_dependency_is_kept() -> None:
    own = "packaging==25.0 --hash=sha256:ee\n"
    assert both(own) == Requirements(own + GUNICORN, hashed=True)


def test_names_are_compared_as_indexes_do() -> None:
    server = "uvicorn-worker==0.4.0 --hash=sha256:aa\n"
    combined = combine("Uvicorn.Worker==0.3\n", server, wanted=("uvicorn-worker",))
    assert combined.text == "Uvicorn.Worker==0.3\n"


@pytest.mark.parametrize(
    "line",
    ["flask", "-e .", "--editable=./lib", "./lib", "https://example.com/a.whl", "-r base.txt",
     "git+https://example.com/a.git@v1"],
)  # fmt: skip
def test_one_requirement_without_a_hash_is_enough_to_be_unhashed(line: str) -> None:
    assert not both(f"django==5.2 --hash=sha256:aa\n{line}\n").hashed


def test_options_need_no_hash() -> None:
    own = "--index-url https://example.com/simple\nflask==3.1.0 --hash=sha256:dd\n"
    combined = both(own)
    assert combined.hashed
    assert combined.text.startswith(own)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-r base.txt", "-r app/req/base.txt"),
        ("-rbase.txt", "-r app/req/base.txt"),
        ("--requirement=../base.txt", "--requirement app/req/../base.txt"),
        ("-c constraints.txt", "-c app/req/constraints.txt"),
        ("-r /etc/base.txt", "-r /etc/base.txt"),
        ("-r https://example.com/base.txt", "-r https://example.com/base.txt"),
        ("requests", "requests"),
    ],
)
def test_included_files_are_looked_for_beside_the_including_one(line: str, expected: str) -> None:
    assert both(f"{line}\n", folder="app/req/").text.splitlines()[0] == expected


def test_comments_and_empty_lines_are_dropped_and_fragments_kept() -> None:
    own = "# all\n\nflask  # web\npkg @ git+https://example.com/p.git#subdirectory=p\n"
    assert both(own).text == (
        "flask\npkg @ git+https://example.com/p.git#subdirectory=p\n" + GUNICORN
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_editors_and_shells_write_is_read(encoding: str, newline: str) -> None:
    text = f"flask==3.1.0 \\{newline}    --hash=sha256:dd{newline}# é{newline}"
    bom = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    decoded = decode((bom + text).encode(encoding))
    assert decoded == text.replace("\r\n", "\n")
    assert combine(decoded, "", wanted=()).text == "flask==3.1.0 --hash=sha256:dd\n"


def test_what_is_no_text_is_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        decode(b"fl\xe4sk\n")
