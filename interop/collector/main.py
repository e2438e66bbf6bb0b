"""Spans as a real collector of OpenTelemetry takes them; see ../collector.sh. Arguments: the mox binary, the collector, and
a word that names of cases must have."""
import hashlib
import json
import os
import sys
import time

from local import Local, background
from trial import ROOT, Trial, check, layers, read, sh, wait, write

mox, program, only = sys.argv[1:4]
trial = Trial("collector-")


class Collector:
    """Takes OTLP and writes a line of JSON for each request to a file."""

    def __init__(self, name):
        self.dir, self.process = f"{ROOT}/{name}", None
        write(self.dir + "/config.yaml", f"""
receivers:
  otlp:
    protocols:
      http: {{endpoint: 127.0.0.1:4318}}
exporters:
  file: {{path: {self.dir}/spans.json, flush_interval: 100ms, append: true}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
""")

    def start(self):
        self.process = background(self.dir + "/log", program, "--config", self.dir + "/config.yaml")
        wait("collector", 30, lambda: "Everything is ready" in read(self.dir + "/log"))

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        os.remove(self.dir + "/log")

    def spans(self):
        spans = []
        for line in read(self.dir + "/spans.json").splitlines():
            for resource in json.loads(line)["resourceSpans"]:
                about = attributes(resource["resource"])
                check(about["service.name"] == "mox" and about["host.name"] and about["service.version"], about)
                for scope in resource["scopeSpans"]:
                    check(scope["scope"]["name"] == "mox", scope["scope"])
                    spans += scope["spans"]
        return spans


def attributes(of):
    return {a["key"]: next(iter(a["value"].values()), "") for a in of.get("attributes", [])}


def trace(number):
    """The trace of a message: docs/monitoring.md."""
    return hashlib.sha256(f"message {number}@test.example".encode()).hexdigest()[:32]


def names(spans, number):
    return {s["name"] for s in spans if s["traceId"] == trace(number)}


def well_formed(spans):
    """Each id once; parents are there, in the same trace, and around their parts; what is under way is a root."""
    ids = {s["spanId"]: s for s in spans}
    check(len(ids) == len(spans), "a span came twice")
    for s in spans:
        check(len(s["traceId"]) == 32 and int(s["traceId"], 16) and len(s["spanId"]) == 16 and int(s["spanId"], 16), s)
        check(int(s["startTimeUnixNano"]) <= int(s["endTimeUnixNano"]) <= time.time_ns(), s)
        if parent := s.get("parentSpanId"):
            check(parent in ids and ids[parent]["traceId"] == s["traceId"], f"no parent: {s}")
            check(int(ids[parent]["startTimeUnixNano"]) <= int(s["startTimeUnixNano"]), f"before its parent: {s}")
        check((s["name"] in ("receive", "submit", "send")) <= (not parent), f"{s['name']} has a parent")
    check("@" not in json.dumps(spans), "spans have an address")
    return ids


def all_sent(server, collector):
    """What the server says it has sent is there, and nothing was refused or dropped."""
    def arrived():
        return len(collector.spans()) == server.metric("mox_tracing_spans_total", result="sent") > 0
    wait("all that was sent", 20, arrived)
    for result in ("refused", "dropped"):
        check(server.metric("mox_tracing_spans_total", result=result) == 0, f"spans were {result}")


def case_spans():
    """Reception and submission, a trace for each message with all that belongs to it."""
    collector, server = Collector("spans"), Local(mox, ROOT + "/spans-mox")
    server.add("Tracing:\n\tEndpoint: http://127.0.0.1:4318\n\tIMAPAfter: 1ns\n")
    collector.start()
    server.start()
    try:
        server.receive("received")
        server.submit("submitted", "mox+tag@localhost")
        sh("curl", "-sS", "--user", "mox@localhost:moxmoxmox", "imap://127.0.0.1:1143/INBOX", "-X", "SEARCH SUBJECT x")
        wanted = {"received": {"receive", "judge", "deliver"}, "submitted": {"submit", "sign", "queue", "deliver"}}
        for number, some in wanted.items():
            wait(f"spans of {number}: {some}", 30, lambda number=number, some=some: some <= names(collector.spans(), number))
        wait("a span of IMAP", 30, lambda: any(s["name"].startswith("IMAP SEARCH") for s in collector.spans()))
        all_sent(server, collector)
        spans = collector.spans()
        ids = well_formed(spans)
        for s in spans:
            if s["name"] in ("judge", "sign"):
                check(ids[s["parentSpanId"]]["name"] == {"judge": "receive", "sign": "submit"}[s["name"]], s)
        kinds = {s["name"]: s["kind"] for s in spans}
        check(kinds["receive"] == kinds["submit"] == 2, kinds)
        # The connection id is that of the log.
        receive = next(s for s in spans if s["name"] == "receive")
        check(f"cid={attributes(receive)['mox.cid']} " in server.log(), attributes(receive))
        return f"{len(spans)} spans: " + ", ".join(sorted(kinds))
    finally:
        collector.stop()
        server.kill()


def case_attempts():
    """A message that cannot be sent: each attempt is a span of its trace, of kind client, with the error."""
    collector, server = Collector("attempts"), Local(mox, ROOT + "/attempts-mox")
    server.sends()
    server.add("Tracing:\n\tEndpoint: http://127.0.0.1:4318\n")
    collector.start()
    server.start()
    try:
        server.submit("attempted", "somebody@remote.example")
        sends = lambda: [s for s in collector.spans() if s["name"] == "send" and s["traceId"] == trace("attempted")]
        wait("two attempts", 60, lambda: len(sends()) >= 2)
        check({"submit", "queue"} <= names(collector.spans(), "attempted"), "no submission in the trace")
        for n, s in enumerate(sends(), 1):
            about = attributes(s)
            check(s["kind"] == 3 and s["status"]["code"] == 2 and s["status"]["message"], s)
            check(about["attempt"] == str(n) and about["recipient.domain"] == "remote.example", about)
        well_formed(collector.spans())
    finally:
        collector.stop()
        server.kill()


def case_down():
    """A collector that is not there at first, goes away and comes back: mail does not wait, and no span is lost or doubled."""
    collector, server = Collector("down"), Local(mox, ROOT + "/down-mox")
    server.add("Tracing:\n\tEndpoint: http://127.0.0.1:4318\n")
    server.start()
    try:
        for number, again in (("first", False), ("second", True)):
            if again:
                collector.stop()
            start = time.monotonic()
            server.receive(number)
            check(time.monotonic() - start < 5, "mail waits for the collector")
            wait("a warning", 30, lambda n=2 if again else 1: server.log().count('m="sending spans') == n)
            collector.start()
            wait("spans from before", 60, lambda number=number: "receive" in names(collector.spans(), number))
            wait("good news", 10, lambda n=2 if again else 1: server.log().count("takes them again") == n)
        all_sent(server, collector)
        well_formed(collector.spans())
        # What waits when the server stops is sent.
        server.receive("last")
        server.stop()
        wait("spans of the end", 10, lambda: "receive" in names(collector.spans(), "last"))
        well_formed(collector.spans())
    finally:
        collector.stop()
        server.kill()


layers()
sh("ip", "link", "set", "lo", "up")
for name, case in [("spans", case_spans), ("attempts", case_attempts), ("down", case_down)]:
    if only in trial.prefix + name:
        trial.run(name, case)
