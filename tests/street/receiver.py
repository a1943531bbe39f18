#!/usr/bin/python3
"""The grid leaders' end of the demo: checks the signature of every alert and prints it as a leader would read it.

Standard Webhooks (https://www.standardwebhooks.com): `webhook-signature` is HMAC-SHA256 over "id.timestamp.body" with
the key after "whsec_"; POST /NAME is checked with the secret in FOLDER/webhook-NAME. GET /stats counts what came in.
"""

import argparse
import base64
import hashlib
import hmac
import json
import signal
import ssl
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CHINA = timezone(timedelta(hours=8))
TOLERANCE_S = 300
BODY_MAX = 20_000


def clock():
    return datetime.now(CHINA).strftime("%H:%M:%S")


def signature_ok(secret, message_id, timestamp, body, header):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), body)
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [part.partition(",") for part in header.split()]
    return any(version == "v1" and hmac.compare_digest(value, expected) for version, _, value in given)


def refusal(secret, headers, body):
    """Why the request is not believed; None if it is."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not timestamp.isdigit():
        return "no webhook-id or webhook-timestamp"
    if abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return f"webhook-timestamp {timestamp} is more than {TOLERANCE_S} s off"
    if not signature_ok(secret, message_id, timestamp, body, headers.get("webhook-signature", "")):
        return "the signature does not fit"
    return None


class Leaders:
    """Who reads an alert, and what came in so far."""

    KINDS = {"case.opened": ("opened", "新案卷"), "case.recurred": ("recurred", "再次发生"),
             "case.recovered": ("recovered", "已恢复")}

    def __init__(self, secrets):
        self.secrets = Path(secrets)
        self.lock = threading.Lock()
        self.seen = set()
        self.stats = {"opened": 0, "recurred": 0, "recovered": 0, "other": 0, "repeated": 0, "refused": 0}

    def secret(self, name):
        path = self.secrets / f"webhook-{name}"
        return path.read_text().strip() if name.isidentifier() and path.exists() else None

    def take(self, message_id, alert):
        kind, word = self.KINDS.get(alert["type"], ("other", "通知"))
        with self.lock:
            if message_id in self.seen:
                self.stats["repeated"] += 1
                return
            self.seen.add(message_id)
            self.stats[kind] += 1
            self.show(word, message_id, alert["data"])

    @staticmethod
    def show(word, message_id, data):
        leader = data["grid"].get("leader") or "–"
        text = data["text"].replace("\n", "\n    ")
        print(f"\n{clock()}  {word}，案卷 {data['case']['id']}，收件人 {leader}\n    {text}\n"
              f"    （签名已验证，{message_id}）", flush=True)

    def refuse(self, name, why):
        with self.lock:
            self.stats["refused"] += 1
            print(f"{clock()} 【拒收】/{name}: {why}", flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    leaders = None

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path != "/stats":
            return self.answer(404)
        with self.leaders.lock:
            return self.answer(200, json.dumps(self.leaders.stats).encode())

    def do_POST(self):
        name = self.path.strip("/")
        length = int(self.headers.get("Content-Length", "0") or "0")
        if length > BODY_MAX:
            self.close_connection = True
            return self.answer(413)
        body = self.rfile.read(length)
        secret = self.leaders.secret(name)
        if secret is None:
            return self.answer(404)
        why = refusal(secret, self.headers, body)
        if why:
            self.leaders.refuse(name, why)
            return self.answer(401)
        try:
            self.leaders.take(self.headers["webhook-id"], json.loads(body))
        except (ValueError, KeyError, AttributeError, TypeError) as e:
            self.leaders.refuse(name, f"not an alert: {e!r}")
            return self.answer(400)
        return self.answer(204)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secrets", required=True, help="folder with webhook-NAME")
    parser.add_argument("--cert", help="certificate (PEM): HTTPS")
    parser.add_argument("--key", help="its key (PEM)")
    args = parser.parse_args()
    Handler.leaders = Leaders(args.secrets)
    server = ThreadingHTTPServer((args.host, args.port), Handler)
    server.daemon_threads = True
    if args.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.cert, args.key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()
