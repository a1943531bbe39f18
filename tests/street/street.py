#!/usr/bin/python3
"""The simulated street: what the devices of devices.csv would publish, in their own dialects.

Bins (the hub's own dialect) fill, overflow and are emptied; Zigbee sensors (zigbee2mqtt) measure, and now and then one
smells smoke, water or an open door; cameras (Frigate) see things and drop out. Time runs faster than in a real street:
the first anomaly comes within seconds, then one every --every seconds, and each passes again.
"""

import argparse
import csv
import json
import random
import signal
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import paho.mqtt.client as mqtt

CHINA = timezone(timedelta(hours=8))
TENANT = "qixia"
STEP_S = 0.25


def rounded(value, digits=1):
    return round(value, digits)


class Device:
    """One device. step() yields (topic, payload, retained) when something is to be said."""

    REPORT_S = 10.0  # a report at least so often; sooner when something changed

    def __init__(self, row, rng, now):
        self.name, self.address, self.grid = row["id"], row["address"], row["grid"]
        self.rng = rng
        self.due = now + rng.uniform(0, self.REPORT_S)
        self.normal_at = None  # when the incident that is on passes
        self.changed = False

    def incident(self, now, seconds):
        self.normal_at = now + seconds
        self.changed = True

    def step(self, now):
        if self.normal_at is not None and now >= self.normal_at:
            self.normal_at = None
            self.changed = True
        if self.changed or now >= self.due:
            self.due = now + self.rng.uniform(0.8, 1.2) * self.REPORT_S
            self.changed = False
            yield from self.report(now)

    @property
    def bad(self):
        return self.normal_at is not None


class Bin(Device):
    """Rubbish falls in, the lorry comes. An incident is an overflow, or a smouldering fire where `hot`."""

    KG_FULL = 60.0
    CATEGORIES = {"kitchen": "厨余垃圾", "recyclable": "可回收物", "hazardous": "有害垃圾", "other": "其他垃圾"}

    def __init__(self, row, rng, now):
        super().__init__(row, rng, now)
        self.fill, self.battery, self.seq, self.hot = rng.uniform(5, 60), rng.uniform(60, 100), 0, False
        self.wrong = 0  # wrong drops that are still to come

    def incident(self, now, seconds):
        super().incident(now, seconds)
        self.hot = self.rng.random() < 0.25
        if not self.hot:
            self.fill = self.rng.uniform(95, 100)

    def wrong_drops(self, _now):
        """Somebody empties a whole bag piece by piece: each is a wrong drop, the third one makes a case of its own."""
        self.wrong = 3

    def message(self, kind, **fields):
        self.seq += 1
        return f"city/v1/{TENANT}/{self.grid}/bin/{self.name}/{kind}", {
            "ts": datetime.now(CHINA).isoformat(timespec="milliseconds"), "seq": self.seq, **fields}, False

    def step(self, now):
        yield from super().step(now)
        if self.wrong:
            self.wrong -= 1
            category = self.rng.choice([text for c, text in self.CATEGORIES.items() if not self.name.endswith(c)])
            yield self.message("event", wrong_drop=True, drop_category=category, drop_kg=rounded(self.rng.uniform(0.2, 2)))

    def report(self, _now):
        if not self.bad:
            self.hot = False
            self.fill += self.rng.uniform(0, 1.5)
            if self.fill > 75:
                self.fill = self.rng.uniform(0, 4)  # emptied
        self.battery = max(25.0, self.battery - 0.01)
        yield self.message(
            "tele", fill_pct=rounded(self.fill), weight_kg=rounded(self.KG_FULL * self.fill / 100), overflow=self.fill >= 95,
            temp_c=rounded(self.rng.uniform(68, 80) if self.hot else self.rng.uniform(14, 22)), smoke=self.hot,
            battery_pct=int(self.battery))


class Zigbee(Device):
    """What zigbee2mqtt makes of a battery-powered sensor."""

    def __init__(self, row, rng, now):
        super().__init__(row, rng, now)
        self.battery = rng.uniform(45, 100)

    def payload(self):
        raise NotImplementedError

    def report(self, _now):
        self.battery = max(25.0, self.battery - 0.005)
        common = {"battery": int(self.battery), "linkquality": self.rng.randint(60, 180),
                  "voltage": 2500 + int(self.battery * 6)}
        yield f"zigbee2mqtt/{self.address}", {**self.payload(), **common}, True


class Smoke(Zigbee):
    def payload(self):
        return {"smoke": self.bad, "battery_low": False, "tamper": False}


class Leak(Zigbee):
    def payload(self):
        return {"water_leak": self.bad, "battery_low": False, "tamper": False}


class Door(Zigbee):
    def payload(self):
        return {"contact": not self.bad}


class Air(Zigbee):
    def payload(self):
        temperature = self.rng.uniform(62, 70) if self.bad else self.rng.uniform(12, 19)
        return {"temperature": rounded(temperature), "humidity": rounded(self.rng.uniform(35, 60))}


