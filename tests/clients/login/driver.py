"""earthengine-api as it is on PyPI, on a machine where the loopback Google has Google's place.

    driver.py URL earthengine ARGUMENTS...   the command `earthengine`
    driver.py URL use                        what a script does: ee.Initialize() and a computed value

The library writes Google's addresses into its code. Those to which it sends something are put right here; nothing else
is changed. The addresses that it prints for a person stay as they are: the person of these tests knows the way.
"""

import json
import sys

import ee
from ee import data, deprecation, oauth
from google.oauth2 import credentials

google = sys.argv[1]
oauth.TOKEN_URI = google + "/token"
oauth.FETCH_URL = google + "/client-auth/fetch"
credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT = google + "/token"
# A list of assets that nobody should use any more, from a bucket of Google's.
deprecation._FetchDataCatalogStac = dict


def use():
    """Reads the stored login, gets a token with it, and asks Earth Engine for a sum."""
    stored = data.get_persistent_credentials()
    ee.Initialize(url=google)
    print(
        json.dumps({
            "client_id": stored.client_id,
            "project": stored.quota_project_id,
            "scopes": stored.scopes and sorted(stored.scopes),
            "sum": ee.Number(1).add(2).getInfo(),
        })
    )


if sys.argv[2] == "use":
    use()
else:
    from ee.cli import eecli

    sys.argv = sys.argv[2:]
    eecli.main()
