#!/usr/bin/python3
"""Include order, one module a library, and the lengths of functions and files.

SOURCES in CMakeLists.txt is the order of modules: a file includes headers of its own module and of those before it.
A module is NAME.c with its NAME_*.c in a folder of hub/, or a folder of adapters; its place is that of its first file.
No two headers of hub/ have one name, for they are included by it alone.
A header without a .c of its own stands where the first module that needs it stands, so it is checked through that.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTION_MAX, SOURCE_MAX, HEADER_MAX = 60, 620, 150  # the aim is 40, 600 and 120

# Each third-party header belongs to one module: (pattern, modules that may include it).
LIBRARIES = [
    (r"jansson", ("json",)),
    (r"yaml\.h", ("yaml",)),
    (r"xxhash", ("base",)),
    (r"libpq|postgres", ("pg",)),
    (r"MQTT", ("mqtt",)),
    (r"curl/", ("sender",)),
    (r"microhttpd", ("http",)),
    (r"pcre2", ("cel",)),
    (r"openssl/(ssl|err|x509v3)\.h", ("tls",)),
    (r"openssl/", ("crypto",)),
    (r"systemd/", ("ready",)),
    (r"libav(format|codec|util)/|libswscale/", ("look",)),
]
C_AND_POSIX = re.compile(
    r"(assert|ctype|errno|fcntl|float|inttypes|limits|locale|math|poll|pthread|sched|setjmp|signal|stdalign|stdarg|"
    r"stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|syslog|termios|time|unistd|getopt|dirent|"
    r"endian|fnmatch|glob|libgen|malloc|netdb|spawn|regex|search|semaphore|sysexits|uchar|wchar)\.h$|(sys|netinet|arpa|net|linux)/")


def order():
    text = (ROOT / "CMakeLists.txt").read_text()
    found = re.search(r"^set\(SOURCES\n(.*?)^\)", text, re.S | re.M)
    if not found:
        sys.exit("layers: no set(SOURCES …) in CMakeLists.txt")
    return [line.strip() for line in found[1].splitlines() if line.strip() and not line.strip().startswith("#")]


def module(path):
    """hub/notify/notify_job.c → notify, adapters/device/hub.c → adapters/device"""
    if path.startswith("adapters/"):
        return path.rsplit("/", 1)[0]
    return re.sub(r"(_\w+)?\.\w+$", "", path.rsplit("/", 1)[1])


def includes(path):
    for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^">]+)[">]', line)
        if found:
            yield number, found[1] == '"', found[2]


def header(name, target, headers):
    """The file that `#include "target"` in the file `name` means, as a path from the root."""
    for path in (str(Path(name).parent / target), target, headers.get(target, "")):
        if path and (ROOT / path).is_file():
            return path
    return None


def check_order(sources, complain):
    headers = {}
    for path in sorted(ROOT.glob("hub/*/*.h")):
        if path.name in headers:
            complain(f"{path.relative_to(ROOT)}: {headers[path.name]} has the same name")
        headers[path.name] = str(path.relative_to(ROOT))
    rank = {}
    for path in sources:
        rank.setdefault(module(path), len(rank))
    checked = 0
    for path in sources:
        own = rank[module(path)]
        files = [path] + [h for h in [path[:-1] + "h"] if (ROOT / h).exists()]
        seen = set()
        while files:  # headers without a .c are looked through
            name = files.pop()
            if name in seen:
                continue
            seen.add(name)
            checked += 1
            for number, quoted, target in includes(name):
                if not quoted:
                    continue
                other = header(name, target, headers)
                if not other:
                    continue  # generated (sql.h), checked by the compiler
                if module(other) not in rank:
                    files.append(other)
                elif rank[module(other)] > own:
                    complain(f"{name}:{number}: includes {other}, whose module stands after {module(path)} in SOURCES")
    return checked


def check_listed(sources, complain):
    known = set(sources)
    for path in sorted([*ROOT.glob("hub/**/*.c"), *ROOT.glob("adapters/*/*.c")]):
        name = str(path.relative_to(ROOT))
        if name not in known and not re.match(r"hub/(main|cmd/cmd(_\w+)?)\.c$", name):
            complain(f"{name}: stands in no list of CMakeLists.txt")


def check_libraries(complain):
    for path in sorted([*ROOT.glob("hub/**/*.[ch]"), *ROOT.glob("adapters/*/*.[ch]")]):
        name = str(path.relative_to(ROOT))
        for number, quoted, target in includes(name):
            if quoted or C_AND_POSIX.match(target):
                continue
            owners = [mods for pattern, mods in LIBRARIES if re.search(pattern, target)]
            if not owners:
                complain(f"{name}:{number}: <{target}> is of no library that tests/lint/layers.py knows")
            elif module(name) not in owners[0]:
                complain(f"{name}:{number}: <{target}> belongs to {' and '.join(owners[0])} alone")


def functions(path):
    """(name, line, length) of each function: from the line of its `{` in column 0 to its `}` in column 0."""
    lines = (ROOT / path).read_text().splitlines()
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line == "}" and start is not None:
            head = next((lines[j] for j in range(start - 1, -1, -1) if re.match(r"\w", lines[j])), "?")
            name = re.search(r"(\w+)\s*\(", head)
            yield (name[1] if name else head), start + 1, i - start + 1
            start = None


def check_lengths(complain):
    longest = ("", 0)
    lines = {}
    for path in sorted([*ROOT.glob("hub/**/*.[ch]"), *ROOT.glob("adapters/*/*.[ch]")]):
        name = str(path.relative_to(ROOT))
        count = len((ROOT / name).read_text().splitlines())
        lines[name] = count
        limit = SOURCE_MAX if name.endswith(".c") else HEADER_MAX
        if count > limit:
            complain(f"{name}: {count} lines, at most {limit}")
        for function, at, length in functions(name):
            if length > FUNCTION_MAX:
                complain(f"{name}:{at}: {function}: {length} lines, at most {FUNCTION_MAX}")
            if length > longest[1]:
                longest = (f"{name}:{at} {function}", length)
    return lines, longest


def main():
    bad = []
    sources = order()
    checked = check_order(sources, bad.append)
    check_listed(sources, bad.append)
    check_libraries(bad.append)
    lines, longest = check_lengths(bad.append)
    modules = {}
    for name, count in lines.items():
        modules[module(name)] = modules.get(module(name), 0) + count
    for name, count in sorted(modules.items()):
        print(f"{count:6d} {name}")
    print(f"{sum(lines.values()):6d} lines in all; {checked} files in order; longest function: "
          f"{longest[0]}, {longest[1]} lines")
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
