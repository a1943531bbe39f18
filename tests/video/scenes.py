#!/usr/bin/python3
"""Streams of generated streets, good ones and one for each fault: scenes.py [--out FOLDER] [--scenes N] [--only WHAT,…]

A scene is a still that ffmpeg's own sources make (fractals, automata, noise of several octaves, drawn houses, test
pictures), 1280×720, of which a camera sees 640×360. The camera adds what moves, light that changes, a clock, the noise
of its sensor, and x264 as cameras are set: 12.5 or 25 pictures a second, a keyframe each 2 s, VBR or CBR of 500 kbit/s,
10 s. By night it is dark, or grey by infrared, and noisier. Ten kinds of scenes twice; thresholds are tuned on the first
half of the kinds ("tune"), and the table of tests/bench/detect is about the other half ("report").

Files go to FOLDER/KIND-SEED-{day,night}/WHAT.mp4 (default: $XDG_CACHE_HOME/gridhub/scenes); what is there stays.
"""

import argparse
import fcntl
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

EDITION = "1"  # another one is made anew
W, H = 640, 360
SETS = ("day", "night")
HALVES = {
    "tune": ("park", "houses", "mandelbrot", "cells", "indoor"),
    "report": ("lane", "life", "corridor", "parking", "towers"),
}
SEEDS = (1, 2)


def perlin(rng, size="1280x720"):
    """Noise of four octaves: leaves, gravel, clouds. A chain that ends without a label."""
    parts = []
    for i, (w, h) in enumerate(((10, 6), (40, 23), (160, 90), (640, 360))):
        parts.append(f"color=gray:s={w}x{h},noise=alls=100:all_seed={rng.randrange(1, 10**6)},"
                     f"scale={size.replace('x', ':')}:flags=bicubic,format=gray[p{i}]")
    return ";".join(parts) + ";[p0][p1][p2][p3]mix=inputs=4:weights=6 4 3 2"


def boxes(rng, n, sizes, levels):
    """Drawn boxes: houses with windows, cars."""
    out = []
    for _ in range(n):
        w, h = rng.randint(*sizes[0]), rng.randint(*sizes[1])
        level = rng.randint(*levels)
        grey = f"0x{level:02x}{max(0, level - rng.randint(0, 30)):02x}{max(0, level - rng.randint(0, 40)):02x}"
        out.append(f"drawbox=x={rng.randrange(-40, 1280)}:y={rng.randrange(-20, 720)}:w={w}:h={h}:color={grey}:t=fill")
    return ",".join(out)


def over(base, rng, share):
    """A base with leaves on it."""
    return f"{base},scale=1280:720,format=gray[b];{perlin(rng)}[n];[b][n]blend=all_expr='A*{1 - share}+B*{share}'"


def still(kind, rng):
    houses = boxes(rng, 26, ((90, 300), (120, 400)), (50, 200)) + "," + boxes(rng, 90, ((12, 34), (14, 40)), (20, 235))
    cars = boxes(rng, 50, ((50, 110), (24, 60)), (20, 230))
    spot = rng.choice(((-0.743643887037151, -0.131825904205330, 0.004), (-0.1607, 1.0376, 0.03), (-1.7687788, -0.0017388, 0.01)))
    return {
        "park": perlin(rng) + ",eq=contrast=2.2",
        "houses": f"gradients=s=1280x720:c0=0xc0d0e0:c1=0x707070:x0=0:y0=0:x1=0:y1=719:seed={rng.randrange(999)},{houses}",
        "mandelbrot": over(f"mandelbrot=s=1280x720:start_x={spot[0]}:start_y={spot[1]}:start_scale={spot[2]}:end_scale={spot[2]}",
                           rng, 0.25),
        "cells": over(f"cellauto=s=320x180:rule={rng.choice((110, 30, 90))}:seed={rng.randrange(10**6)}:full=1,gblur=0.8",
                      rng, 0.55),
        "indoor": f"gradients=s=1280x720:nb_colors=6:seed={rng.randrange(999)},format=gray,"
                  + boxes(rng, 30, ((60, 260), (40, 200)), (60, 210)),
        "lane": over(f"gradients=s=1280x720:nb_colors=3:seed={rng.randrange(999)}," + boxes(rng, 40, ((20, 200), (60, 420)), (40, 200)),
                     rng, 0.35),
        "life": over(f"life=s=320x180:ratio=0.3:seed={rng.randrange(10**6)}:mold=20:life_color=0xe0e0e0:mold_color=0x404040,"
                     "trim=start_frame=60,setpts=PTS-STARTPTS,gblur=0.5", rng, 0.6),
        "corridor": over("color=gray:s=1280x720,geq=lum='128+70*sin(160/(0.3+hypot(X-640,Y-300)/160))+30*sin(8*atan2(Y-300,X-640))':cb=128:cr=128," + boxes(rng, 24, ((40, 160), (40, 260)), (40, 210)),
                         rng, 0.2),
        "parking": over(f"color=0x606060:s=1280x720,{cars},drawgrid=w=120:h=90:t=3:c=0xd0d0d0", rng, 0.2),
        "towers": over(f"testsrc2=s=1280x720,trim=start_frame=30,setpts=PTS-STARTPTS,format=gray,{houses}", rng, 0.2),
    }[kind]


