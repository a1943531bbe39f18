"""./quickstart as a person uses it: with an end, ended by Ctrl-C, started again, and begun anew."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest
from conftest import ROOT, wait_until


def processes_of(var):
    """Whoever has the folder in its command line or environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(var).encode() in text:
            found.append(f"{entry.name} {text.split(bytes(1))[0].decode()}")
    return found


class Terminal:
    """quickstart at a terminal of its own."""

    def __init__(self, *args):
        self.output = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir("/")
            os.execv(ROOT / "quickstart", ["quickstart", *map(str, args)])

    def read(self, seconds=0.2):
        """False at the end of its output."""
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            self.output += data.decode(errors="replace")
            return bool(data)
        return True

    def wait_for(self, pattern, timeout=120):
        end = time.monotonic() + timeout
        while not re.search(pattern, self.output):
            if not self.read() or time.monotonic() > end:
                pytest.fail(f"{pattern!r} not seen:\n{self.output[-4000:]}")
        return re.search(pattern, self.output)

    def ctrl_c(self, timeout=30):
        """Returns the exit status."""
        os.write(self.fd, b"\x03")
        end = time.monotonic() + timeout
        while self.read():
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                pytest.fail("Ctrl-C did not end it:\n" + self.output[-2000:])
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def var(folder):
    """Its name has a blank, as a checkout's may."""
    return folder / "the var"


def sql(var, screen, query):
    port = re.search(r"psql -h 127\.0\.0\.1 -p (\d+)", screen)[1]
    password = (var / "secrets" / "database").read_text().strip()
    with psycopg.connect(f"host=127.0.0.1 port={port} user=gridhub dbname=gridhub", password=password) as c:
        return c.execute(query).fetchall()


def test_for_some_seconds(var):
    done = subprocess.run([ROOT / "quickstart", "--var", var, "--for", "30"], capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL, check=False)
    print(done.stdout[-3000:], done.stderr[-3000:])
    assert done.returncode == 0
    count = {name.strip(): int(n) for name, n in re.findall(r"^  (\w[\w ]+?) +(\d+)$", done.stdout, re.M)}
    assert count["cases opened"] >= 3 and count["alerts refused by the receiver"] == 0
    assert count["alerts verified by the receiver"] == count["alerts sent and accepted"] >= 3
    assert count["messages refused or unknown"] == 0 and count["readings"] >= 199
    assert "新案卷" in done.stdout
    assert processes_of(var) == []


def test_ctrl_c_keeps_the_data_and_reset_removes_it(var):
    first = Terminal("--var", var)
    first.wait_for("新案卷，案卷 1，")
    health = json.loads(urllib.request.urlopen(re.search(r"http://\S+/health", first.output)[0], timeout=5).read())
    assert health["status"] == "ok"
    opened = sql(var, first.output, "SELECT id, opened_at FROM grid_case WHERE id = 1")
    assert first.ctrl_c() == 130
    assert processes_of(var) == []

    second = Terminal("--var", var)
    second.wait_for("新案卷，案卷")
    assert sql(var, second.output, "SELECT id, opened_at FROM grid_case WHERE id = 1") == opened
    assert sql(var, second.output, "SELECT count(*) FROM device") == [(199,)]
    refused = subprocess.run([ROOT / "quickstart", "--var", var], capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1 and "already running" in refused.stderr
    os.kill(second.pid, signal.SIGKILL)  # its children must not outlive it
    os.waitpid(second.pid, 0)
    wait_until(lambda: not processes_of(var), 20, why="no process of a killed quickstart")

    third = Terminal("--var", var, "--reset")
    third.wait_for(r"The district is running(?s:.*)logs +/.*/log/")  # a terminal gives a text in pieces
    assert sql(var, third.output, "SELECT count(*) FROM grid_case WHERE opened_at <= %s" % repr(str(opened[0][1]))) == [(0,)]
    assert third.ctrl_c() == 130
    assert processes_of(var) == []
