"""The manifests that come with the project."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from groundcrew.manifest.model import AppSettings
from groundcrew.roles.nginx.settings import NginxSettings
from tests.unit.nginx_files import contents

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = sorted((ROOT / "apps").glob("*.yml"), key=lambda path: path.stem)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_makes_a_site(path: Path) -> None:
    app = AppSettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    files = contents(NginxSettings(), {path.stem: app})
    assert any(app.domains[0] in text for text in files.values())
    if app.lock:
        assert (ROOT / app.lock).is_file()
