#!/usr/bin/python3
"""Write seeds for the fuzzers into OUT/{adapters,json,csv}: seeds.py OUT."""
import os
import sys

BIN = "city/v1/qx/g-1/bin/b-7/"
MESSAGES = [
    (0, BIN + "tele", '{"fill_pct":91.5,"ts":"2026-11-21T21:00:00+08:00","seq":3,"w":{"a":1}}'),
    (0, BIN + "tele", '[{"bn":"urn:dev:ow:1:","bt":1.3e9,"bu":"Cel","bv":1,"bver":5,"n":"a","v":1.5,"s":2},'
                      '{"n":"b","t":-5,"vs":"x"},{"n":"c","vb":true},{"n":"d","vd":"AA"}]'),
    (0, BIN + "state", '{"online":true,"x":null}'),
    (1, "zigbee2mqtt/a/b", '{"contact":false,"voltage":2985,"action":"sos","last_seen":1763758800123,"c":{"x":1}}'),
    (1, "zigbee2mqtt/a/availability", '{"state":"online"}'),
    (2, "frigate/events", '{"type":"new","before":{},"after":{"camera":"c","label":"p","sub_label":["a",0.5],'
                          '"entered_zones":["z"],"frame_time":1.7e9,"has_snapshot":true,"id":"1"}}'),
    (2, "frigate/reviews", '{"type":"new","after":{"camera":"c","severity":"alert","data":{"objects":["car"],"zones":["z"]}}}'),
    (2, "frigate/stats", '{"cameras":{"c":{"camera_fps":5.0}},"service":{"last_updated":1700000000}}'),
    (2, "frigate/tracked_object_update", '{"type":"lpr","camera":"c","plate":"1","timestamp":1.7e9}'),
    (2, "frigate/triggers", '{"name":"t","camera":"c","score":0.85}'),
    (2, "frigate/c/status/detect", "online"),
]
TABLES = [  # the first byte: 0 grids, 1 devices, 2 and 3 the same as JSON lines
    "0code,name,level\r\nqx,\"a \"\"b\"\", c\",0\r\n",
    "1\ufeffid,title,class,adapter,grid,lon,lat,interval\n1,\"two\nlines\",bin,hub,g,1,2,10m\n\n2,x",
    "0a,b\n1\n1,2,3\n\"x",
    '2{"code":"a","name":"x","level":1}\n{"code":[]}\n',
    '3{"id":"a","class":"bin","adapter":"hub","grid":"g","lon":1.5}\n',
]


def write(folder, items):
    os.makedirs(folder, exist_ok=True)
    for i, data in enumerate(items):
        with open(os.path.join(folder, "seed%02d" % i), "wb") as f:
            f.write(data)


def main(out):
    write(out + "/adapters", [bytes([a]) + t.encode() + b"\0" + p.encode() for a, t, p in MESSAGES])
    write(out + "/json", [p.encode() for _, _, p in MESSAGES])
    write(out + "/csv", [t.encode() for t in TABLES])


main(sys.argv[1])
