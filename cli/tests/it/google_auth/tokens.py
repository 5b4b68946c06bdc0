"""Gets a token with google-auth from a credential file, with Google's addresses leading to a loopback Google.

usage: tokens.py BASE SCOPES FILE
"""

import sys
from urllib.parse import urlsplit

import google.auth
import google.auth.transport.requests

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
credentials, _ = google.auth.load_credentials_from_file(file, scopes=scopes.split(",") if scopes else None)
credentials.refresh(Loopback())
print(credentials.token)
