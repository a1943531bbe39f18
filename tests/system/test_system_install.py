"""What cmake --install leaves, the manual pages, and what systemd is told."""

import ctypes
import os
import signal
import socket
import subprocess
import time

import pytest
from conftest import HUB, ROOT, RULES, wait_until

PAGES = ["gridhub", "gridhub.yaml"]


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_clean(page):
    text = subprocess.run([HUB, "man", page], check=True, capture_output=True).stdout
    shown = subprocess.run(["man", "--warnings", "-l", "-"], input=text, check=True, capture_output=True,
                           env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "120"})
    assert not shown.stderr, shown.stderr.decode()
    assert len(shown.stdout.splitlines()) > 100


def test_pages_have_every_command_verb_and_setting():
    page = subprocess.run([HUB, "man", "gridhub"], check=True, capture_output=True, text=True).stdout
    for command in ("run", "check", "doctor", "device"):
        assert f".SS gridhub {command}\n" in page
    assert ".B gridhub device unknown\n" in page and "Settings" in page
    page = subprocess.run([HUB, "man", "gridhub.yaml"], check=True, capture_output=True, text=True).stdout
    reference = subprocess.run([HUB, "run", "--help"], check=True, capture_output=True, text=True).stdout
    settings = [line.split()[0] for line in reference.partition("Settings in the")[2].splitlines()
                if line.startswith("  ") and not line.startswith("   ")]
    assert len(settings) > 50
    for name in settings:
        assert f"\n.B {name}\n" in page, name


def install(dest):
    return subprocess.run(["cmake", "--install", HUB.parent], env={**os.environ, "DESTDIR": str(dest)}, check=True,
                          capture_output=True, text=True).stdout


def test_install_keeps_what_was_changed(folder):
    if not (HUB.parent / "gridhub.1.gz").exists():
        pytest.skip("this build makes no manual pages (a sanitizer's)")
    install(folder)
    rules = folder / "etc/gridhub/rules"
    unit = next(folder.rglob("gridhub.service")).read_text()
    binary = "/" + str(next(folder.rglob("bin/gridhub")).relative_to(folder))
    assert f"ExecStart={binary} run\n" in unit and "@" not in unit.replace("@system-service", "").replace(
        "@privileged @resources @obsolete", "")
    assert {p.name for p in rules.iterdir()} == {p.name for p in (ROOT / "rules").glob("*.yaml")}
    (rules / "bin.yaml").write_text("# ours\nrules: []\n")
    (folder / "etc/gridhub/gridhub.yaml").write_text("district: qixia\n")
    assert "Kept" in install(folder)
    assert (rules / "bin.yaml").read_text().startswith("# ours")
    assert (rules / "bin.yaml.new").read_text() == (ROOT / "rules/bin.yaml").read_text()
    assert (folder / "etc/gridhub/gridhub.yaml").read_text() == "district: qixia\n"
    assert not (rules / "sensor.yaml.new").exists()
    checked = subprocess.run([HUB, "check", "--rules", ROOT / "rules"], capture_output=True, check=False)
    assert checked.returncode == 0


class Supervisor:
    """systemd's end of sd_notify."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.said = []

    def env(self, watchdog_s):
        return {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}

    def hear(self):
        while True:
            try:
                self.said += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.said

    def wait(self, text, timeout=15):
        return wait_until(lambda: any(text in line for line in self.hear()), timeout, why=f"systemd to hear {text}")

    def signs(self):
        return self.hear().count("WATCHDOG=1")


@pytest.fixture
def supervisor(folder):
    made = Supervisor(folder)
    yield made
    made.socket.close()


def test_ready_reload_status_and_stop(make_hub, supervisor):
    hub = make_hub(rules=RULES, start=False)
    hub.start(env=supervisor.env(4))
    supervisor.wait("READY=1")
    supervisor.wait("STATUS=ok")
    (hub.dir / "rules" / "test.yaml").write_text("rules: [{id: broken}]\n")
    before = len(supervisor.hear())
    hub.reload()
    supervisor.wait("STATUS=rules degraded")
    heard = supervisor.hear()[before:]
    assert heard.index("RELOADING=1") < heard.index("READY=1")
    assert hub.stop() == 0
    assert supervisor.hear()[-1] == "STOPPING=1"


def test_a_database_that_is_away_or_hangs_starves_no_watchdog(make_hub, supervisor, own_postgres, make_database):
    hub = make_hub({"database": {"timeout": "60s"}}, rules=RULES, db=make_database(own_postgres), start=False)
    own_postgres.stop()
    hub.start(ready=False, env=supervisor.env(2))
    supervisor.wait("READY=1", 10)
    supervisor.wait("database degraded: database: cannot connect")
    own_postgres.start()
    supervisor.wait("STATUS=ok", 25)
    own_postgres.pause()
    time.sleep(3)  # longer than the watchdog's patience: the request under way has 60 s
    before = supervisor.signs()
    wait_until(lambda: supervisor.signs() >= before + 4, 5, why="signs of life")
    own_postgres.go_on()
    assert hub.running and "stuck" not in hub.log


def test_a_hub_that_stands_still_gives_no_sign_of_life(make_hub, supervisor):
    hub = make_hub(rules=RULES, start=False)
    hub.start(env=supervisor.env(2))
    supervisor.wait("WATCHDOG=1")
    hub.process.send(signal.SIGSTOP)
    time.sleep(0.2)
    before = supervisor.signs()
    time.sleep(2.5)
    assert supervisor.signs() == before
    hub.process.send(signal.SIGCONT)
    wait_until(lambda: supervisor.signs() > before, 5)


class Held:
    """All threads of a process but its main one, held by ptrace (SIGSTOP would stop the whole of it)."""

    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, pid):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.threads = [int(t) for t in os.listdir(f"/proc/{pid}/task") if int(t) != pid]
        assert self.threads

    def call(self, what, tid):
        if self.libc.ptrace(ctypes.c_long(what), ctypes.c_long(tid), None, None) != 0:
            number = ctypes.get_errno()
            if number == 1:
                pytest.skip("ptrace is not allowed here")
            raise OSError(number, f"ptrace {what:#x}")

    def __enter__(self):
        for tid in self.threads:
            self.call(self.SEIZE, tid)
            self.call(self.INTERRUPT, tid)
            os.waitpid(tid, self.WALL)

    def __exit__(self, *_):
        for tid in self.threads:
            self.call(self.DETACH, tid)


def test_threads_that_are_stuck_get_no_sign_of_life(make_hub, supervisor):
    hub = make_hub(rules=RULES, start=False)
    hub.start(env=supervisor.env(2))
    supervisor.wait("WATCHDOG=1")
    with Held(hub.process.pid):
        time.sleep(1.5)  # half of the patience is theirs
        before = supervisor.signs()
        time.sleep(1.5)
        assert supervisor.signs() == before
        assert "a thread is stuck" in hub.log
    wait_until(lambda: supervisor.signs() > before, 5)
    assert hub.stop() == 0


def test_nothing_is_said_when_nobody_asks(make_hub, supervisor):
    hub = make_hub(rules=RULES, start=False)
    hub.start(env={"NOTIFY_SOCKET": ""})
    assert not supervisor.hear()
    assert hub.stop() == 0
