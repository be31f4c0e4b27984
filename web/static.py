"""The built client: its page for every address that is not data, its hashed files for ever.

Leaves building to ``ops/provision/client.py``; without a build it says so in words.
"""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import web

from node.errors import NotFound
from web.surroundings import around

PAGES = Path(__file__).parent / "static"
_HASHED = re.compile(r"[.-][A-Za-z0-9_-]{8,}\.[a-z0-9]+(\.map)?$")
_MEDIA = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""With nosniff the type decides whether a browser runs a file, so it is not left to the machine's own list."""
_FOR_EVER = "public, max-age=31536000, immutable"
_NOT_BUILT = """<!doctype html>
<html lang="zh-CN">
<meta charset="utf-8">
<title>Meridian 经络</title>
<h1>页面尚未构建</h1>
<p>本节点正在运行，但网页文件尚未生成。请在项目目录中运行 <code>make client</code>，然后刷新本页。</p>
<h1 lang="en">The pages are not built</h1>
<p lang="en">The node is running, but its pages have not been made. Run <code>make client</code> in the project, then reload.</p>
</html>
"""


async def serve_page(request: web.Request) -> web.StreamResponse:
    """Give a file of the build, or the client's one page for any address of its own.

    Raises
    ------
    NotFound
        An address below the data roots, or a file that the build does not hold.
    """
    pages = around(request).pages
    name = request.match_info["name"]
    if name == "api" or name.startswith(("api/", "dicomweb/")) or name == "dicomweb":
        raise NotFound("The request failed: there is no such address. Check it.")
    file = await around(request).threads.run(lambda: _file_of(pages, name))
    if file is not None:
        headers = {"Cache-Control": _FOR_EVER if _HASHED.search(file.name) else "no-cache"}
        if media := _MEDIA.get(file.suffix):
            headers["Content-Type"] = media
        return web.FileResponse(file, headers=headers)
    if "." in name.rsplit("/", 1)[-1] and not request.headers.get("Accept", "").startswith("text/html"):
        raise NotFound("Reading a page's file failed: this build does not hold it. Load the page again.")
    index = await around(request).threads.run(lambda: _file_of(pages, "index.html"))
    if index is None:
        return web.Response(text=_NOT_BUILT, content_type="text/html", status=503)
    return web.FileResponse(index, headers={"Cache-Control": "no-cache"})


def _file_of(pages: Path, name: str) -> Path | None:
    """Give the file of that name inside the build, never one outside it."""
    if not name or "\0" in name:
        return None
    path = (pages / name).resolve()
    return path if path.is_relative_to(pages.resolve()) and path.is_file() else None
