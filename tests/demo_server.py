"""The real page, served by the real command in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TRAINED = ROOT / "tests/trained"
# Writes every address that the server connects to.
WATCHED = """
import socket
import sys

def note(event, arguments):
    if event == "socket.connect":
        with open(sys.argv[1], "a") as stream:
            stream.write(f"{arguments[1]}\\n")
    if event == "socket.getaddrinfo":
        with open(sys.argv[1], "a") as stream:
            stream.write(f"{arguments[0]}\\n")

sys.addaudithook(note)
socket.socket().connect_ex(("127.0.0.1", 9))
from espnet_st.bin.demo import main
main(sys.argv[2:])
"""
START_WITHIN = 600
"""Seconds: importing alone takes minutes on a machine with much else to do."""


class Server:
    """A running page.

    Attributes:
        url: Where it is.
        connections: What it connected to.
        log: What it wrote.
        temporary: Where it may leave files.
    """

    def __init__(self, work, *options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        self.connections, self.log = work / "connections", work / "log"
        self.temporary = work / "tmp"
        self.temporary.mkdir()
        self.connections.touch()
        command = [sys.executable, "-c", WATCHED, str(self.connections)]
        command += ["--codec", str(TRAINED / "codec.zip"), "--port", str(port)]
        environment = os.environ | {"TMPDIR": str(self.temporary)}
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [*command, *options],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
            )
        self._wait()

    def _wait(self):
        end = time.monotonic() + START_WITHIN
        while "the page is at" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.1)
        with urllib.request.urlopen(self.url) as answer:
            assert answer.status == 200

    def stop(self):
        """Stop it as a service manager does, and give its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
