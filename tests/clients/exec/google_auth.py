"""google-auth: a session with application-default credentials."""
import os
import sys

import google.auth
from google.auth.transport.requests import AuthorizedSession

credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/earthengine"])
session = AuthorizedSession(credentials)
url = f"{os.environ['EARTH_ENGINE']}/v1/projects/{os.environ['GOOGLE_CLOUD_PROJECT']}/value:compute"
for line in sys.stdin:
    try:
        expression = {"result": "0", "values": {"0": {"constantValue": int(line) + 1}}}
        answer = session.post(url, json={"expression": expression})
        print("ok" if answer.ok else "error", answer.text.replace("\n", " "), flush=True)
    except Exception as error:
        print("error", repr(error).replace("\n", " "), flush=True)
