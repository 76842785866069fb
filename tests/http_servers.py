"""A server of files on loopback that can refuse, stop halfway and go on from there."""

import hashlib
import http.server
import threading
from contextlib import contextmanager


@contextmanager
def serving(handler):
    """Run a server of a handler's class; gives its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class QuietHandler(http.server.BaseHTTPRequestHandler):
    """Answers with bytes, without a log."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, content=b"", **headers):
        """Send an answer; a header's name has _ for -."""
        self.send_response(status)
        for name, value in ({"Content_Length": len(content)} | headers).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class Files(QuietHandler):
    """Serves `files` by path, parts of them too; notes what was asked for."""

    files = {}
    asked = []
    stop_after = []
    """How many bytes each of the next answers gives before the connection closes."""
    status = None
    versions = True
    """Whether it tells the version of a file (ETag)."""

    def do_GET(self):
        asked = self.headers.get("Range")
        self.asked.append(asked)
        if self.status:
            return self.answer(self.status)
        content = self.files.get(self.path)
        if content is None:
            return self.answer(404)
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        headers = {"ETag": tag} if self.versions else {}
        status, start = 200, 0
        if asked and self.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return self.answer(416, Content_Range=f"bytes */{len(content)}")
            status = 206
        rest = content[start:]
        if self.stop_after:
            size = self.stop_after.pop(0)
            self.close_connection = True
            return self.answer(status, rest[:size], Content_Length=len(rest), **headers)
        return self.answer(status, rest, **headers)


def fresh(base, **values):
    """A handler's class with values of its own."""
    return type(base.__name__, (base,), values)
