"""Pictures of frames, made once: what was made lately, and what was decoded for it, is kept in bounded memory.

Blocks, and burns a core; for the threads that may.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from node.archive.archived import is_archived
from node.archive.reading import peek_described, peek_frame
from node.catalogue.exits import read_header
from node.catalogue.search import InstanceRow
from node.catalogue.stored import stored_beginning, stored_whole
from node.dicom.attributes import read_attributes
from node.dicom.frames import no_such_frame
from node.dicom.header import Header
from node.dicom.syntax import is_encapsulated
from node.errors import InvalidRequest, NotFound
from node.imaging.functional_groups import with_functional_groups
from node.imaging.pixels import NoPicture, PixelFacts, read_pixel_facts
from node.imaging.render import Values, encode, show, stored_values
from node.imaging.view import annotated, fitted
from node.node import Node
from web.bounded import Bounded
from web.dicomweb.look import Look
from web.dicomweb.pieces import read_pieces
from web.dicomweb.places import FramePlaces

PICTURES_BYTES = 32 << 20
DECODED_BYTES = 96 << 20
_LAST_PIXEL_FACT = 0x00283010
_DATE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Makes pictures; what it keeps can be lost."""

    frames: FramePlaces
    made: Bounded[bytes] = field(default_factory=lambda: Bounded(most_bytes=PICTURES_BYTES, size_of=len))
    decoded: Bounded[Values] = field(
        default_factory=lambda: Bounded(most_bytes=DECODED_BYTES, size_of=lambda values: values.bytes)
    )

    def picture(self, node: Node, held: InstanceRow, number: int, look: Look, *, tag: str) -> bytes:
        """Give the picture of a frame.

        Parameters
        ----------
        tag
            Names the answer: another one when anything that it is made of differs.

        Raises
        ------
        NoPicture
            None can be made.
        NotFound
            There is no such frame.
        FileNotFoundError
            Its pack is gone; of one that lies in the archive alone, it must be brought.
        """
        return self.made.get((tag, number), lambda: self._make(node, held, number, look))

    def _make(self, node: Node, held: InstanceRow, number: int, look: Look) -> bytes:
        header = _header(node, held)
        facts = with_functional_groups(read_pixel_facts(header), header, number)
        values = self._values(node, held, number, header=header, facts=facts)
        picture = show(values, facts, look.window)
        if look.viewport is not None:
            picture = fitted(picture, look.viewport)
        if look.annotations:
            picture = annotated(picture, **_lines(read_header(node, held), look))
        return encode(picture, look.media, look.quality)

    def _values(
        self, node: Node, held: InstanceRow, number: int, *, header: Header, facts: PixelFacts
    ) -> Values:
        def make() -> Values:
            try:
                frame, syntax = self._frame(node, held, number, header)
            except InvalidRequest as error:
                raise NoPicture(error.message) from error
            except NotFound as error:
                if number > held.frames:
                    raise
                raise NoPicture(error.message) from error  # it should be there by what its header says
            return stored_values(facts, frame, syntax)

        if not is_encapsulated(held.transfer_syntax) and not is_archived(held.pack):
            return make()  # as quick as looking it up
        plain = replace(facts, windows=(), slope=1.0, intercept=0.0, palette=None)
        return self.decoded.get((held.digest, number, plain), make)

    def _frame(self, node: Node, held: InstanceRow, number: int, header: Header) -> tuple[bytes, str]:
        """Give a frame and the transfer syntax that it is in, of an archived instance as its package has it."""
        if not is_archived(held.pack):
            return read_pieces(self.frames.pieces(node, held, number, header)), held.transfer_syntax
        if number > held.frames:
            raise no_such_frame(number, of=held.frames)
        found = peek_frame(node, held, number, at_once=True)
        if found is None:
            raise FileNotFoundError(held.pack)
        return bytes(found.content), found.transfer_syntax


def _header(node: Node, held: InstanceRow) -> Header:
    if is_archived(held.pack):
        described = peek_described(node, held, at_once=True)
        if described is None:
            raise FileNotFoundError(held.pack)
        return described
    header = stored_beginning(node, held)
    enough = header.covers(_LAST_PIXEL_FACT) and (held.frames == 1 or header.whole)
    return header if enough else stored_whole(node, held)


def _lines(header: Header, look: Look) -> dict[str, list[str]]:
    """Give what is written on a picture: who it is of at the left, how it was made at the right.

    Source: DICOM PS3.18 8.3.5.1.1.
    """
    said = read_attributes(header)
    study, series = said.study, said.series
    patient = [
        " ".join(study.patient_name.replace("=", " ").replace("^", " ").split()),
        study.patient_id,
        " ".join(part for part in (study.birth_date[:_DATE], study.sex, study.age) if part),
    ]
    technique = [
        " ".join(part for part in (study.study_date[:_DATE], study.study_time[:6]) if part),
        " ".join(part for part in (series.modality, series.body_part, series.laterality) if part),
        series.description,
        *(f"{name} {text}" for name, tag in _TECHNIQUE if (text := header.text(tag))),
    ]
    return {
        "left": [line for line in patient if line] if "patient" in look.annotations else [],
        "right": [line for line in technique if line] if "technique" in look.annotations else [],
    }


_TECHNIQUE = (("kV", 0x00180060), ("mA", 0x00181151), ("TR", 0x00180080), ("TE", 0x00180081))
