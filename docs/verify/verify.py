"""Verifies webhooks of Recado. Python 3.9 or newer, standard library only.

Copy this file, and call verify() with the request's body exactly as it came in. To try it:

    WEBHOOK_SECRET=whsec_... python3 verify.py 9000
"""

import base64
import hashlib
import hmac
import os
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 300  # seconds that webhook-timestamp may be from this clock, either way


def verify(secrets, headers, body, now=None):
    """Tell whether a request is Recado's, by its webhook-... headers.

    secrets are all that may sign: one, or the new and the old one during a change, as secret or as standard_secret. headers are
    names in lower case, each with its value or a list of its values. body is bytes.
    """
    msg_id, stamp, given = (_single(headers, "webhook-" + name) for name in ("id", "timestamp", "signature"))
    if not msg_id or not stamp or not given or not re.fullmatch("[0-9]{1,12}", stamp):
        return False
    if ", " in given:  # two headers that were joined
        return False
    signed = f"{msg_id}.{stamp}.".encode() + body
    right = False
    for secret in secrets:
        want = b"v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest())
        for entry in given.split(" "):
            if hmac.compare_digest(entry.encode(), want):
                right = True
    now = time.time() if now is None else now
    return right and abs(int(now) - int(stamp)) <= TOLERANCE


def verify_body(secrets, signature, body):
    """Tell whether the body signature, "sha256=<hex>", is right. secrets are as secret, not as standard_secret.

    It does not say when: refuse an event_id (in the body) that you have seen.
    """
    right = False
    for secret in secrets:
        want = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if hmac.compare_digest((signature or "").encode(), want.encode()):
            right = True
    return right


def _single(headers, name):
    values = headers.get(name) or []
    if isinstance(values, str):
        return values
    return values[0] if len(values) == 1 else ""


def _key(secret):
    if secret.startswith("whsec_"):
        return base64.b64decode(secret[len("whsec_"):], validate=True)
    return secret.encode()


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        length = self.headers.get("content-length") or ""
        if not re.fullmatch("[0-9]{1,7}", length) or int(length) > 1 << 20:
            return self.answer(413)
        body = self.rfile.read(int(length))
        headers = {name.lower(): self.headers.get_all(name) for name in self.headers}
        secrets = [s for s in (os.environ.get("WEBHOOK_SECRET"), os.environ.get("WEBHOOK_SECRET_OLD")) if s]
        if not verify(secrets, headers, body):
            return self.answer(401)
        print(self.headers["webhook-id"], body.decode(), flush=True)  # store it; ignore an id that you have
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()
