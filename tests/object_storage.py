"""An S3 server on loopback, behind a proxy that misbehaves on purpose."""

import http.client
import random
import subprocess
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"
FAULTS = ("slow down", "error", "cut before", "cut after", "short")
"""503, 500, a connection closed without an answer before or after the deed, and half an answer."""


class Misbehaving(ThreadingHTTPServer):
    """Hands requests on to a server, and fails as it is told to.

    Attributes:
        next: faults of the next requests, one each.
        share: of all other requests that fail, each by a fault drawn from `FAULTS`.
        requests: how many of each kind came, by method, those that failed included.
        done: keys of objects that were read or written, by method.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, door, behind):
        """Listen on a socket that is bound already; hand requests on to the port `behind`."""
        super().__init__(door.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = door
        self.server_activate()
        self.behind = behind
        self._lock = Lock()
        self.behave()
        Thread(target=self.serve_forever, daemon=True).start()

    def behave(self):
        self.next = []
        self.share = 0.0
        self.random = random.Random(1)
        self.requests = Counter()
        self.failed = Counter()

    def fault(self, method):
        with self._lock:
            self.requests[method] += 1
            fault = None
            if self.next:
                fault = self.next.pop(0)
            elif self.random.random() < self.share:
                fault = self.random.choice(FAULTS)
            self.failed[fault] += fault is not None
            return fault

    def handle_error(self, request, client_address):
        """Say nothing: clients of this server go away in the middle, too."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _any(self):
        fault = self.server.fault(self.command)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault == "slow down":
            self._answer(503, ERROR.format("SlowDown", "Please reduce your request rate."))
        elif fault == "error":
            self._answer(500, ERROR.format("InternalError", "We encountered an internal error."))
        elif fault == "cut before":
            self.close_connection = True
        else:
            behind = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=60)
            behind.request(self.command, self.path, body, dict(self.headers))
            answer = behind.getresponse()
            data = answer.read()
            behind.close()
            if fault == "cut after":
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                    self.send_header(name, value)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if fault == "short":
                self.close_connection = True
                data = data[: len(data) // 2]
            self.wfile.write(b"" if self.command == "HEAD" else data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815

    def _answer(self, status, text):
        data = b"" if self.command == "HEAD" else text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Say nothing."""


def start_moto(port):
    """A server that keeps objects in memory, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return process
        finally:
            connection.close()