def movers(rng, n, big=(1, 1)):
    """What moves: overlays of plain boxes on the chain [v0]; ends in [vN]."""
    sources, chain = [], []
    for i in range(n):
        w, h = int(rng.randint(14, 60) * big[0]), int(rng.randint(14, 46) * big[1])
        level = rng.choice((20, 45, 90, 190, 225))
        speed, start, y = rng.choice((-1, 1)) * rng.randint(20, 160), rng.randrange(0, 900), rng.randrange(60, 320)
        sources.append(f"color=0x{level:02x}{level:02x}{level:02x}:s={w}x{h}:r=@R@[m{i}]")
        x = f"mod({start}+{abs(speed)}*t\\,{W + 2 * w})-{w}"
        if speed < 0:
            x = f"{W}-({x})"
        chain.append(f"[v{i}][m{i}]overlay=x='{x}':y={y}:shortest=1[v{i + 1}]")
    return ";".join(sources + chain), f"[v{n}]"


def veil(kind, rng):
    """Weather, as light over black; label [veil]."""
    if kind == "rain":
        return (f"color=black:s={W}x{H}:r=@R@,noise=c0s=70:c0f=t:all_seed={rng.randrange(10**6)},lutyuv=y='if(gt(val\\,44)\\,140\\,16)',"
                "avgblur=sizeX=1:sizeY=14,lutyuv=y='min(235\\,16+(val-16)*2.2)'[veil]")
    if kind == "snowfall":
        return (f"color=black:s=160x90:r=@R@,noise=c0s=70:c0f=t:all_seed={rng.randrange(10**6)},lutyuv=y='if(gt(val\\,46)\\,230\\,16)',"
                f"scale={W}:{H}:flags=bicubic,gblur=1[veil]")
    x, y = rng.randrange(100, 500), rng.randrange(120, 300)  # headlights
    return (f"color=black:s={W}x{H}:r=@R@,drawbox=x={x}:y={y}:w=70:h=60:c=white:t=fill,drawbox=x={x + 120}:y={y}:w=70:h=60:c=white:t=fill,"
            "gblur=28,lutyuv=y='min(235\\,16+(val-16)*2.4)'[veil]")


