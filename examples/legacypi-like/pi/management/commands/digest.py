"""`manage.py digest`: the daily summary, for a timer."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from pi.models import Article, Digest


class Command(BaseCommand):
    """Counts today's articles; a second run on the same day replaces the first."""

    help = "write the digest of today"

    def handle(self, *_: Any, **__: Any) -> None:
        digest, _ = Digest.objects.update_or_create(
            day=timezone.now().date(), defaults={"articles": Article.objects.count()}
        )
        self.stdout.write(f"{digest.day}: {digest.articles} articles")
