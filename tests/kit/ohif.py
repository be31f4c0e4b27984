"""OHIF, the viewer that others use, as its makers built it: pages that read a node over DICOMweb.

Brought by npm once, and kept beside the other tools. Its configuration file is
replaced: the shipped one asks a public server.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

VERSION = "3.12.10"
SHA1 = "3ab824dd080b3765e7b0b7f7c33b22c6d826047f"
"""Of the package, as its registry names it."""
TOOLS = Path(__file__).resolve().parents[2] / ".venv"
_BRING_S = 300


def ohif_pages(folder: Path) -> Path:
    """Give a folder of OHIF's pages that read the node they are served from."""
    pages = folder / "ohif"
    with tarfile.open(_package()) as package:
        wanted = [each for each in package.getmembers() if each.name.startswith("package/dist/")]
        package.extractall(folder / "taken", members=wanted, filter="data")
    (folder / "taken" / "package" / "dist").rename(pages)
    (pages / "app-config.js").write_text(f"window.config = {json.dumps(_configuration())};")
    # A service worker would keep these pages for another test's node at the same address.
    (pages / "init-service-worker.js").write_text("")
    return pages


def _configuration() -> dict[str, object]:
    source = {
        "friendlyName": "node",
        "name": "node",
        "wadoUriRoot": "/dicomweb/wado",
        "qidoRoot": "/dicomweb",
        "wadoRoot": "/dicomweb",
        "qidoSupportsIncludeField": True,
        "supportsFuzzyMatching": False,
        "supportsWildcard": True,
        "imageRendering": "wadors",
        "thumbnailRendering": "wadors",
        "enableStudyLazyLoad": True,
        "omitQuotationForMultipartRequest": False,
        "bulkDataURI": {"enabled": True},
    }
    return {
        "routerBasename": "/",
        "extensions": [],
        "modes": [],
        "showStudyList": True,
        "showErrorDetails": "always",
        "maxNumberOfWebWorkers": 2,
        "investigationalUseDialog": {"option": "never"},
        "defaultDataSourceName": "dicomweb",
        "dataSources": [
            {
                "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
                "sourceName": "dicomweb",
                "configuration": source,
            }
        ],
    }


def _package() -> Path:
    path = TOOLS / f"ohif-app-{VERSION}.tgz"
    if not path.exists():
        part = TOOLS / f"ohif-{os.getpid()}"
        part.mkdir()
        try:
            npm = shutil.which("npm", path=f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}")
            assert npm, "install npm"
            command = [npm, "pack", "--silent", f"@ohif/app@{VERSION}"]
            subprocess.run(command, cwd=part, check=True, timeout=_BRING_S, stdout=subprocess.DEVNULL)
            (part / path.name).rename(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    found = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
    assert found == SHA1, f"{path} is another package"
    return path
