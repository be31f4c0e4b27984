"""What an enhanced multi-frame object says of one frame: rescale and window from its functional groups.

Source: DICOM PS3.3 C.7.6.16.
"""

from __future__ import annotations

from dataclasses import replace

from node.canonical import Json
from node.dicom.header import Header
from node.dicom.json_model import to_json
from node.imaging.pixels import PixelFacts
from node.imaging.window import Shape, Window

SHARED, PER_FRAME = 0x52009229, 0x52009230
_VALUE_TRANSFORMATION, _FRAME_VOI_LUT = "00289145", "00289132"
Model = dict[str, Json]


def with_functional_groups(facts: PixelFacts, header: Header, number: int) -> PixelFacts:
    """Give the facts as they hold for frame ``number``; unchanged for an object without functional groups."""
    if SHARED not in header.elements and PER_FRAME not in header.elements:
        return facts
    model = to_json(header, bulk=lambda path: path)
    groups = [*_items(model, f"{PER_FRAME:08X}")[number - 1 : number], *_items(model, f"{SHARED:08X}")[:1]]
    for group in reversed(groups):  # what is said of the frame itself comes last and counts
        for item in _items(group, _VALUE_TRANSFORMATION):
            facts = replace(
                facts,
                slope=_number(item, "00281053", facts.slope) or 1.0,
                intercept=_number(item, "00281052", facts.intercept),
            )
        for item in _items(group, _FRAME_VOI_LUT):
            center, width = _number(item, "00281050", 0.0), _number(item, "00281051", 0.0)
            if width >= 1:
                facts = replace(facts, windows=(Window(center=center, width=width, shape=Shape.LINEAR),))
    return facts


def _items(model: Model, tag: str) -> list[Model]:
    element = model.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _number(model: Model, tag: str, default: float) -> float:
    element = model.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    first = values[0] if isinstance(values, list) and values else None
    return float(first) if isinstance(first, int | float) else default
