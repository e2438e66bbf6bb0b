"""What the trials of reception and of sending have in common: checking and waiting, running
programs, and showing how each case went."""
import glob
import os
import subprocess
import threading
import time
import traceback

ROOT = "/mnt/interop"


class Failed(Exception):
    """A case did not go as it should."""


def check(cond, what):
    if not cond:
        raise Failed(what)


def wait(what, seconds, condition):
    """Waits until condition returns something that is true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s for {what}")
        time.sleep(0.1)


def sh(*args, status=0, timeout=60, **kw):
    p = subprocess.run(args, capture_output=True, text=True, timeout=timeout, errors="replace", **kw)
    if p.returncode != status:
        raise Failed(f"{' '.join(args)}: status {p.returncode}: {p.stdout}{p.stderr}")
    return p.stdout


def read(path):
    """The content of a file, nothing if there is none."""
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def layers():
    """Puts layers over what will be written to, which go away with the namespace, and makes
    the directory ROOT."""
    sh("mount", "--make-rprivate", "/")
    sh("mount", "-t", "tmpfs", "interop", "/mnt")
    for d in ("etc", "var", "run", "usr"):
        upper, work = f"/mnt/layers/{d}/upper", f"/mnt/layers/{d}/work"
        os.makedirs(upper)
        os.makedirs(work)
        sh("mount", "-t", "overlay", "-o", f"lowerdir=/{d},upperdir={upper},workdir={work}", "overlay", f"/{d}")
    os.mkdir(ROOT)


def user(name, uid, home="/"):
    """Adds a user and a group, until the end."""
    for path, line in (("/etc/passwd", f"{name}:x:{uid}:{uid}::{home}:/bin/false\n"), ("/etc/group", f"{name}:x:{uid}:\n")):
        with open(path) as f:
            if any(l.startswith(name + ":") for l in f):
                continue
        with open(path, "a") as f:
            f.write(line)


def unpack(parts, package, *patterns):
    """Puts files of a package that was unpacked below parts where they belong."""
    root = f"{parts}/{package}"
    for p in patterns:
        found = glob.glob(root + p)
        check(found, f"{package} has no {p}")
        for f in found:
            to = f.removeprefix(root)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            sh("cp", "-a", f, to)


class Trial:
    """Runs cases, from several threads, and shows how they went under names that begin with
    prefix."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.printing = threading.Lock()

    def show(self, *lines):
        with self.printing:
            print(*lines, sep="\n", flush=True)

    def run(self, name, function, *args):
        start = time.monotonic()
        try:
            note = function(*args)
        except Exception as e:
            trace = traceback.format_exc().splitlines()
            self.show(f"FAIL  {self.prefix}{name}", *["      " + l for l in (trace[-8:] + str(e).splitlines())[-60:]])
            return False
        self.show(f"ok    {self.prefix}{name} ({time.monotonic() - start:.0f} s)" + (f": {note}" if note else ""))
        return True
