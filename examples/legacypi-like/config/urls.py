"""Addresses. There is no /health/: /admin/login/ shows that templates and sessions work."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(url="/pi/")),
    path("admin/", admin.site.urls),
    path("", include("pi.urls")),
]
