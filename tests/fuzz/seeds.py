#!/usr/bin/python3
"""Write what each fuzzer NAME starts from into OUT/NAME: seeds.py OUT."""
import os
import re
import struct
import subprocess
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
STORED = [
    '{}', '{"fill_pct": 91.0, "n": -7, "label": "满 \\"x\\" \\\\ \\n\\u001f", "smoke": true, "x": null, "y": false}',
    '{"a": 0.30000000000000004, "b": 9223372036854775808, "c": 10000000000000000000000, "d": -0.000000001}',
]
TABLES = [  # the first byte: 0 grids, 1 devices, 2 and 3 the same as JSON lines
    "0code,name,level\r\nqx,\"a \"\"b\"\", c\",0\r\n",
    "1\ufeffid,title,class,adapter,grid,lon,lat,interval\n1,\"two\nlines\",bin,hub,g,1,2,10m\n\n2,x",
    "0a,b\n1\n1,2,3\n\"x",
    '2{"code":"a","name":"x","level":1}\n{"code":[]}\n',
    '3{"id":"a","class":"bin","adapter":"hub","grid":"g","lon":1.5}\n',
]
CONDITIONS = [  # the first byte: 1 unknown names are left to the evaluation, 2 types are checked, 4 a bool is wanted
    "0a > 60 && b < 20.0 || t", "1x.y + unknown(3)", "0'\\u6ee1' + r\"\"\"a\\\"\"\"", "0b'\\xff\\000' == bytes(s)",
    "0l.all(x, l.exists(y, x == y || type(x) != int))", "0{1: 'a', 2u: [1.5, null]}[2u][0] in l", "0has(m.k) ? m['k'] : -m.q",
    "0s.matches('^(a+)+$') && size(s) > 3u", "0timestamp('2009-02-13T23:31:30.5Z').getHours('Asia/Shanghai') % 24",
    "0duration('1h30m') - duration('-1.5s') > duration('0')", "0l.map(x, x != null, [x, x]).filter(x, x.size() == 2)",
    "0string(double('1e300') * 2.0) + string(int(b))", "0[1, 2, 3].exists_one(e, e % 2 == 0)", "0.device.`a b`.c",
    "0((((((((((1))))))))))", "0!!!t ? 0x1F : 0xFFu",
    "2avg( (a + b) * 2 // x\n) > duration('1m') && prev.a > timestamp(0)", "6a > '85'", "2-s", "2{a: b}[x.y][0].k", "6has(prev.a)",
    "2size(l.map(x, x)) + m['k']", "3(x.y).z || avg(1, 2)", "2s in m", "1'a'.matches('[[:alpha:]]\\\\Q*\\\\E(?i:b){2,3}?')",
]
VALUES = ['{"map":[[{"string":"a\\u0000"},{"list":[{"uint":18446744073709551615},{"double":"-Infinity"},{"null":0}]}]]}',
          '{"bytes":"AP8="}', '{"timestamp":"2026-11-21T21:00:00.5+08:00"}', '{"duration":"-1h1.5s"}', '{"type":"int"}', '{"double":1e3}']
SCHEDULES = [b'schedules:\n- {name: a, days: [mon, sun], hours: ["22:00-06:00", "07:00-24:00"], holidays: closed}\n'
             b"holidays:\n- {from: 2026-10-01, to: 2026-10-07}\nworkdays:\n- {day: 2026-10-10, as: fri}\n",
             b"schedules:\n- {name: b, zone: Australia/Lord_Howe, hours: [01:30-02:15]}\n- {name: c, holidays: only}\n"]
BASELINES = [
    '{"v":1,"format":["h264",704,576],"watch_format":["hevc",1920,1080],"sharpness":[5,410.25,400],"sharpness_night":[2,90,95.5],'
    '"fps":[3,25,25],"view":[5,"0123456789abcdef","' + "AAAA" * 96 + '"],"key":[4294967295,3,1792000000000000],'
    '"keys":[2,1,0,"AAAAAQAAAAI="],"blocks":[1792000000000000,2,1,"EBA="],"runs":[0,0,7]}',
    '{"v":1,"runs":[]}',
]
ANSWERS = ['{"errcode":310000,"errmsg":"sign not match"}', '{"StatusCode":0,"StatusMessage":"success"}', "no_service", "{"]
TEMPLATES = ['{"a":"{text}","b":{fields.x|json},"c":"{url|url}"}', "{severity} {{x {case.title}\n{fields.fill_pct}"]
ALERTS = ['{"case":{"id":7,"rule":"r","severity":"urgent","title":"<at id=all> [x](http://y)","opened_at":"2026-01-01T00:00:00Z"},'
          '"grid":{"name":"g"},"device":{"id":"d"},"fields":{"a":1.5,"b":true,"c":null},"text":"- **a**\\n# b\\u202e"}', "{}"]

