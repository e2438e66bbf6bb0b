"""Asks a Prometheus, whose job "mox" has a server and a port where nothing is.

    ask.py http://127.0.0.1:19090 dashboard.json
"""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

base, dashboard = sys.argv[1:]


def get(path, **parameters):
    try:
        with urllib.request.urlopen(base + path + "?" + urllib.parse.urlencode(parameters), timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as e:
        return json.load(e)


def until(what, condition):
    """Waits until a condition holds, 30 seconds at most."""
    for _ in range(60):
        if condition():
            return
        time.sleep(0.5)
    raise SystemExit("waited for: " + what)


def query(expr):
    answer = get("/api/v1/query", query=expr)
    assert answer["status"] == "success", (expr, answer)
    return answer["data"]["result"]


def rules():
    return [rule for group in get("/api/v1/rules")["data"]["groups"] for rule in group["rules"]]


until("the server's metrics", lambda: len(query('up{job="mox",instance="127.0.0.1:1081"} == 1')) == 1)
until("all rules", lambda: len(rules()) >= 20 and all(rule["health"] == "ok" for rule in rules()))
until("mox-down", lambda: "127.0.0.1:1" in [a["labels"]["instance"] for rule in rules() if rule["name"] == "mox-down" for a in rule["alerts"]])
for rule in rules():
    for alert in rule["alerts"]:
        if alert["labels"]["instance"] == "127.0.0.1:1081" and rule["name"] in ("mox-down", "mox-panic", "mox-no-deliveries"):
            raise SystemExit(f"fires for a server that is well: {alert}")
time.sleep(3)  # for rates, more than one sample

empty, asked = [], 0
for panel in json.load(open(dashboard))["panels"]:
    for target in panel.get("targets", []):
        expr = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")
        asked += 1
        if not query(expr):
            empty.append(panel["title"])
print(f"{asked} queries; without an answer yet: {', '.join(empty) or 'none'}")
# What any server has: an empty answer to these is a query that is wrong.
for title in ("Log lines at error and warn", "Memory", "Open files", "Messages on hold", "Time until certificates end"):
    if title in empty:
        raise SystemExit("no data in panel " + title)
