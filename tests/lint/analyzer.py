#!/usr/bin/python3
"""gcc -fanalyzer over every file of hub/ and adapters/, with the flags of the build in argv[1]. Any warning fails.

Off: what gcc 12 gets wrong on sound code. It does not see that a function which returned 0 has set its outputs, and so
takes each `ret_…` for uninitialised or NULL. Leaks, double frees, use after free and file descriptors stay on.
"""

import concurrent.futures
import json
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OFF = ["-Wno-analyzer-use-of-uninitialized-value", "-Wno-analyzer-null-dereference"]


def analyse(entry):
    argv = [a for a in shlex.split(entry["command"]) if a not in ("-Werror",)]
    at = argv.index("-o")
    del argv[at:at + 2]
    argv += ["-fanalyzer", "-S", "-o", "/dev/null", *OFF]
    done = subprocess.run(argv, cwd=entry["directory"], capture_output=True, text=True, check=False)
    return entry["file"], done.returncode, done.stderr


def main():
    entries = json.loads((ROOT / sys.argv[1] / "compile_commands.json").read_text())
    ours = [e for e in entries if Path(e["file"]).relative_to(ROOT).parts[0] in ("hub", "adapters")]
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, code, text in pool.map(analyse, ours):
            if code != 0 or "warning:" in text:
                bad += 1
                print(f"{name}:\n{text}")
    print(f"{len(ours)} files, {bad} with warnings")
    return 1 if bad or not ours else 0


if __name__ == "__main__":
    sys.exit(main())
