"""compose.py FILE SERVICE prints the arguments, a line each, with which "podman run" makes the container
that "docker compose" would make of a service of packaging/*.yaml, but for its network if that is a bridge, its
restarts and its name. Fields that it does not know are errors."""
import os
import re
import sys

import yaml


def variable(m):
    name, kind, text = m.groups()
    value = os.environ.get(name, "")
    if value or not kind:
        return value
    if kind == ":?":
        sys.exit(f"compose.py: {name}: {text}")
    return text


file, service = sys.argv[1:]
with open(file) as f:
    s = yaml.safe_load(re.sub(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}", variable, re.sub(r"(?m)^\s*#.*$", "", f.read())))["services"][service]
args = []
for key, v in s.items():
    match key:
        case "image" | "command" | "restart" | "networks":
            pass
        case "network_mode":
            args += ["--network", v]
        case "user":
            args += ["--user", v]
        case "read_only":
            args += ["--read-only", "--read-only-tmpfs=false"] if v else []
        case "volumes" | "cap_drop" | "cap_add" | "security_opt" | "tmpfs":
            flag = {"volumes": "--volume", "tmpfs": "--tmpfs"}.get(key, "--" + key.replace("_", "-"))
            for item in v:
                args += [flag, re.sub(r"^\.", os.getcwd(), item)]
        case "environment" | "sysctls":
            for name, value in v.items():
                args += ["--env" if key == "environment" else "--sysctl", f"{name}={value}"]
        case "ports":  # of a bridge
            pass
        case _:
            sys.exit(f"compose.py: {file} has {key}, which is not known here")
print(*args, s["image"], sep="\n")