class Scene:
    def __init__(self, kind, seed, night):
        self.kind, self.seed, self.night = kind, seed, night
        self.index = [k for ks in HALVES.values() for k in ks].index(kind) * 2 + seed - 1
        rng = self.rng("camera")
        self.name = f"{kind}-{seed}-{SETS[night]}"
        self.rate, self.gop = ("25", 50) if self.index % 4 == 0 else ("12.5", 25)
        self.cbr = self.index % 3 == 1
        self.x, self.y = rng.randrange(120, 400), rng.randrange(60, 240)
        self.noise = (rng.randint(7, 14) if night else rng.randint(2, 6))
        self.infrared = night and self.index % 2 == 0
        self.clock = self.index % 5 != 0

    def rng(self, what):
        return random.Random(f"{self.kind} {self.seed} {what}")

    def dusk(self):
        if not self.night:
            return "null"
        if self.infrared:
            return "hue=s=0,eq=gamma=0.75:contrast=0.85,vignette=PI/3.4"
        lamps = self.rng("lamps")
        return "eq=gamma=0.55:contrast=0.6:brightness=-0.17," + ",".join(
            f"drawbox=x={lamps.randrange(20, 600)}:y={lamps.randrange(10, 200)}:w=16:h=10:c=0xf0f0c0:t=fill" for _ in range(3))

    def osd(self):
        return "drawtext=text='2026-03-02 %{pts\\:hms}':x=430:y=8:fontsize=16:fontcolor=white:box=1:boxcolor=black@0.4" if self.clock else "null"

    def light(self, what):
        phase = self.rng(what).uniform(0, 6)
        depth = {"quiet": 0, "later": 0.12, "sun": 0.10}.get(what, 0.05)
        return f"eq=brightness='{depth}*sin({phase:.2f}+0.6*t)':contrast='1+{depth}*sin(1+{phase:.2f}+t)':eval=frame"

    def view(self, what):
        """Where the camera looks; knocked by a ladder it looks elsewhere."""
        rng = self.rng(what)
        if what != "moved":
            return f"crop={W}:{H}:{self.x}:{self.y}"
        way = rng.randrange(3)
        if way == 0:  # turned
            dx = rng.choice((-1, 1)) * rng.randint(110, 240)
            return f"crop={W}:{H}:{min(max(self.x + dx, 0), 640)}:{min(max(self.y + dx // 3, 0), 360)}"
        if way == 1:  # tilted
            return f"rotate={rng.choice((-1, 1)) * rng.uniform(0.22, 0.5):.3f}:ow=iw:oh=ih,crop={W}:{H}:{self.x}:{self.y}"
        return f"crop={W}:{H}:{640 - self.x}:{360 - self.y},hflip"  # pushed to the other side

    def fault(self, what):
        """What happens before the lens or in it, on a chain of 640×360."""
        rng = self.rng(what)
        side = rng.randrange(4)
        half = ((0, 0, 0.55, 1), (0.45, 0, 0.55, 1), (0, 0, 1, 0.55), (0, 0.45, 1, 0.55))[side]
        dark = "0x" + 3 * f"{rng.choice((12, 30, 60, 120)):02x}"
        return {
            "blurred": f"gblur={rng.uniform(3, 7):.1f}",
            "half": f"drawbox=x=iw*{half[0]}:y=ih*{half[1]}:w=iw*{half[2]}:h=ih*{half[3]}:c={dark}:t=fill",
            "lorry": f"drawbox=x=iw*{rng.choice((0, 0.15, 0.3))}:y=ih*0.05:w=iw*0.7:h=ih:c={dark}:t=fill,"
                     f"drawbox=x=iw*0.3:y=ih*0.3:w=iw*0.2:h=ih*0.12:c=0xa0a0a0:t=fill",
            "fog": "eq=contrast=0.5:brightness=0.12,gblur=0.9",
            "covered": (f"gblur=70,eq=contrast=0.12:brightness={rng.uniform(-0.25, 0.15):.2f}",  # a bag
                        f"gblur=50,eq=contrast=0.2:brightness={rng.uniform(-0.3, 0.1):.2f},vignette=PI/6",  # paint
                        f"eq=contrast=0.03:brightness={rng.uniform(-0.3, 0.2):.2f},gblur=25")[side % 3],
            "white": f"eq=contrast=0.15:brightness=0.75" if side % 2 else "lutyuv=y='min(235\\,val+215)'",
            "sun": f"drawbox=x=0:y=0:w=iw*{rng.uniform(0.2, 0.5):.2f}:h=ih:c=black@0.35:t=fill",
        }.get(what, "null")

    def whole(self, what):
        """Faults that leave nothing of the scene: a source, or None."""
        rng = self.rng(what)
        source = {
            "black": "color=black", "solid": ("color=0x1020c0", "smptebars", "color=0x808080", "pal75bars")[rng.randrange(4)],
        }.get(what)
        if not source:
            return None
        sensor = f"noise=c0s={rng.randint(1, 3)}:c0f=t" if what == "black" and rng.randrange(2) else "null"
        return f"{source}{':' if '=' in source else '='}s={W}x{H}:r={self.rate},{sensor},{self.osd() if what == 'black' and rng.randrange(2) else 'null'},format=yuv420p[out]"

    def graph(self, what):
        if self.whole(what):
            return self.whole(what)
        rng = self.rng(what)
        move, end = movers(rng, {"quiet": 0, "crowd": 22}.get(what, 4), (1, 1))
        chain = [f"[0:v]{self.view(what)},format=yuv420p,loop=loop=-1:size=1,setpts=N/({self.rate}*TB)[v0]"] + ([move] if move else [])
        weather = what in ("rain", "snowfall", "headlights")
        chain.append(f"{end}{self.light(what)},{self.dusk()},{self.fault(what)},format=yuv420p[seen]")
        seen = "[seen]"
        if weather:
            chain += [veil(what, rng) .replace("[veil]", ",format=yuv420p[veil]"), "[seen][veil]blend=c0_mode=screen:c1_mode=normal:c2_mode=normal:shortest=1[wet]"]
            seen = "[wet]"
        noise = f"noise=c0s={100 if what == 'snow' else self.noise}:c0f=t:all_seed={rng.randrange(10**6)}"
        if what == "snow":
            noise += "," + f"noise=c0s=100:c0f=t+u:all_seed={rng.randrange(10**6)}"
        freeze = ",trim=end_frame=1,loop=loop=-1:size=1,setpts=N/FRAME_RATE/TB" if what == "frozen" else ""
        rate = ",fps=4" if what == "lowfps" else ""
        size = ",scale=352:288" if what == "format" and self.index % 2 else ""
        chain.append(f"{seen}{noise},{self.osd()}{freeze}{rate}{size},format=yuv420p[out]")
        return ";".join(chain).replace("@R@", self.rate)

    def encoder(self, what):
        codec = "libx265" if what == "format" and self.index % 2 == 0 else "libx264"
        gop = 8 if what == "lowfps" else self.gop
        kbps = 24 if what == "thin" else 500
        args = ["-c:v", codec, "-preset", "superfast", "-g", str(gop), "-keyint_min", str(gop)]
        args += ["-x265-params", "log-level=none:pools=none:frame-threads=1:scenecut=0"] if codec == "libx265" else ["-sc_threshold", "0", "-bf", "0"]
        if self.cbr or what == "thin":
            return args + ["-b:v", f"{kbps}k", "-maxrate", f"{kbps}k", "-bufsize", f"{kbps * 2}k"]
        return args + ["-crf", "27", "-maxrate", "900k", "-bufsize", "1800k"]


