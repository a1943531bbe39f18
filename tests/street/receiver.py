#!/usr/bin/python3
"""The grid leaders' end of the demo: checks the signature of every alert and prints it as a leader would read it.

Standard Webhooks (https://www.standardwebhooks.com): `webhook-signature` is HMAC-SHA256 over "id.timestamp.body" with
the key after "whsec_"; POST /NAME is checked with the secret in FOLDER/webhook-NAME. GET /stats counts what came in.
"""

import argparse
import base64
import csv
import hashlib
import hmac
import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOLERANCE_S = 300
BODY_MAX = 20_000
SEVERITIES = {"low": "一般", "normal": "普通", "high": "重要", "urgent": "紧急"}


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
    """Who reads an alert: the people of the grid tree, and what came in so far."""

    def __init__(self, secrets, grids):
        self.secrets = Path(secrets)
        with open(grids, encoding="utf-8", newline="") as f:
            self.grids = {row["code"]: row for row in csv.DictReader(f)}
        self.lock = threading.Lock()
        self.seen = set()
        self.stats = {"opened": 0, "recovered": 0, "other": 0, "repeated": 0, "refused": 0}

    def secret(self, name):
        path = self.secrets / f"webhook-{name}"
        return path.read_text().strip() if name.isidentifier() and path.exists() else None

    def place(self, code):
        """翠林社区 · 翠林一片 · 3号楼, and who leads it."""
        names, leader = [], ""
        while code in self.grids:
            grid = self.grids[code]
            if int(grid["level"]) >= 2:
                names.insert(0, grid["name"])
            leader = leader or grid["leader"]
            code = grid["parent"]
        return " · ".join(names), leader

    def take(self, message_id, alert):
        kind = {"case.opened": "opened", "case.recovered": "recovered"}.get(alert.get("type"), "other")
        with self.lock:
            if message_id in self.seen:
                self.stats["repeated"] += 1
                return
            self.seen.add(message_id)
            self.stats[kind] += 1
            self.show(kind, message_id, alert.get("data", {}))

    def show(self, kind, message_id, data):
        case, grid, device = (data.get(key) or {} for key in ("case", "grid", "device"))
        place, leader = self.place(grid.get("code", ""))
        what = {"opened": f"【{SEVERITIES.get(case.get('severity'), '警情')}】", "recovered": "【已恢复】"}.get(kind, "【通知】")
        print(f"{time.strftime('%H:%M:%S')} {what}{case.get('title') or data.get('text', '')}")
        print(f"         {place or grid.get('name', '')}  网格长 {leader or '–'} 收  案卷 {case.get('id', '–')}"
              f"  {device.get('title') or device.get('name', '')}")
        print(f"         签名已验证  {message_id}", flush=True)

    def refuse(self, name, why):
        with self.lock:
            self.stats["refused"] += 1
            print(f"{time.strftime('%H:%M:%S')} 【拒收】/{name}: {why}", flush=True)


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
        except (ValueError, AttributeError, TypeError) as e:
            self.leaders.refuse(name, f"not an alert: {e}")
            return self.answer(400)
        return self.answer(204)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secrets", required=True, help="folder with webhook-NAME")
    parser.add_argument("--grids", required=True, help="the grids' CSV")
    args = parser.parse_args()
    Handler.leaders = Leaders(args.secrets, args.grids)
    server = ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()
