"""The interface."""

from __future__ import annotations

from django.urls import path

from pi import views

urlpatterns = [
    path("pi/", views.page),
    path("api/articles/", views.articles),
    path("api/clock/", views.clock),
    path("api/upload/", views.upload),
    path("api/media/", views.media),
    path("api/work/", views.work),
]
