"""Gets a token with google-auth from a credential file, with Google's addresses leading to a loopback Google.

usage: tokens.py BASE SCOPES FILE
"""

import json
import sys
from urllib.parse import urlsplit

import google.auth
import google.auth.transport.requests
from google.auth import identity_pool

base, scopes, file = sys.argv[1:]
HOSTS = ("oauth2.googleapis.com", "sts.googleapis.com", "iamcredentials.googleapis.com")


class Loopback(google.auth.transport.Request):
    def __init__(self):
        self.inner = google.auth.transport.requests.Request()

    def __call__(self, url, *args, **kwargs):
        parts = urlsplit(url)
        if parts.hostname in HOSTS:
            url = base + parts.path + ("?" + parts.query if parts.query else "")
        elif not url.startswith(base):
            # Nothing leaves this machine.
            raise SystemExit("asked for " + url)
        return self.inner(url, *args, **kwargs)


# Without scopes a file is read as Google's client libraries read one.
scopes = scopes.split(",") if scopes else None
with open(file) as text:
    kind = json.load(text)["type"]
if kind == "external_account":
    # The usual way also asks Cloud Resource Manager for the pool's project.
    credentials = identity_pool.Credentials.from_file(file, scopes=scopes)
else:
    credentials, _ = google.auth.load_credentials_from_file(file, scopes=scopes)
credentials.refresh(Loopback())
print(credentials.token)
