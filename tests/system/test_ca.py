"""docker/ca.sh: a private CA and certificates, with or without Docker."""

import socket
import ssl
import subprocess

from conftest import ROOT, free_port


def ca(folder, *args, check=True):
    return subprocess.run(["bash", ROOT / "docker/ca.sh", *args[:-1], folder, *args[-1]], check=check, capture_output=True, text=True)


def test_certificates_are_made_once_and_renewed_when_asked(folder):
    made = ca(folder, ["broker,localhost,127.0.0.1", "hub"]).stdout.splitlines()
    assert [line.split()[1].rstrip(":") for line in made] == ["ca", "broker", "hub"]
    kept = {path: path.read_bytes() for path in folder.rglob("*.crt")}
    for key in folder.rglob("*.key"):
        assert key.stat().st_mode & 0o077 == 0, key
    assert ca(folder, ["broker,localhost,127.0.0.1", "hub"]).stdout == ""
    assert {path: path.read_bytes() for path in folder.rglob("*.crt")} == kept
    # Other names, or --force: a new one of the same CA; the other party's stays.
    assert ca(folder, ["broker,localhost,127.0.0.1,::1", "hub"]).stdout.startswith("made broker")
    assert (folder / "hub/server.crt").read_bytes() == kept[folder / "hub/server.crt"]
    assert ca(folder, "--force", ["hub"]).stdout.startswith("made hub")
    assert (folder / "hub/server.crt").read_bytes() != kept[folder / "hub/server.crt"]
    assert (folder / "ca/ca.crt").read_bytes() == kept[folder / "ca/ca.crt"]
    for bad in (["a b"], ["../x"], ["-x"], []):
        assert ca(folder, bad, check=False).returncode == 1, bad


def test_a_broker_is_believed_under_its_names_only(folder, make_broker):
    ca(folder, ["broker,localhost,127.0.0.1"])
    keys, port = folder / "broker", free_port()
    make_broker(f"allow_anonymous true\nlistener {port} 127.0.0.1\ncertfile {keys}/server.crt\nkeyfile {keys}/server.key\n")
    context = ssl.create_default_context(cafile=folder / "ca/ca.crt")
    for name, good in (("localhost", True), ("127.0.0.1", True), ("broker", True), ("other", False)):
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as s, context.wrap_socket(s, server_hostname=name):
                believed = True
        except ssl.SSLCertVerificationError:
            believed = False
        assert believed == good, name
