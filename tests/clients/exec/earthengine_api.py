"""earthengine-api: initialises once, without a word about credentials or project, and adds one to each number it reads."""
import os
import sys

import ee

ready = False
for line in sys.stdin:
    try:
        if not ready:
            ee.Initialize(url=os.environ["EARTH_ENGINE"])
            ready = True
        print("ok", ee.Number(int(line)).add(1).getInfo(), flush=True)
    except Exception as error:
        print("error", repr(error).replace("\n", " "), flush=True)
