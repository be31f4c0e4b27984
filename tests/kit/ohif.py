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
_BUILT = "package/dist/"


def ohif_pages(folder: Path) -> Path:
    """Give a folder of OHIF's pages that read the node they are served from."""
    pages = folder / "ohif"
    with tarfile.open(_package()) as package:
        for each in package.getmembers():
            inside = each.name.removeprefix(_BUILT)
            content = package.extractfile(each) if each.isfile() and inside != each.name else None
            if content is not None:
                path = pages / inside
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    shutil.copyfileobj(content, file)
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
            search = f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}"
            npm = shutil.which("npm", path=search)
            assert npm, "install npm"
            command = [npm, "pack", "--silent", f"@ohif/app@{VERSION}"]
            environment = {**os.environ, "PATH": search}  # npm looks for its node there
            subprocess.run(
                command, cwd=part, check=True, timeout=_BRING_S, stdout=subprocess.DEVNULL, env=environment
            )
            (part / path.name).rename(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    found = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
    assert found == SHA1, f"{path} is another package"
    return path