LOOKED_AT = ["\0rtsp://u:p%40@[::1]:554/a?token=x", "\0http://h/x.m3u8", "\0rtsps://a@b@c.d:1/e@f", "\0//h/1.ts",
             "\1#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4.0,\na.ts\n#EXT-X-ENDLIST\n",
             '\1#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9,CODECS="a,b"\nx.m3u8\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-MAP:URI="i"\n',
             '\2Digest realm="r", nonce="n", qop="auth,auth-int", opaque="o", stale=true, algorithm=SHA-256', "\2Basic realm=x"]
LOOKS = ['{"id":1,"depth":"picture","state":"online","step":"keyframe","cause":"none","detail":"ok","address":"[::1]:554",'
         '"at_us":{"resolved":1,"connected":2,"authorised":3,"session":4,"packet":5,"keyframe":6,"total":7},'
         '"stream":{"codec":"h264","width":704,"height":576,"fps":25,"gop":50,"bitrate_kbps":499.5,"i_per_mb":14.2,'
         '"p_tail_per_mb":0.02,"p_p05_per_mb":0.1,"p_p50_per_mb":1e-3,"keyframe_hash":"fedcba9876543210","ts_jump_s":0.04,'
         '"packets":250,"keyframes":5},"picture":{"mean":127.2,"sd":31,"flat_pct":12,"sharpness":480,"dhash":"00ff00ff00ff00ff",'
         '"cols":2,"rows":2,"blocks":"AAECAw=="},"snapshot":"/9j/4AECA//Z"}',
         '{"id":-9,"depth":"reach","state":"unknown","step":"none","cause":"prober"}',
         '{"id":2,"depth":"keyframe","state":"offline","step":"session","cause":"no_packets","piece":"0123456789abcdef"}',
         'q{"id":2,"depth":"keyframe","deadline_us":1,"piece":"0123456789abcdef","piece_age_us":300000000,"url":"http://a/x.m3u8"}',
         'q{"id":1,"depth":"watch","deadline_us":5000000,"watch_us":10000000,"snapshot":true,"url":"rtsp://a:b%40@[::1]:554/1"}']

def write(folder, items):
    os.makedirs(folder, exist_ok=True)
    for i, data in enumerate(items):
        with open(os.path.join(folder, "seed%02d" % i), "wb") as f:
            f.write(data)


def packs():
    rules = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../rules")
    for name in sorted(os.listdir(rules)):
        if name.endswith(".yaml") and name not in ("fields.yaml", "kinds.yaml", "schedules.yaml"):
            with open(os.path.join(rules, name), "rb") as f:
                head, *items = f.read().split(b"\n  - id:")
            yield from (b"rules:\n  - id:" + item for item in items)


def lists():
    """The first byte says which file it is, as fuzz_rule_lists.c does."""
    rules = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../rules")
    for i, name in enumerate(("fields.yaml", "kinds.yaml", "schedules.yaml")):
        with open(os.path.join(rules, name), "rb") as f:
            head, *items = f.read().split(b"\n  - ")
        yield b"%d" % i + b"\n  - ".join([head] + items[:8])
        yield from (b"%d" % i + head + b"\n  - " + item for item in items[8::8])


def encode(container, data=None):
    """Three small pictures, of which the first and the last are keyframes."""
    source = ["-f", "h264", "-r", "5", "-i", "-", "-c", "copy"] if data else [
        "-f", "lavfi", "-i", "testsrc2=s=32x32:r=5", "-frames:v", "3", "-c:v", "libx264", "-g", "2", "-bf", "0",
        "-preset", "ultrafast", "-qp", "40", "-bsf:v", "filter_units=remove_types=6"]
    return subprocess.run(["ffmpeg", "-loglevel", "error", *source, "-f", container, "-"], input=data or b"",
                          stdout=subprocess.PIPE, check=True).stdout


