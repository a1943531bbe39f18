#!/usr/bin/python3
"""summary.py HUB RECEIVER [--ready | --drain SECONDS]: what the hub took in and the grid leaders got, as the two say.

--ready: exit status 0 once the hub is up, no word. --drain: first wait until nothing is owed any more, then print and
exit 0 only if cases were opened and every alert that the hub sent was verified.
"""

import json
import re
import sys
import time
import urllib.error
import urllib.request


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as e:  # a degraded hub answers too
        return e.read().decode()


def metrics(hub):
    found = {}
    for line in get(hub + "/metrics").splitlines():
        match = re.fullmatch(r"([a-z_]+(?:\{[^}]*\})?) (\S+)", line)
        if match:
            found[match[1]] = int(float(match[2]))
    return found


def drained(hub):
    now = metrics(hub)
    return now["gridhub_spool_backlog_records"] == 0 and now["gridhub_outbox_pending"] == 0


def main():
    hub, receiver, how, *rest = sys.argv[1:]
    if how == "--ready":
        return 0 if json.loads(get(hub + "/health"))["status"] == "ok" else 1
    end = time.monotonic() + float(rest[0])
    while not drained(hub) and time.monotonic() < end:
        time.sleep(0.5)
    now, got = metrics(hub), json.loads(get(receiver + "/stats"))
    sent = now['gridhub_webhook_attempts_total{result="accepted"}']
    verified = got["opened"] + got["recurred"] + got["recovered"] + got["other"]
    rejected = sum(n for name, n in now.items() if name.startswith("gridhub_messages_rejected_total"))
    for text, number in [
        ("messages taken in", now["gridhub_mqtt_messages_total"]),
        ("readings", now["gridhub_readings_total"]),
        ("messages refused or unknown", rejected + now["gridhub_unknown_device_messages_total"]),
        ("cases opened", now["gridhub_cases_opened_total"]),
        ("cases recovered", now["gridhub_cases_recovered_total"]),
        ("alerts sent and accepted", sent),
        ("alerts verified by the receiver", verified),
        ("alerts refused by the receiver", got["refused"]),
        ("alerts still owed", now["gridhub_outbox_pending"]),
    ]:
        print(f"  {text:<34}{number:>8}")
    good = now["gridhub_cases_opened_total"] > 0 and got["opened"] > 0 and got["refused"] == 0
    print("  " + ("cases were opened, and every alert was verified" if good else "NOT as it should be"))
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, KeyError) as e:
        sys.exit(f"summary: {e!r}")