class Sos(Zigbee):
    """Says nothing but its battery until somebody presses it."""

    def report(self, now):
        for topic, payload, _ in super().report(now):
            yield topic, payload, False
        if self.bad:
            yield f"zigbee2mqtt/{self.address}", {"action": "emergency", "battery": int(self.battery)}, False
            self.normal_at = None

    def payload(self):
        return {}


class Camera(Device):
    """A Frigate camera: online or not, and objects that walk through."""

    REPORT_S = 30.0
    LABELS = ("person", "bicycle", "dog", "car")

    def __init__(self, row, rng, now):
        super().__init__(row, rng, now)
        self.object_at, self.found = now + rng.uniform(5, 60), None

    def report(self, _now):
        yield f"frigate/{self.address}/status/detect", "offline" if self.bad else "online", True

    def step(self, now):
        yield from super().step(now)
        if (now >= self.object_at or self.found) and not self.bad:
            self.object_at = now + self.rng.uniform(30, 120)
            yield "frigate/events", self.seen(self.found or self.rng.choice(self.LABELS)), False
            self.found = None

    def rubbish(self, _now):
        """The camera's AI sees exposed rubbish; there is nothing that passes again."""
        self.found = "trash"

    def seen(self, label):
        start = time.time()
        score = self.rng.uniform(0.7, 0.97)
        after = {
            "id": f"{start:.6f}-{''.join(self.rng.choices('abcdefghijklmnopqrstuvwxyz0123456789', k=6))}",
            "camera": self.address, "frame_time": start, "start_time": start - 0.6, "end_time": None,
            "label": label, "sub_label": None, "top_score": score, "score": score,
            "false_positive": False, "stationary": False, "active": True, "box": [415, 489, 528, 700],
            "area": 23843, "ratio": 0.54, "region": [260, 446, 660, 846], "current_zones": [],
            "entered_zones": [], "has_snapshot": False, "has_clip": False, "current_estimated_speed": 0,
            "recognized_license_plate": None,
        }
        return {"type": "new", "before": after, "after": after}


class Server(Device):
    """The Frigate server itself."""

    def report(self, _now):
        yield "frigate/available", "online", True


KINDS = {"bin": Bin, "smoke": Smoke, "leak": Leak, "door": Door, "air": Air, "sos": Sos, "cam": Camera,
         "frigate": Server}


def lasting(cls, seconds):
    return cls, lambda device, now: device.incident(now, seconds)


# What happens, and to which kind of device: first these in this order, then any.
SCRIPT = [lasting(Smoke, 20), lasting(Bin, 25), (Bin, Bin.wrong_drops), lasting(Leak, 20), (Camera, Camera.rubbish),
          lasting(Sos, 1), lasting(Camera, 240), lasting(Bin, 30), lasting(Air, 90)]


class Street:
    def __init__(self, devices, every, seed, now):
        self.rng = random.Random(seed)
        with open(devices, encoding="utf-8", newline="") as f:
            self.devices = [KINDS[row["id"].split("-")[0]](row, self.rng, now) for row in csv.DictReader(f)]
        self.every, self.next_at = every, now + 3
        self.script = list(SCRIPT)

    def maybe_incident(self, now):
        if now < self.next_at:
            return
        # The first ones quickly, to show every kind; then at the pace that was asked for.
        self.next_at = now + (5 if self.script else self.rng.uniform(0.5, 1.5) * self.every)
        cls, act = self.script.pop(0) if self.script else self.rng.choice(SCRIPT)
        calm = [d for d in self.devices if isinstance(d, cls) and not d.bad]
        if calm:
            act(self.rng.choice(calm), now)

    def step(self, now):
        self.maybe_incident(now)
        for device in self.devices:
            yield from device.step(now)


def connect(args):
    client = mqtt.Client("street")
    client.username_pw_set(args.user, Path(args.password_file).read_text().strip())
    client.reconnect_delay_set(1, 5)
    if args.ca_file:
        client.tls_set(args.ca_file)
    client.connect(args.host, args.port)
    client.loop_start()
    return client


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="of the broker (default 127.0.0.1)")
    parser.add_argument("--port", type=int, required=True, help="of the broker")
    parser.add_argument("--ca-file", help="CA of the broker's certificate: TLS")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password-file", required=True)
    parser.add_argument("--devices", required=True, help="devices.csv")
    parser.add_argument("--every", type=float, default=20, help="seconds between two anomalies, about (default 20)")
    parser.add_argument("--seed", type=int, default=None, help="the same street again")
    args = parser.parse_args()

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    signal.signal(signal.SIGINT, lambda *_: stop.append(True))
    client = connect(args)
    street = Street(args.devices, args.every, args.seed, time.monotonic())
    sent = 0
    while not stop:
        for topic, payload, retain in street.step(time.monotonic()):
            text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
            client.publish(topic, text, qos=1, retain=retain)
            sent += 1
        time.sleep(STEP_S)
    client.disconnect()
    client.loop_stop()
    print(f"{sent} messages published")
    return 0


if __name__ == "__main__":
    sys.exit(main())
