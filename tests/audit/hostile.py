"""Requests that a hostile client would send, as bytes: the list of the gate.

`{site}` and `{id}` are filled in when a case is sent; every request that the server itself must not
see as one has `/smuggled/{id}` as its target, and one that follows by right has `/second/{id}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

END = "\r\n"
HIDDEN = "GET /smuggled/{id} HTTP/1.1\r\nHost: {site}\r\n\r\n"
FOLLOWS = "GET /second/{id} HTTP/1.1\r\nHost: {site}\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Case:
    """One thing that is sent over a connection of its own."""

    name: str
    template: str
    """What is sent, a character for each byte."""

    def filled(self, site: str, marker: str) -> bytes:
        """The bytes for one site."""
        text = self.template.replace("{site}", site).replace("{id}", marker)
        return text.encode("latin-1")


def request(
    *fields: str,
    method: str = "GET",
    target: str = "/first/{id}",
    body: str = "",
    host: bool = True,
) -> str:
    """A request with these header lines, each as it is."""
    lines = [f"{method} {target} HTTP/1.1", *(["Host: {site}"] if host else []), *fields]
    return END.join([*lines, "", ""]) + body


def chunked(body: str) -> str:
    """A body in one chunk."""
    return f"{len(body):x}{END}{body}{END}0{END}{END}"


def cases() -> list[Case]:
    """All of them; no name comes twice."""
    all_cases = [
        Case(f"{group}: {name}", template)
        for group, build in GROUPS.items()
        for name, template in build()
    ]
    if len({case.name for case in all_cases}) != len(all_cases):
        raise ValueError("two cases have one name")
    return all_cases


def lengths_and_codings() -> Iterator[tuple[str, str]]:
    """Both framings at once: CL.TE and TE.CL, in both orders."""
    after = "0" + END + END + HIDDEN
    # {site} and {id} make the real body longer than this text: as long as it is, or much longer.
    for length in (0, 1, 4, 5, 6, 30, 5000):
        fields = (f"Content-Length: {length}", "Transfer-Encoding: chunked")
        yield f"CL.TE {length}", request(*fields, method="POST", body=after)
        yield f"TE.CL {length}", request(*reversed(fields), method="POST", body=after)
    for length in (3, 4):
        fields = ("Transfer-Encoding: chunked", f"Content-Length: {length}")
        body = f"5c{END}{HIDDEN}{END}0{END}{END}"
        yield f"TE.CL in a chunk {length}", request(*fields, method="POST", body=body)
    yield "GET with both", request("Content-Length: 4", "Transfer-Encoding: chunked", body=after)


CODINGS = {
    "twice": "chunked, chunked",
    "identity first": "identity, chunked",
    "identity last": "chunked, identity",
    "identity": "identity",
    "gzip": "gzip, chunked",
    "x": "xchunked",
    "suffix": "chunkedx",
    "upper case": "CHUNKED",
    "mixed case": "ChUnKeD",
    "quoted": '"chunked"',
    "single quotes": "'chunked'",
    "comma before": ",chunked",
    "comma after": "chunked,",
    "semicolon": "chunked;",
    "parameter": "chunked;a=b",
    "vertical tab": "\x0bchunked",
    "form feed": "\x0cchunked",
    "vertical tab after": "chunked\x0b",
    "NUL": "chunked\x00",
    "NUL before": "\x00chunked",
    "DEL": "chunked\x7f",
    "non-breaking space": "\xa0chunked",
    "high byte": "chunked\xff",
    "backspace": "chunked\x08",
    "empty": "",
    "cow": "cow",
    "long s": "chun\xc5\xbfed",
    "kelvin": "chun\xe2\x84\xaaed",
    "tab before": "\tchunked",
    "tab after": "chunked\t",
    "spaces": "  chunked  ",
    "folded": "\r\n chunked",
    "folded with a tab": "\r\n\tchunked",
    "bare LF": "\n chunked",
    "bare CR": "\rchunked",
    "bare CR after": "chunked\r",
    "colon": ": chunked",
    "percent": "chunke%64",
}


RIGHT = ("upper case", "mixed case", "spaces", "bare CR after")


def codings() -> Iterator[tuple[str, str]]:
    """Transfer-Encoding written so that one server reads it and another does not (TE.TE)."""
    after = "0" + END + END + HIDDEN
    for name, value in CODINGS.items():
        for length in (None, 4):
            first = [] if length is None else [f"Content-Length: {length}"]
            told = f"{name}, with a length" if length else name
            # What is right by RFC 9112, and alone, is a request of its own.
            right = length is None and name in RIGHT
            body = after.replace("/smuggled/", "/second/") if right else after
            yield told, request(*first, f"Transfer-Encoding: {value}", method="POST", body=body)
    names = (
        "Transfer-Encoding ", " Transfer-Encoding", "\tTransfer-Encoding", "Transfer_Encoding",
        "Transfer-Encoding\t", "Transfer-Encoding\x00", "Transfer\x00-Encoding", "X:\nTransfer-Encoding",
        "X: y\rTransfer-Encoding", "Transfer Encoding", "Transfer-Encoding\xa0", "TRANSFER-ENCODING",
        "Transfer-\r\n Encoding", "Transfer-Encoding\r\n ",
    )  # fmt: skip
    for name in names:
        told = name.encode("unicode_escape").decode()
        # Another header than the one that counts, or none: the length holds.
        other = name in ("Transfer_Encoding", "Transfer-Encoding\xa0")
        body = after.replace("/smuggled/", "/second/") if other else after
        fields = ("Content-Length: 4", f"{name}: chunked")
        yield f"name {told!r}", request(*fields, method="POST", body=body)
    for second in ("identity", "cow", "chunked", ""):
        fields = ("Transfer-Encoding: chunked", f"Transfer-Encoding: {second}")
        yield f"two, {second!r} last", request(*fields, method="POST", body=after)
        fields = fields[::-1]
        yield f"two, {second!r} first", request(*fields, method="POST", body=after)
    old = f"POST /first/{{id}} HTTP/1.0{END}Host: {{site}}{END}Transfer-Encoding: chunked{END}"
    yield "in HTTP/1.0", f"{old}Connection: keep-alive{END}{END}{after}"
    yield "in HTTP/1.0 with a length", f"{old}Content-Length: 4{END}{END}{after}"


LENGTHS = (
    "+4", "-4", "-1", "0x4", "04", "4.0", "4 4", "4,4", "4, 5", "4;", '"4"', "four", "4e0", "", " ",
    "4\x00", "4\x0b", "\x0b4", "4\xa0", "1_0", "\xb2", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "4294967300", "00000000000000000000000000000004", "4\r\n 4", "4\n4",
    "NaN", "1048577000",
)  # fmt: skip


def lengths() -> Iterator[tuple[str, str]]:
    """Content-Length that is doubled, no number, or one that overflows."""
    for value in LENGTHS:
        told = value.encode("unicode_escape").decode()
        # Digits are a length, zeros first or not, and a bare LF may end a line (RFC 9112, 2.2).
        right = value.strip("0") == "4" or value == "4\n4"
        body = "abcd" + (HIDDEN.replace("/smuggled/", "/second/") if right else HIDDEN)
        yield repr(told), request(f"Content-Length: {value}", method="POST", body=body)
    for first, second in ((4, 4), (4, 5), (0, 4), (4, 0), (4, -4)):
        fields = (f"Content-Length: {first}", f"Content-Length: {second}")
        yield f"two, {first} and {second}", request(*fields, method="POST", body="abcd" + HIDDEN)
    for name in ("Content-Length ", " Content-Length", "Content_Length", "Content-Length\x00",
                 "content-length\t", "Content Length", "Content-Length\x0b", "X\rContent-Length"):  # fmt: skip
        told = name.encode("unicode_escape").decode()
        # A header of another name says nothing of a body: what follows is a request.
        body = HIDDEN.replace("/smuggled/", "/second/") if "_" in name else HIDDEN
        yield f"name {told!r}", request(f"{name}: 90", method="POST", body=body)
        more = (f"{name}: 90", "Content-Length: 0", "Connection: close")
        yield f"name {told!r} and one", request(*more, method="POST")


SIZES = (
    "0x4", "+4", "-4", " 4", "4 ", "4\t", "04", "000000000000000004", "4;a=b", "4;a", "4;", "4 ;a=b",
    '4;a="b\r\n"', "4;\n", "4\n", "4\r", "\r\n4", "g", "", "ffffffffffffffff", "10000000000000000",
    "7fffffffffffffff", "4_0", "4,4", "4\x00", "4;" + "a" * 9000, "-0", "0x0",
)  # fmt: skip


def chunks() -> Iterator[tuple[str, str]]:
    """Chunk sizes, extensions, ends and trailers."""
    coded = "Transfer-Encoding: chunked"
    for size in SIZES:
        told = size[:20].encode("unicode_escape").decode()
        body = f"{size}{END}abcd{END}0{END}{END}{HIDDEN}"
        # What follows a body that is right, or of one length for whoever takes it, is a request.
        if size.strip("0 \t;") == "4" or (size[:2] in ("4;", "4 ") and "\n" not in size):
            body = body.replace("/smuggled/", "/second/")
        yield f"size {told!r}", request(coded, method="POST", body=body)
    bodies = {
        "chunk longer than it says": f"2{END}abcd{END}0{END}{END}{HIDDEN}",
        "chunk shorter than it says": f"9{END}abcd{END}0{END}{END}{HIDDEN}",
        "no CRLF after a chunk": f"4{END}abcd0{END}{END}{HIDDEN}",
        "bare LF after a chunk": f"4{END}abcd\n0{END}{END}{HIDDEN}",
        "bare CR after a chunk": f"4{END}abcd\r0{END}{END}{HIDDEN}",
        "two bytes after a chunk": f"4{END}abcdXX0{END}{END}{HIDDEN}",
        "no last chunk": f"4{END}abcd{END}{HIDDEN}",
        "last chunk without its end": f"0{END}{HIDDEN}",
        "last chunk of many zeros": f"{'0' * 300}{END}{END}{FOLLOWS}",
        "trailer with a length": f"0{END}Content-Length: 40{END}{END}{FOLLOWS}",
        "trailer with a coding": f"0{END}Transfer-Encoding: chunked{END}{END}{FOLLOWS}",
        "trailer with a host": f"0{END}Host: other.test{END}{END}{FOLLOWS}",
        "request as a trailer": f"0{END}GET /smuggled/{{id}} HTTP/1.1{END}Host: {{site}}{END}{END}",
        "trailer without a colon": f"0{END}abc{END}{END}{FOLLOWS}",
        "extension with a bare LF": f"4;a\nGET /smuggled/{{id}} HTTP/1.1{END}abcd{END}0{END}{END}",
        "extension with a bare CR": f"4;a\rb{END}abcd{END}0{END}{END}",
        "a large trailer": f"0{END}X: {'a' * 40000}{END}{END}",
    }
    for told, body in bodies.items():
        yield told, request(coded, method="POST", body=body)


def lines() -> Iterator[tuple[str, str]]:
    """Ends of lines, folding, and what is no header."""
    host = "Host: {site}"
    yield "bare LF everywhere", f"GET /first/{{id}} HTTP/1.1\n{host}\nConnection: close\n\n"
    yield "bare LF before a hidden request", request("X: y\n\n" + FOLLOWS.strip())
    yield "bare CR before a hidden request", request("X: y\r\r" + HIDDEN.strip())
    yield "bare CR ends lines", f"GET /first/{{id}} HTTP/1.1\r{host}\r\r"
    yield "bare CR in a value", request("X: a\rb", "Connection: close")
    yield "LF CR", f"GET /first/{{id}} HTTP/1.1\n\r{host}\n\r\n\r"
    yield "folded", request("X: a", " b", "Connection: close")
    yield "folded with a tab", request("X: a", "\tb", "Connection: close")
    yield "folded first line", f"GET /first/{{id}} HTTP/1.1{END} X: y{END}{host}{END}{END}"
    yield "empty lines first", f"{END}{END}" + request("Connection: close")
    yield "many empty lines first", END * 3000 + request("Connection: close")
    yield "blank first", " " + request("Connection: close")
    odd = {
        "space before the colon": "X : y", "tab before the colon": "X\t: y", "no name": ": y",
        "no colon": "Xyz", "NUL in a name": "X\x00: y", "NUL in a value": "X: \x00",
        "high byte in a name": "X\xff: y", "slash in a name": "X/y: z", "brackets": "X[]: y",
        "parenthesis": "X(y): z", "at": "X@: y", "quote": 'X": y', "control in a name": "X\x01: y",
        "control in a value": "X: \x01", "DEL in a value": "X: \x7f", "only spaces": "   ",
        "underscore": "X_Forwarded_For: 1.2.3.4", "dot": "X.Y: z", "comma": "X,Y: z",
        "space in a name": "X Y: z", "emoji": "X: \xf0\x9f\x98\x80", "request line": "GET / HTTP/1.1",
    }  # fmt: skip
    for told, field in odd.items():
        yield told, request(field, "Connection: close")
    hidden = "X: y\r\n\r\nGET /second/{id} HTTP/1.1\r\nHost: {site}\r\nConnection: close"
    yield "two requests at once", request(hidden)
    for value in (
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "X-Forwarded-For",
        "close, Cookie",
    ):
        yield f"Connection: {value}", request(f"Connection: {value}", "X: y")
    yield "h2c", request("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")  # fmt: skip
    yield "websocket", request("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 7777")  # fmt: skip
    yield "expect", request("Expect: 100-continue", "Content-Length: 4", method="POST", body="abcd")
    yield (
        "odd expect",
        request("Expect: 200-maybe", "Content-Length: 4", method="POST", body="abcd"),
    )


def versions() -> Iterator[tuple[str, str]]:
    """Request lines."""
    host = "Host: {site}"
    first = {
        "HTTP/0.9": "GET /first/{id}", "no version": "GET /first/{id} ", "HTTP/1": "GET /first/{id} HTTP/1",
        "HTTP/1.2": "GET /first/{id} HTTP/1.2", "HTTP/1.10": "GET /first/{id} HTTP/1.10",
        "HTTP/2.0": "GET /first/{id} HTTP/2.0", "HTTP/3.0": "GET /first/{id} HTTP/3.0",
        "HTTP/9.9": "GET /first/{id} HTTP/9.9", "HTTP/0.9 in words": "GET /first/{id} HTTP/0.9",
        "HTTP/01.1": "GET /first/{id} HTTP/01.1", "HTTP/1.1x": "GET /first/{id} HTTP/1.1x",
        "http/1.1": "GET /first/{id} http/1.1", "HTTP 1.1": "GET /first/{id} HTTP 1.1",
        "two versions": "GET /first/{id} HTTP/1.1 HTTP/1.1", "two spaces": "GET  /first/{id}  HTTP/1.1",
        "tabs": "GET\t/first/{id}\tHTTP/1.1", "space in the target": "GET /first/{id} x HTTP/1.1",
        "space after": "GET /first/{id} HTTP/1.1 ", "NUL": "GET /first/{id}\x00 HTTP/1.1",
        "only a target": "/first/{id} HTTP/1.1", "only a method": "GET", "nothing but spaces": "    ",
        "ICY": "ICY /first/{id} HTTP/1.1", "RTSP": "GET /first/{id} RTSP/1.0",
        "bare CR": "GET /first/{id}\rHTTP/1.1", "form feed": "GET\x0c/first/{id} HTTP/1.1",
    }  # fmt: skip
    for told, line in first.items():
        yield told, END.join([line, host, "Connection: close", "", ""])
    yield "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    yield "TLS to whoever listens", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "a" * 60
    yield "PROXY protocol", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + request("Connection: close")
    yield "SSH", "SSH-2.0-OpenSSH_9.9\r\n\r\n"
    yield "nothing but NUL", "\x00" * 200
    yield "PHP's CGI", request("Connection: close", target="/first/{id}?-d+allow_url_include%3d1")


def pipelines() -> Iterator[tuple[str, str]]:
    """Requests that follow by right, and bodies where none is expected."""
    yield "two", request() + FOLLOWS
    yield "twenty", request() * 20 + FOLLOWS
    yield "after a body", request("Content-Length: 4", method="POST", body="abcd") + FOLLOWS
    yield "after chunks", request("Transfer-Encoding: chunked", method="POST", body=chunked("abcd")) + FOLLOWS  # fmt: skip
    length = "Content-Length: 90"
    body = HIDDEN + "a" * 90
    for method in ("GET", "HEAD", "OPTIONS", "DELETE"):
        yield f"{method} with a body", request(length, method=method, body=body)
        coded = request("Transfer-Encoding: chunked", method=method, body=chunked("abcd"))
        yield f"{method} with chunks", coded + FOLLOWS
    for path in ("/static/page.css", "/front/", "/static/none", "/front/assets/app-1111.js"):
        sent = request("Content-Length: 4", method="POST", target=path, body="abcd")
        yield f"POST to {path}", sent + FOLLOWS
        sent = request("Content-Length: 4", target=path, body="abcd")
        yield f"GET with a body from {path}", sent + FOLLOWS
    yield "after close", request("Connection: close") + HIDDEN
    yield "after HTTP/1.0", f"GET /first/{{id}} HTTP/1.0{END}Host: {{site}}{END}{END}{HIDDEN}"


def hosts() -> Iterator[tuple[str, str]]:
    """Whose site this is."""
    close = "Connection: close"
    values = (
        "other.test", "{site}:80", "{site}:443", "{site}:99999", "{site}:0", "{site}:", "{site}:abc",
        "{site}:80:80", "{site}.", "{site}..", ".{site}", "a.{site}", "{site}.other.test",
        "user@{site}", "user:pass@{site}", "{site}@other.test", "{site}/", "{site}/x", "{site}?x",
        "{site}#x", "{site} other.test", "{site},other.test", "{site}\tx", " {site}", "\t{site}",
        "", " ", "-", "*", "localhost", "127.0.0.1", "[::1]", "[::1", "[::ffff:127.0.0.1]:80",
        "0x7f.1", "2130706433", "169.254.169.254", "xn--bcher-kva.test", "b\xc3\xbccher.test",
        "{site}\x00", "{site}\x00.other.test", "{site}\x0b", "{site}\x7f", "%7bsite%7d", "http://{site}",
        "{site}\\other.test", "..", "../../etc/passwd", "a" * 300 + ".test", "_", "{site};x", "'", '"',
        "<script>", "${{jndi}}", "{site}\xff",
    )  # fmt: skip
    for value in values:
        told = value[:40].encode("unicode_escape").decode()
        yield f"{told!r}", request(f"Host: {value}", close, host=False)
    yield "none", request(close, host=False)
    yield "none, by HTTP/1.0", f"GET /first/{{id}} HTTP/1.0{END}{END}"
    pairs = {
        "two": ("Host: {site}", "Host: other.test"), "two, ours last": ("Host: other.test", "Host: {site}"),
        "the same twice": ("Host: {site}", "Host: {site}"), "folded": ("Host: other.test", " {site}"),
        "space before the colon": ("Host : {site}",), "two, one with a space": ("Host: {site}", "Host : other.test"),
        "indented second": ("Host: {site}", " Host: other.test"), "NUL in the name": ("Ho\x00st: {site}",),
        "underscore": ("Host: {site}", "Host_: other.test"),
    }  # fmt: skip
    for told, fields in pairs.items():
        yield told, request(*fields, close, host=False)
    forwarded = (
        "X-Forwarded-Host: other.test", "X-Host: other.test", "X-Forwarded-Server: other.test",
        "Forwarded: host=other.test;for=127.0.0.1;proto=https", "X-Original-URL: /smuggled/{id}",
        "X-Rewrite-URL: /smuggled/{id}", "X-HTTP-Method-Override: DELETE", "X-Forwarded-Prefix: /x",
        "X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 99999", "Proxy: http://other.test", "X-Script-Name: /x", "Base-Url: other.test",
        "X-Forwarded-Scheme: http", "X-Original-Host: other.test", "X-Accel-Redirect: /etc/passwd",
        "X-Sendfile: /etc/passwd", "X-Accel-Buffering: no", "True-Client-IP: 127.0.0.1",
    )  # fmt: skip
    for field in forwarded:
        yield field.partition(":")[0], request(field, close)
    targets = {
        "absolute": "http://{site}/first/{id}", "absolute, other host": "http://other.test/first/{id}",
        "absolute, https": "https://{site}/first/{id}", "absolute, with a user": "http://u:p@{site}/first/{id}",
        "absolute, port": "http://{site}:99999/first/{id}", "absolute, ftp": "ftp://{site}/first/{id}",
        "absolute, file": "file:///etc/passwd", "absolute, no host": "http:///first/{id}",
        "absolute, address of clouds": "http://169.254.169.254/latest/meta-data/",
        "absolute, upper case": "HTTP://{site}/first/{id}", "absolute, backslash": "http:\\\\{site}\\first\\{id}",
        "no slash": "first/{id}", "at": "@other.test/first/{id}", "colon": ":80/first/{id}",
        "authority": "{site}:80", "asterisk": "*", "question mark": "?{id}", "hash": "#{id}",
        "protocol-relative": "//other.test/first/{id}", "backslashes": "/\\other.test/first/{id}",
    }  # fmt: skip
    for told, target in targets.items():
        yield f"target {told}", request(close, target=target)


TRAVERSALS = (
    "../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "..\\", "%252e%252e%252f", "..%252f", "....//",
    "..;/", ".%2e/", "%2e./", "..%c0%af", "%c0%ae%c0%ae/", "..%ef%bc%8f", "%uff0e%uff0e/", "..%00/",
    "..%0d/", "..%0a/", "..//", "..././", "%2e%2e%5c", "..%u2215", "..%e2%88%95", "../%09",
)  # fmt: skip
ROOTS = ("/static/", "/media/", "/front/", "/front/assets/")
OFF_BY_SLASH = (
    "/static../",
    "/media../",
    "/front../",
    "/front/assets../",
    "/static..%2f",
    "/static%2e%2e/",
)
HIDDEN_FILES = (
    ".git/config", ".git/HEAD", ".env", ".htaccess", ".htpasswd", ".svn/entries", ".DS_Store",
    "sub/.env", "%2egit/config", ".%67it/config", "./.env", "//.env", "page.css~", "page.css.bak",
    "page.css.orig", ".page.css.swp", "page.css.swp", "#page.css#", "%23page.css%23", "page.css.save",
    "page.css.old", "page.css%20", "page.css%00.html", "page.css/", "page.css/..", "page.css;.html",
    "page.css%2500", "page.css::$DATA", "PAGE.CSS", "link.txt", "linked/passwd",
)  # fmt: skip


def paths() -> Iterator[tuple[str, str]]:
    """Ways out of the directories that are served, and to what lies hidden in them."""
    close = "Connection: close"
    for turn in TRAVERSALS:
        yield f"/{turn}", request(close, target=f"/{turn * 6}etc/passwd?{{id}}")
        for root in ROOTS:
            yield f"{root}{turn}", request(close, target=f"{root}{turn * 8}etc/passwd?{{id}}")
            if root != "/front/assets/":
                yield f"{root}{turn}probe.py", request(close, target=f"{root}{turn}probe.py?{{id}}")
    for start in OFF_BY_SLASH:
        for file in ("", "current/probe.py", "current/env", "shared/secret.txt", "etc/passwd"):
            yield f"{start}{file}", request(close, target=f"{start}{file}?{{id}}")
    for root in ("/static/", "/media/", "/front/"):
        for file in HIDDEN_FILES:
            yield f"{root}{file}", request(close, target=f"{root}{file}?{{id}}")
    plain = (
        "//first/{id}", "///first/{id}", "/first//{id}", "/./first/{id}", "/first/./{id}", "/first/../first/{id}",
        "/first/{id};a=b", "/first;/{id}", "/first/{id}%00", "/first/%00{id}", "/first/{id}%2f..%2f", "/first/{id}%",
        "/first/{id}%zz", "/first/{id}%u0041", "/first/{id}%ff", "/first/{id}%c3%28", "/first/{id}\xff",
        "/first/{id}\xc3\xa4", "/first/{id}?%00", "/first/{id}?a=%ff", "/first/{id}?\xff", "/first/{id}?a[b]=c&a[]=d",
        "/first/{id}#x", "/first/{id}?#", "/first/{id}%0d%0aX-Injected:%20yes", "/%0d%0aX-Injected:%20yes/{id}",
        "/static%0d%0aX-Injected:%20yes/{id}", "/static?{id}", "/static", "/front", "/front?%0d%0aX-Injected:yes",
        "/media/%0d%0aX-Injected:%20yes", "/first/{id}|", "/first/{id}\\", "/first/{id}^`<>\"{}", "/first/{id}/..;/",
        "/groundcrew-maintenance/probe", "/first/{id}?" + "&".join(["a=b"] * 1500), "/" + "a/" * 1500 + "{id}",
        "/first/{id}" + "%41" * 900, "/status", "/.well-known/acme-challenge/../../../etc/passwd",
        "/.well-known/acme-challenge/..%2f..%2fetc%2fpasswd", "/static/%", "/static/%2", "/media/%e0%80%ae/x",
        "/front/%2e%2e", "/..", "/.", "/static/..", "/static/.", "/media/.", "/media/./..",
    )  # fmt: skip
    for target in plain:
        yield target[:60].encode("unicode_escape").decode(), request(close, target=target)


def sizes() -> Iterator[tuple[str, str]]:
    """More than there is room for."""
    close = "Connection: close"
    for length in (4000, 4094, 4200, 8000, 8190, 8300, 20000, 70000):
        target = "/first/{id}?" + "a" * length
        yield f"request line of {length}", request(close, target=target)
    for length in (4000, 8000, 8150, 8190, 8300, 16000, 33000, 70000, 300000):
        yield f"header of {length}", request(f"X: {'a' * length}", close)
        yield f"header name of {length}", request(f"{'X' * length}: a", close)
        yield f"cookie of {length}", request(f"Cookie: a={'a' * length}", close)
    for count in (90, 99, 101, 120, 500, 1000, 5000):
        yield f"{count} headers", request(*(f"X-{number}: y" for number in range(count)), close)
        yield f"one header {count} times", request(*["X: y"] * count, close)
    for length in (7000, 7900, 8100):
        for count in (3, 4):
            fields = [f"X-{number}: {'a' * length}" for number in range(count)]
            yield f"{count} headers of {length}", request(*fields, close)
    fields = [f"X-{number}: {'a' * 8150}" for number in range(3)]
    target = "/first/{id}?" + "a" * 8100
    yield "all that fits into four buffers", request(*fields, close, target=target)
    names = [
        f"{a}{b}{c}:"
        for a in "abcdefghij"
        for b in "abcdefghijklmnopqrstuvwxyz"
        for c in "0123456789abcdefghijklm"
    ]
    yield "5980 short headers", request(*names, close)
    yield "cookies of 30000", request(*[f"Cookie: c{n}={'a' * 1000}" for n in range(28)], close)
    yield "a body too long", request("Content-Length: 11000000", close, method="POST", body="a" * 9)
    yield (
        "a body much too long",
        request("Content-Length: 99999999999", close, method="POST", body="a"),
    )
    yield "chunks too long", request("Transfer-Encoding: chunked", close, method="POST", body="ffffff0" + END + "a")  # fmt: skip
    yield "a method too long", request(close, method="A" * 9000)
    yield "a host too long", request(f"Host: {'a' * 9000}", close, host=False)
    ranges = ",".join(f"{n}-{n}" for n in range(1300))
    yield "many ranges", request(f"Range: bytes={ranges}", close, target="/static/page.css?{id}")
    for value in (
        "bytes=0-18446744073709551615",
        "bytes=-18446744073709551615",
        "bytes=5-1",
        "x=1",
    ):
        yield f"range {value}", request(f"Range: {value}", close, target="/static/page.css?{id}")
    yield "many encodings", request("Accept-Encoding: " + ",".join(["gzip"] * 1000), close)
    yield "early dates", request("If-Modified-Since: x", "If-None-Match: " + '"a",' * 1000, close, target="/static/page.css?{id}")  # fmt: skip


METHODS = (
    "TRACE", "TRACK", "CONNECT", "DEBUG", "PROPFIND", "MOVE", "COPY", "MKCOL", "LOCK", "SEARCH", "PURGE",
    "PATCH", "PUT", "DELETE", "OPTIONS", "get", "Get", "GETT", "G", "FOO", "GET/", "GET\x00", "GE T", "GET\t",
    "X-METHOD", "_GET", "1GET", "\xffGET", "{{7*7}}", "BASELINE-CONTROL", "$GET", "GET,POST", "HEAD",
)  # fmt: skip


def methods() -> Iterator[tuple[str, str]]:
    """Methods that are none, or nobody's business."""
    for method in METHODS:
        told = method.encode("unicode_escape").decode()
        yield told, request("Content-Length: 0", "Connection: close", method=method)
        target = "/static/page.css?{id}"
        yield f"{told} of a file", request("Content-Length: 0", "Connection: close", method=method, target=target)  # fmt: skip
    for method in ("CONNECT", "OPTIONS", "GET", "TRACE"):
        yield f"{method} *", request("Connection: close", method=method, target="*")
        yield f"{method} authority", request("Connection: close", method=method, target="other.test:443")  # fmt: skip


GROUPS = {
    "both framings": lengths_and_codings,
    "Transfer-Encoding": codings,
    "Content-Length": lengths,
    "chunks": chunks,
    "lines": lines,
    "request line": versions,
    "pipeline": pipelines,
    "host": hosts,
    "path": paths,
    "size": sizes,
    "method": methods,
}
