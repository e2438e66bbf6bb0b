"""Runs the cases of reception; see ../reception.sh. Arguments: the mox binary, the
directory with dnsserver and the unpacked packages, and a word that names of cases must
have. With $INTEROP_LOGS, a directory, the logs of all servers are kept there."""
import concurrent.futures
import os
import shutil
import sys

import hostile
import judging
import servers
from trial import ROOT, Trial
from world import World, network

mox, parts, only = sys.argv[1:4]
# Cases of one group run one after the other, the groups side by side.
groups = []
for module in (servers, hostile, judging):
    for group in module.GROUPS:
        chosen = [c for c in group if only in "reception-" + c[0] or only == ""]
        if chosen:
            groups.append(chosen)
trial = Trial("reception-")
run = trial.run


def run_group(world, group):
    for name, function, *args in group:
        if not run(name, function, world, *args) and name.endswith("-start"):
            return


def keep():
    """Copies the logs to a directory, for who looks for the reason of a failure."""
    to = os.environ.get("INTEROP_LOGS")
    if to:
        os.makedirs(to, exist_ok=True)
        for name in [ROOT + "/mox.log"] + [s.log_name for s in servers.Server.running]:
            shutil.copy(name, f"{to}/{name.strip('/').replace('/', '-')}")


def main():
    if not groups:
        return
    network()
    world = World(mox, parts)
    if not run("start", world.start):
        return
    with concurrent.futures.ThreadPoolExecutor(len(groups)) as pool:
        for f in [pool.submit(run_group, world, g) for g in groups]:
            f.result()
    servers.stop()
    keep()
    run("stop", world.stop)
    for p in world.processes:
        p.kill()


main()
