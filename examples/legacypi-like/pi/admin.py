"""What administrators see."""

from __future__ import annotations

from django.contrib import admin

from pi.models import Article, Digest

admin.site.register([Article, Digest])
