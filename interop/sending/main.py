"""Runs the cases of sending; see ../sending.sh. Arguments: the mox binary's directory with
the unpacked packages, and a word that names of cases must have. With $INTEROP_LOGS, a
directory, the logs of all servers are kept there."""
import os
import shutil
import sys

import bounces
import crash
import finger
import lab
import matrix
import peers
from trial import Trial
from world import World

parts, only = sys.argv[1:3]
trial = Trial("sending-")
run = trial.run


def chosen(name):
    return not only or only in "sending-" + name


def keep(hosts):
    """Copies the logs to a directory, for who looks for the reason of a failure."""
    to = os.environ.get("INTEROP_LOGS")
    if to:
        os.makedirs(to, exist_ok=True)
        for h in hosts.values():
            if os.path.exists(h.log_name):
                shutil.copy(h.log_name, f"{to}/{h.host}.log")
        if os.path.isdir(lab.ROOT + "/dns"):
            shutil.copytree(lab.ROOT + "/dns", to + "/dns", dirs_exist_ok=True, ignore=shutil.ignore_patterns("keys", "run"))


def main():
    world, hosts = World(), {}
    try:
        cases(world, hosts)
    finally:
        keep(hosts)
        lab.processes.stop()


def cases(world, hosts):
    if not run("network", world.start):
        return
    hosts |= {"mox1": peers.Mox(world, parts, "mox1"), "mox2": peers.Mox(world, parts, "mox2"), "postfix": peers.Postfix(world, parts, "postfix"),
             "exim": peers.Exim(world, parts, "exim"), "opensmtpd": peers.OpenSMTPD(world, parts, "opensmtpd")}
    if not all([run("start-" + name, h.start) for name, h in hosts.items()]):
        return
    for name, case in finger.CASES:
        if chosen(name):
            run(name, case, world)
    rows = matrix.rows(only)
    if rows:
        matrix.Matrix(world, hosts, rows, trial.show).run()
    for name, case in bounces.CASES:
        if chosen(name):
            run(name, case, world, hosts)
    if chosen("crash"):
        run("crash", crash.Crash(world, hosts["mox1"]).run)
    for h in hosts.values():
        run("stop-" + h.host, h.stop)


main()
