"""A page of 20 kB like an application's: rows of data, rendered by a template."""

from __future__ import annotations

from flask import Flask, render_template_string

ROWS = [(number, f"item {number}", number * 7 % 100) for number in range(200)]
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Items</title></head>
<body><h1>Items</h1><table>
{% for number, name, price in rows -%}
<tr class="item"><td>{{ number }}</td><td><a href="/items/{{ number }}">{{ name }}</a></td>\
<td>{{ price }}.00</td></tr>
{% endfor %}</table></body></html>
"""

app = Flask(__name__)
READY = PAGE[:40] + "x" * 19900 + "</body></html>\n"


@app.get("/")
def page() -> str:
    return render_template_string(PAGE, rows=ROWS)


@app.get("/ready")
def ready() -> str:
    """A page of the same size without work, so that only the transport remains."""
    return READY


@app.get("/health")
def health() -> str:
    return "ok\n"
