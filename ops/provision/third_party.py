"""Write THIRD-PARTY.md: what is installed to run Meridian, in which version, under which licence."""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAD = """# Third-party components

Meridian's own code is Apache-2.0 (see LICENSE). It carries no third-party code; it installs the
components below by name from hash-locked lists. Made by `python ops/provision/third_party.py`.
"""


def main() -> int:
    """Write the list from the locks and what the installed packages say of themselves."""
    rows = [HEAD, "## Python", "", "| component | version | licence |", "|---|---|---|"]
    lock = (ROOT / "requirements.lock").read_text()
    for name, version in sorted(re.findall(r"^([A-Za-z0-9_.-]+)==([^\\s;]+)", lock, re.MULTILINE)):
        rows.append(f"| {name} | {version} | {_licence(name)} |")
    rows += [
        "",
        "## Web client, bundled at build time",
        "",
        "| component | version | licence |",
        "|---|---|---|",
    ]
    client = json.loads((ROOT / "web" / "client" / "package-lock.json").read_text())
    for path, package in sorted(client["packages"].items()):
        if path.startswith("node_modules/") and not package.get("dev") and "node_modules/" not in path[13:]:
            rows.append(f"| {path[13:]} | {package['version']} | {package.get('license', 'see package')} |")
    (ROOT / "THIRD-PARTY.md").write_text("\n".join(rows) + "\n", "utf-8")
    return 0


def _licence(name: str) -> str:
    try:
        said = importlib.metadata.metadata(name).json
    except importlib.metadata.PackageNotFoundError:
        return "on other platforms only"
    classified = [one.split(" :: ")[-1] for one in said.get("classifier", []) if one.startswith("License")]
    licence = said.get("license_expression") or ", ".join(classified) or said.get("license") or "see package"
    return str(licence).splitlines()[0][:80]


if __name__ == "__main__":
    sys.exit(main())
