"""google-auth: an ID token for each audience that it reads."""
import sys

import google.auth.transport.requests
import google.oauth2.id_token

request = google.auth.transport.requests.Request()
for line in sys.stdin:
    try:
        print("ok", google.oauth2.id_token.fetch_id_token(request, line.strip()), flush=True)
    except Exception as error:
        print("error", repr(error).replace("\n", " "), flush=True)
