"""What this node's DICOMweb services are, told from the table of routes: as WADL, or as JSON of the same shape.

Source: DICOM PS3.18 8.9 (retrieve capabilities), H (its content); W3C Web Application Description Language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as Xml

import msgspec
from aiohttp import web

from node.canonical import Json
from node.dicom.part10 import IMPLEMENTATION_CLASS_UID
from web.dicomweb.accept import DICOM, DICOM_JSON, MULTIPART, OCTETS, wanted
from web.dicomweb.outcome import DICOM_XML
from web.dicomweb.roots import OWN_ROOT, READERS, base_of
from web.errors import NotAcceptable
from web.guard import Sees
from web.routes import STORER, Call, NoBody, Route, route

WADL = "application/vnd.sun.wadl+xml"
_NAMESPACE = "http://wadl.dev.java.net/2009/02"
_PARAMETER = re.compile(r"\{(\w+)[^}]*\}")
_PICTURES = ("image/jpeg", "image/png")
_PARTS = f"{MULTIPART}; type="
_GIVEN: dict[str, tuple[str, ...]] = {
    "rendered": (*_PICTURES, *(f'{_PARTS}"{media}"' for media in _PICTURES)),
    "thumbnail": _PICTURES,
    "metadata": (DICOM_JSON,),
    "numbers": (OCTETS, f'{_PARTS}"{OCTETS}"'),
    "path": (OCTETS,),
    "wado": (DICOM, *_PICTURES),
    "studies": (DICOM_JSON,),
    "series": (DICOM_JSON,),
    "instances": (DICOM_JSON,),
    "": (WADL, "application/json"),
}
"""By the last word of an address; any other gives instances."""
_INSTANCES = (f'{_PARTS}"{DICOM}"', DICOM)
_TAKEN = (f'{_PARTS}"{DICOM}"', f'{_PARTS}"{DICOM_JSON}"', DICOM, DICOM_JSON)
_ASKED: dict[str, tuple[str, ...]] = {
    "rendered": ("accept", "annotation", "quality", "viewport", "window"),
    "thumbnail": ("accept", "viewport"),
    "studies": ("limit", "offset", "includefield", "fuzzymatching"),
    "series": ("limit", "offset", "includefield"),
    "instances": ("limit", "offset", "includefield"),
    "wado": (
        *(
            "requestType",
            "studyUID",
            "seriesUID",
            "objectUID",
            "contentType",
            "transferSyntax",
            "frameNumber",
        ),
        *("rows", "columns", "region", "windowCenter", "windowWidth", "imageQuality", "annotation"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """An address and what is done there."""

    path: str
    methods: tuple[Method, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method of an address."""

    name: str
    doc: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    query: tuple[str, ...]


RESOURCES = web.AppKey("resources", list[Resource])
"""Of all routes that an application answers; whoever puts it together says so."""


@route(f"GET {OWN_ROOT}/", roles=READERS | STORER, sees=Sees.NOTHING)
def get_capabilities(call: Call[NoBody]) -> web.Response:
    """Tell what the services are."""
    return _answer(call)


@route(f"OPTIONS {OWN_ROOT}/", roles=READERS | STORER, sees=Sees.NOTHING)
def tell_capabilities(call: Call[NoBody]) -> web.Response:
    """Tell what the services are."""
    return _answer(call)


def resources_of(routes: Iterable[Route]) -> list[Resource]:
    """Give the services among routes, by address."""
    by_path: dict[str, list[Method]] = {}
    for each in routes:
        if each.path.startswith(f"{OWN_ROOT}/"):
            by_path.setdefault(each.path.removeprefix(OWN_ROOT), []).append(_method(each))
    return [Resource(path=path, methods=tuple(methods)) for path, methods in sorted(by_path.items())]


def _method(route_: Route) -> Method:
    last = _PARAMETER.sub(r"\1", route_.path.rpartition("/")[2])
    takes: tuple[str, ...] = ()
    gives, query = _GIVEN.get(last, _INSTANCES), _ASKED.get(last, ())
    if route_.sees is Sees.BRINGS:
        takes, gives, query = _TAKEN, (DICOM_JSON, DICOM_XML), ()
    elif route_.method == "DELETE":
        gives, query = (), ("reason", "comment")
    return Method(
        name=route_.method,
        doc=(route_.handler.__doc__ or "").strip().partition("\n")[0],
        takes=takes,
        gives=gives,
        query=query,
    )


def _answer(call: Call[NoBody]) -> web.Response:
    resources = call.request.app[RESOURCES]
    base = base_of(call)
    for range_ in wanted(call.request):
        if range_.takes(WADL) or range_.takes("application/xml"):
            return web.Response(body=_as_wadl(resources, base + OWN_ROOT), content_type=WADL)
        if range_.takes("application/json") or range_.takes(DICOM_JSON):
            body = msgspec.json.encode(_as_json(resources, base + OWN_ROOT))
            return web.Response(body=body, content_type="application/json")
    raise NotAcceptable(f"Telling the services was refused: they are told as {WADL} or application/json.")


def _as_wadl(resources: Sequence[Resource], base: str) -> bytes:
    root = Xml.Element("application", {"xmlns": _NAMESPACE})
    Xml.SubElement(root, "doc", {"title": f"Meridian {IMPLEMENTATION_CLASS_UID}"})
    listed = Xml.SubElement(root, "resources", {"base": base})
    for resource in resources:
        place = Xml.SubElement(listed, "resource", {"path": _template(resource.path)})
        for name in _PARAMETER.findall(resource.path):
            Xml.SubElement(place, "param", {"name": name, "style": "template", "required": "true"})
        for method in resource.methods:
            _add_method(place, method)
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True))


def _add_method(place: Xml.Element, method: Method) -> None:
    element = Xml.SubElement(place, "method", {"name": method.name})
    Xml.SubElement(element, "doc", {"title": method.doc})
    request = Xml.SubElement(element, "request")
    for name in method.query:
        Xml.SubElement(request, "param", {"name": name, "style": "query"})
    for media in method.takes:
        Xml.SubElement(request, "representation", {"mediaType": media})
    response = Xml.SubElement(element, "response")
    for media in method.gives:
        Xml.SubElement(response, "representation", {"mediaType": media})


def _as_json(resources: Sequence[Resource], base: str) -> dict[str, Json]:
    listed: list[Json] = [
        {
            "path": _template(resource.path),
            "methods": [
                {
                    "name": method.name,
                    "doc": method.doc,
                    "query": list(method.query),
                    "takes": list(method.takes),
                    "gives": list(method.gives),
                }
                for method in resource.methods
            ],
        }
        for resource in resources
    ]
    return {"base": base, "resources": listed}


def _template(path: str) -> str:
    return _PARAMETER.sub(r"{\1}", path)


ROUTES = (get_capabilities, tell_capabilities)