GOOD = ("normal", "later", "quiet", "rain", "snowfall", "fog", "crowd", "sun", "lorry", "headlights")
FAULTS = ("black", "white", "solid", "covered", "blurred", "snow", "moved", "half", "frozen", "lowfps", "thin", "format")
ALL = GOOD + FAULTS


def run(args):
    subprocess.run(["nice", "-n", "5", "ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-threads", "1",
                    "-filter_complex_threads", "1"] + args, check=True)


def make(scene, what, out):
    path = out / scene.name / f"{what}.mp4"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    base = out / f"{scene.kind}-{scene.seed}.png"
    part = path.with_suffix(f".{os.getpid()}.part.mp4")
    seconds = "24" if what == "frozen" else "10"
    run(["-i", str(base), "-filter_complex", scene.graph(what), "-map", "[out]", "-t", seconds]
        + scene.encoder(what) + ["-threads", "1", "-movflags", "+faststart", str(part)])
    if what == "frozen":  # an encoder that has seen nothing else for a while
        later = part.with_suffix(".later.mp4")
        run(["-ss", "14", "-i", str(part), "-c", "copy", str(later)])
        later.rename(part)
    part.rename(path)
    return path


def base(kind, seed, out):
    path = out / f"{kind}-{seed}.png"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}.part.png")
        graph = still(kind, random.Random(f"{kind} {seed}"))
        run(["-filter_complex", graph + ",scale=1280:720,format=yuv420p[out]", "-map", "[out]", "-frames:v", "1", str(part)])
        part.rename(path)


def scenes(halves=tuple(HALVES), seeds=SEEDS, sets=SETS):
    return [Scene(kind, seed, SETS.index(s)) for half in halves for kind in HALVES[half] for seed in seeds for s in sets]


def make_all(out, chosen, whats, jobs=2):
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "lock", "w", encoding="ascii") as lock, ThreadPoolExecutor(jobs) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)  # others wait, and find them
        list(pool.map(lambda k: base(*k, out), sorted({(s.kind, s.seed) for s in chosen})))
        list(pool.map(lambda a: make(a[0], a[1], out), [(s, w) for s in chosen for w in whats]))


def cache():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gridhub" / f"scenes-{EDITION}"


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--out", type=Path, default=cache())
    p.add_argument("--half", choices=tuple(HALVES))
    p.add_argument("--kinds", type=int, default=99, help="of each half")
    p.add_argument("--only", default=",".join(ALL), help="what to make, with commas")
    a = p.parse_args()
    kinds = {k for half in HALVES.values() for k in half[:a.kinds]}
    chosen = [s for s in scenes((a.half,) if a.half else tuple(HALVES)) if s.kind in kinds]
    make_all(a.out, chosen, a.only.split(","))
    print(a.out)


if __name__ == "__main__":
    sys.exit(main())
