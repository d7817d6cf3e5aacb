"""Pages, the interface, and uploads."""

from __future__ import annotations

import json
import os
import time

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from pi.models import Article, Digest


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """A page with a style sheet from the static files."""
    return render(request, "pi/page.html", {"articles": Article.objects.order_by("id")[:20]})


@csrf_exempt
def articles(request: HttpRequest) -> HttpResponse:
    """All articles; a POST adds one."""
    if request.method == "POST":
        article = Article.objects.create(title=json.loads(request.body)["title"])
        return JsonResponse({"id": article.pk}, status=201)
    titles = list(Article.objects.order_by("id").values_list("title", flat=True))
    return JsonResponse({"articles": titles, "digests": Digest.objects.count()})


@require_GET
def clock(request: HttpRequest) -> HttpResponse:
    """Differs with every call, so that one sees what a cache answers."""
    return JsonResponse({"time": time.time_ns(), "process": os.getpid()})


@csrf_exempt
@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """Counts the bytes of a body."""
    size = 0
    while part := request.read(1024 * 1024):
        size += len(part)
    return JsonResponse({"size": size})


@csrf_exempt
@require_POST
def media(request: HttpRequest) -> HttpResponse:
    """Keeps a file among the media; says where it can be had."""
    name = default_storage.save("notes/note.txt", ContentFile(request.body))
    return JsonResponse({"url": default_storage.url(name)}, status=201)


@require_GET
def work(request: HttpRequest) -> HttpResponse:
    """Takes half a second."""
    time.sleep(0.5)
    return JsonResponse({"process": os.getpid()})
