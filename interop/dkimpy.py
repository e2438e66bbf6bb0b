"""dkimpy for the tests of packages dkim and arc: signs or verifies the message on
standard input. Keys are files: PEM or base64 to sign, a JSON object of TXT records by name to
verify."""
import json
import sys

import dkim

action, args = sys.argv[1], sys.argv[2:]
message = sys.stdin.buffer.read()


def records(path):
    with open(path) as f:
        txt = {name.rstrip("."): text for name, text in json.load(f).items()}
    return lambda name, timeout=5: txt[name.decode().rstrip(".")].encode()


def sign(keyfile, algorithm, header, body, selector, domain):
    with open(keyfile, "rb") as f:
        field = dkim.sign(message, selector.encode(), domain.encode(), f.read(), canonicalize=(header.encode(), body.encode()), signature_algorithm=algorithm.encode())
    sys.stdout.buffer.write(field + message)


def verify(recordfile):
    v = dkim.DKIM(message)
    fields = [name for name, _ in v.headers if name.lower() == b"dkim-signature"]
    if not fields or not all(v.verify(idx=i, dnsfunc=records(recordfile)) for i in range(len(fields))):
        sys.exit("dkimpy: not verified")


def arcsign(keyfile, selector, domain, authserv):
    with open(keyfile, "rb") as f:
        fields = dkim.arc_sign(message, selector.encode(), domain.encode(), f.read(), authserv.encode())
    if not fields:
        sys.exit("dkimpy: not sealed")
    sys.stdout.buffer.write(b"".join(fields) + message)


def arcverify(recordfile):
    cv, _, reason = dkim.arc_verify(message, dnsfunc=records(recordfile))
    if cv != b"pass":
        sys.exit(f"dkimpy: {cv} {reason}")


{"sign": sign, "verify": verify, "arcsign": arcsign, "arcverify": arcverify}[action](*args)