def rtsp(h264):
    sdp = (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=control:*\r\nm=audio 0 RTP/AVP 8\r\na=control:a\r\n"
           b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:v\r\n")
    answers = [b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"b\", qop=\"auth\"\r\n"
               b"WWW-Authenticate: Basic realm=\"a\"\r\nContent-Length: 0\r\n\r\n",
               b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Base: rtsp://127.0.0.1:1/1/\r\nContent-Length: %d\r\n\r\n%s" % (len(sdp), sdp),
               b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 7;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
               b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: 7\r\n\r\n"]
    units = [u for u in re.split(b"\0\0\0?\1", h264) if u]
    at, packets = 0, []
    for i, unit in enumerate(units):
        picture = unit[0] & 31 in (1, 5)
        rtp = struct.pack(">BBHII", 128, 96 | (128 if picture else 0), i, at, 1) + unit
        packets.append(struct.pack(">cBH", b"$", 0, len(rtp)) + rtp)
        at += 18000 * picture
    return answers, packets


def looks():
    """The first byte is what fuzz_look.c takes it for: over what, how deep, with a snapshot."""
    cut, ok = b"\r\n~~~~\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: x/y\r\n"
    h264 = encode("h264")
    flv, ts = encode("flv", h264), encode("mpegts", h264)
    answers, packets = rtsp(h264)
    whole = b"".join(answers + packets)
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(flv[i:i + 300]), flv[i:i + 300]) for i in range(0, len(flv), 300))
    pieces = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:1.0,\n7.ts\n"
    streams = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=500000,RESOLUTION=704x576\nsub/l.m3u8\n"
    hls = [ok + b"Content-Length: %d\r\n\r\n%s" % (len(b), b) for b in (streams, pieces, ts)]
    for depth in (0, 3, 6, 0x80 + 1, 0x80 + 7):
        over = depth % 3
        yield bytes([depth]) + (whole if over == 0 else ok + b"\r\n" + flv)
    yield bytes([3]) + b"".join(answers[1:] + packets)
    yield bytes([0]) + b"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://u:p@127.0.0.2/\r\n\r\n"
    yield bytes([0]) + b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n" + whole
    yield bytes([4]) + ok + b"Transfer-Encoding: chunked\r\n\r\n" + chunked + b"0\r\n\r\n"
    yield bytes([2]) + cut.join(hls[1:])
    yield bytes([5]) + cut.join(hls)
    yield bytes([8]) + cut.join(hls + hls[1:])


def main(out):
    write(out + "/look", list(looks()))
    write(out + "/cel", [c.encode() for c in CONDITIONS] + [b"\x80" + v.encode() for v in VALUES])
    write(out + "/rule", list(packs()))
    write(out + "/rule_lists", list(lists()))
    write(out + "/adapters", [bytes([a]) + t.encode() + b"\0" + p.encode() for a, t, p in MESSAGES])
    write(out + "/replay", [s.encode() for s in STORED])
    write(out + "/json", [p.encode() for _, _, p in MESSAGES])
    write(out + "/schedule", [b"zone: " + zone + b"\n" + text for zone in (b"Asia/Shanghai", b"America/New_York", b"-02:30")
                              for text in SCHEDULES])
    dialects = 11  # the first byte: dialect, and which of the three it is
    write(out + "/webhook", [bytes([kind * dialects + d]) + t.encode() for d in range(dialects)
                             for kind, texts in enumerate((ANSWERS, TEMPLATES, ALERTS)) for t in texts])
    write(out + "/probe", [t.encode() for t in LOOKS])
    write(out + "/look_parts", [t.encode() for t in LOOKED_AT] + [b"\x03\0\0\1\x67\0\0\1\x65", b"\x37\0\0\0\1\x65"])
    write(out + "/baseline", [bytes(8 * i for i in range(24)) + b.encode() for b in BASELINES])
    write(out + "/csv", [t.encode() for t in TABLES])


main(sys.argv[1])
