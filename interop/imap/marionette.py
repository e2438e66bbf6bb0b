"""Drives Thunderbird by Marionette: a script runs in the program, with its privileges."""
import json
import os
import socket
import subprocess
import time


class Failed(Exception):
    """A script threw, or the program said no."""


class Marionette:
    """A connection. A message is its length, a colon and JSON: [0, id, name, parameters] from
    us, [1, id, error, result] from the program."""

    def __init__(self, port, seconds=60):
        end = time.monotonic() + seconds
        while True:
            try:
                self.sock = socket.create_connection(("127.0.0.1", port), timeout=180)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        self.buffer, self.id = b"", 0
        self.receive()
        self.call("WebDriver:NewSession", {})
        self.call("Marionette:SetContext", {"value": "chrome"})
        self.call("WebDriver:SetTimeouts", {"script": 100_000})

    def receive(self):
        while b":" not in self.buffer:
            self.more()
        n, _, self.buffer = self.buffer.partition(b":")
        while len(self.buffer) < int(n):
            self.more()
        data, self.buffer = self.buffer[: int(n)], self.buffer[int(n) :]
        return json.loads(data)

    def more(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise Failed("Thunderbird closed the connection")
        self.buffer += data

    def call(self, name, parameters):
        self.id += 1
        data = json.dumps([0, self.id, name, parameters]).encode()
        self.sock.sendall(b"%d:%s" % (len(data), data))
        while True:
            kind, number, error, result = self.receive()
            if kind == 1 and number == self.id:
                if error:
                    raise Failed(f"{name}: {error.get('error')}: {error.get('message')}\n{error.get('stacktrace', '')}")
                return result

    def run(self, script, *args):
        """Runs the body of an async function, and returns what it returns."""
        body = """const done = arguments[arguments.length - 1], args = Array.from(arguments).slice(0, -1);
            const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
            (async () => {%s})().then(v => done({ value: v === undefined ? null : v }), e => done({ error: String(e) + "\\n" + (e && e.stack) }));""" % script
        r = self.call("WebDriver:ExecuteAsyncScript", {"script": body, "args": list(args), "sandbox": "system", "newSandbox": False})
        v = r.get("value") or {}
        if "error" in v:
            raise Failed(v["error"])
        return v.get("value")


class Thunderbird:
    """The program with a profile of its own, without a screen."""

    def __init__(self, profile, prefs, port, log):
        os.makedirs(profile)
        with open(profile + "/user.js", "w") as f:
            for name, value in prefs.items():
                f.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
        env = dict(os.environ, HOME=profile, MOZ_HEADLESS="1", MOZ_MARIONETTE="1", TB_NO_PROXY="1", MOZ_DISABLE_CONTENT_SANDBOX="1")
        with open(log, "w") as out:
            self.process = subprocess.Popen(["thunderbird", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", profile], env=env, stdout=out, stderr=out)
        try:
            self.m = Marionette(port)
        except BaseException:
            self.stop()
            raise

    def run(self, script, *args):
        return self.m.run(script, *args)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
