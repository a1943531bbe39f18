#!/usr/bin/python3
"""Pages: links lead somewhere, and the front pages stay short."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINES_MAX = {"README.md": 120, "README.zh.md": 120}


def pages():
    skip = {"build", "var", ".git"}
    return sorted(p for p in ROOT.rglob("*.md") if not skip & set(p.relative_to(ROOT).parts))


def anchors(path):
    """GitHub's anchors of the headings."""
    for line in path.read_text().splitlines():
        found = re.match(r"#+ (.*)", line)
        if found:
            yield re.sub(r"[^\w\- ]", "", found[1].strip().lower()).replace(" ", "-")


def main():
    bad, links = [], 0
    for page in pages():
        name = str(page.relative_to(ROOT))
        text = page.read_text()
        if len(text.splitlines()) > LINES_MAX.get(name, 1000):
            bad.append(f"{name}: {len(text.splitlines())} lines, at most {LINES_MAX[name]}")
        text = re.sub(r"```.*?```", "", text, flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            links += 1
            path, _, anchor = target.partition("#")
            full = (page.parent / path) if path else page
            if not full.exists():
                bad.append(f"{name}: link to {target}, which does not exist")
            elif anchor and anchor not in anchors(full):
                bad.append(f"{name}: link to {target}: no such heading")
    for script in ["quickstart", "tests/run"]:
        done = subprocess.run([str(ROOT / script), "--help"], capture_output=True, text=True, check=False)
        if done.returncode != 0 or "usage:" not in done.stdout:
            bad.append(f"{script} --help: exit {done.returncode}")
    print(f"{links} links in {len(pages())} pages")
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
