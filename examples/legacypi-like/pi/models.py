"""What is stored."""

from __future__ import annotations

from django.db import models


class Article(models.Model):
    """A text that somebody wrote."""

    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.title


class Digest(models.Model):
    """A daily summary."""

    day = models.DateField(unique=True)
    articles = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.day}"
