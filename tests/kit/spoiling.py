"""Ways in which a valid instance is spoiled; each takes one, and a source of chance, and gives another."""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace

from node.dicom.walk import LONG_VRS
from tests.kit.instances import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    RLE,
    UNDEFINED,
    Encoding,
    deflate,
)
from tests.kit.spoiled import PIXELS, Spoiled, bomb, nest

ITEM, ITEM_BIG = b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00"
LARGE_BYTES = 700 << 10
HOSTILE_UIDS = (
    b"",
    b"\0",
    b" ",
    b"1." * 32 + b"1",
    b"1." * 31 + b"12",
    b"1." * 31 + b"1",
    b"2.25." + b"9" * 400,
    b"1.2.abc",
    b"01.2",
    b"1.02.3",
    b"1..2",
    b".1.2",
    b"1.2.",
    b"1.2\x003",
    b"1.2\0\0",
    b" 1.2 ",
    b"\x001.2",
    b"1.2\\1.3",
    b"../../../../etc/passwd",
    b"/tmp/x",
    b"1.2/3",
    b"1.2\n3",
    b"x'00'",
    b"1.2\xa0",
    b"\xd9\xa1.2",
    b"-1.2",
    b"0",
    b"\xff" * 10,
)


Kind = Callable[[Spoiled, random.Random], Spoiled]


def untouched(one: Spoiled, _chance: random.Random) -> Spoiled:
    return one


def cut_at_any_byte(one: Spoiled, chance: random.Random) -> Spoiled:
    return replace(one, data_set=one.data_set[: chance.randrange(len(one.data_set))])


def lying_length(one: Spoiled, chance: random.Random) -> Spoiled:
    """Say another length of an element at the top: longer, shorter, odd, none."""
    _, element = chance.choice(one.elements())
    true = element.length
    said = chance.choice(
        [
            true + 2,
            true + 1,
            true - 1,
            true - 2,
            0,
            1,
            13,
            true * 2,
            0xFFFF,
            0x7FFFFFFF,
            UNDEFINED,
            UNDEFINED - 1,
        ]
    )
    short = element.offset - element.start == 8 and bool(element.vr) and element.vr.encode() not in LONG_VRS
    field, mask = ("H", 0xFFFF) if short else ("L", 0xFFFFFFFF)
    raw = struct.pack(one.how.sign + field, said & mask)
    at = element.offset - len(raw)
    return one.saying(one.plain[:at] + raw + one.plain[at + len(raw) :])


def lying_item(one: Spoiled, chance: random.Random) -> Spoiled:
    """Say another length of an item or a fragment, wherever one is."""
    places = [m.start() for mark in (ITEM, ITEM_BIG) for m in re.finditer(re.escape(mark), one.plain)]
    if not places:
        return nested(one, chance)
    at = chance.choice(places) + 4
    said = chance.choice([0, 1, 7, 8, 0xFFFF, 0x7FFFFFFF, UNDEFINED, UNDEFINED - 1, chance.randrange(200)])
    return one.saying(one.plain[:at] + struct.pack(one.how.sign + "L", said) + one.plain[at + 4 :])


def nested(one: Spoiled, chance: random.Random) -> Spoiled:
    """Nest a sequence, as many levels as are allowed, one more, or ten thousand; also under UN and in private."""
    depth = chance.choice([2, 31, 32, 33, 64, 10_000])
    vr, tag = chance.choice([("SQ", 0x00081140), ("UN", 0x00091001), ("SQ", 0x00091001)])
    delimited = chance.random() < 0.5
    raw = nest(one.how.explicit, one.how.little, depth, vr, tag, delimited)
    cut = chance.random() < 0.2
    return one.inserted(raw[: chance.randrange(len(raw))] if cut else raw, before=tag)


def many(one: Spoiled, chance: random.Random) -> Spoiled:
    """Write very many elements, at the top or in items."""
    how = one.how
    pick = chance.random()
    if pick < 0.5:
        one_item = chance.choice(
            [how.item(), how.item(delimited=True), how.item(how.element(0x00100010, "PN", ""))]
        )
        items = one_item * chance.choice([10, 1000, 20_000])
        return one.inserted(
            how.sequence(0x00091001, items, vr="SQ" if len(items) > 65000 else "UN"), before=0x00091001
        )
    tops = chance.choice([100, 20_001])
    raw = b"".join(how.element(0x00110000 + n, "LO", "") for n in range(1, min(tops, 65_000)))
    return one.inserted(raw, before=0x00110000)


def twice(one: Spoiled, chance: random.Random) -> Spoiled:
    """Give an element twice: the same, or another value, beside it or at the end."""
    _tag, element = chance.choice(one.elements())
    plain = one.plain
    raw = plain[element.start : element.offset + element.length]
    other = raw if chance.random() < 0.5 else raw[:-1] + bytes([raw[-1] ^ 1])
    at = chance.choice([element.start, len(plain), 0])
    return one.saying(plain[:at] + other + plain[at:])


def out_of_order(one: Spoiled, chance: random.Random) -> Spoiled:
    """Move an element to another place among the others."""
    elements = one.elements()
    plain = one.plain
    pieces = [plain[e.start : e.offset + e.length] for _, e in elements]
    if chance.random() < 0.3:
        chance.shuffle(pieces)
    else:
        pieces.insert(chance.randrange(len(pieces)), pieces.pop(chance.randrange(len(pieces))))
    return one.saying(b"".join(pieces))


def patient_after_the_pixels(one: Spoiled, _chance: random.Random) -> Spoiled:
    """Put what says who it is behind more than a reader of beginnings reads."""
    how, plain = one.how, one.plain
    elements = one.elements()
    kept = [plain[e.start : e.offset + e.length] for t, e in elements if t >> 16 != 0x0010 and t < PIXELS]
    moved = [plain[e.start : e.offset + e.length] for t, e in elements if t >> 16 == 0x0010]
    return one.saying(b"".join([*kept, how.element(PIXELS, "OW", bytes(70_000)), *moved]))


def deflated_badly(one: Spoiled, chance: random.Random) -> Spoiled:
    """Deflate too much, twice, with a flipped bit, a tail, a cut, or not at all."""
    plain = one.plain if one.transfer_syntax in (EXPLICIT, DEFLATED) else b""
    raw = deflate(plain)
    flipped = bytearray(raw)
    flipped[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    choices: list[Callable[[], bytes]] = [
        lambda: bytes(flipped),
        lambda: raw[: chance.randrange(len(raw))],
        lambda: raw + bytes(chance.randrange(3)),
        lambda: raw + chance.randbytes(20),
        lambda: raw + raw,
        lambda: zlib.compress(plain),
        lambda: plain,
        lambda: deflate(raw),
        lambda: chance.randbytes(100),
    ]
    if chance.random() < 0.04:
        swelling = bomb(one)
        choices = [lambda: swelling, lambda: deflate(swelling), lambda: swelling[:-4]]
    return replace(one, transfer_syntax=DEFLATED, data_set=chance.choice(choices)())


def wrong_vr(one: Spoiled, chance: random.Random) -> Spoiled:
    """Write another VR, known or not, over an element's."""
    _, element = chance.choice([(t, e) for t, e in one.elements() if e.vr] or one.elements())
    vr = chance.choice(b"OB OW SQ UN UT UI US FD DS IS PN XX ZZ 1a \0\0 \xff\xff ?? at".split(b" "))
    at = element.start + 4
    return one.saying(one.plain[:at] + vr[:2].ljust(2, b"\0") + one.plain[at + 2 :])


def wrong_value(one: Spoiled, chance: random.Random) -> Spoiled:
    """Fill a value with what its VR and multiplicity do not allow, in its length."""
    _, element = chance.choice(one.elements())
    fill = chance.choice(
        [b"\\", b"\0", b"\xff", b"9", b"\x1b$B", b"=", b"^", b"x'00'", b"-1e999\\", chance.randbytes(7)]
    )
    value = (fill * (element.length // len(fill) + 1))[: element.length]
    return one.saying(one.plain[: element.offset] + value + one.plain[element.offset + element.length :])


def hostile_uid(one: Spoiled, chance: random.Random) -> Spoiled:
    """Put no UID where one belongs, in the data set and perhaps in the command."""
    tag = chance.choice([0x00080016, 0x00080018, 0x0020000D, 0x0020000E])
    element = dict(one.elements())[tag]
    uid = chance.choice(HOSTILE_UIDS)
    raw = one.how.element(tag, "UI", uid + b"\0" * (len(uid) % 2))
    spoiled = one.saying(one.plain[: element.start] + raw + one.plain[element.offset + element.length :])
    said = uid.decode("latin-1").strip(" \0")
    if tag == 0x00080018 and chance.random() < 0.7:
        return replace(spoiled, sop_uid=said)
    if tag == 0x00080016 and chance.random() < 0.7:
        return replace(spoiled, sop_class=said)
    return spoiled


def another_command(one: Spoiled, chance: random.Random) -> Spoiled:
    """Announce another instance than the one that comes."""
    uid = chance.choice([*HOSTILE_UIDS, b"2.25.4711", one.sop_uid.encode() + b".1"]).decode("latin-1")
    return replace(one, sop_uid=uid) if chance.random() < 0.5 else replace(one, sop_class=uid)


def lying_charset(one: Spoiled, chance: random.Random) -> Spoiled:
    """Name a character set that is another, none, or many, over names in any bytes."""
    term = chance.choice(
        [b"ISO_IR 192", b"GB18030", b"ISO 2022 IR 149", b"\\ISO 2022 IR 87\\ISO 2022 IR 58", b"ISO_IR 13",
         b"utf-7", b"utf-16", b"idna", b"rot13", b"\\" * 50, b"ISO_IR 999999999999999999", b"\xff\xfe", b"../x"]
    )  # fmt: skip
    name = b"".join(
        chance.choice([b"\x1b$B", b"\x1b$)C", b"\x1b-F", b"\x1b(J", b"^", b"=", b"\\", b"\xb0\xa1", b"\xed\xa0\x80",
                       b"\x83\x36\xc7\x38", b"\x81\x30", b"A", b"\x85", b"\0", chance.randbytes(3)])
        for _ in range(chance.randrange(12))
    )  # fmt: skip
    how = one.how
    kept = [
        one.plain[e.start : e.offset + e.length]
        for t, e in one.elements()
        if t not in (0x00080005, 0x00100010, 0x00100020)
    ]
    at = sum(t < 0x00100000 for t, _ in one.elements() if t != 0x00080005)
    who = [
        how.element(0x00100010, "PN", name + b" " * (len(name) % 2)),
        how.element(0x00100020, "LO", name[:60] + b" " * (len(name[:60]) % 2)),
    ]
    label = how.element(0x00080005, "CS", term + b" " * (len(term) % 2))
    return one.saying(b"".join([label, *kept[:at], *who, *kept[at:]]))


def command_inside(one: Spoiled, chance: random.Random) -> Spoiled:
    """Put elements of the command or of the file meta information into the data set."""
    tag = chance.choice([0x00000002, 0x00001000, 0x00020010, 0x00020003, 0x00000000])
    raw = one.how.element(tag, "UI", "1.2.840.10008.1.2\0")
    if chance.random() < 0.3:
        raw = one.how.sequence(0x00091001, one.how.item(raw))
    return one.inserted(raw, before=chance.choice([0, 0x00090000, 0x7FE00010, 0xFFFFFFFF]))


def tail(one: Spoiled, chance: random.Random) -> Spoiled:
    """Add something after the end."""
    more = chance.choice(
        [
            b"\0",
            b"\0\0",
            bytes(300),
            bytes(70_000),
            chance.randbytes(9),
            b"DICM",
            one.how.mark(0xE0DD),
            one.data_set[:200],
        ]
    )
    return replace(one, data_set=one.data_set + more)


def mislabelled(one: Spoiled, chance: random.Random) -> Spoiled:
    """Say another transfer syntax: the other VR, the other order of bytes, compressed, or one that nobody knows."""
    other = [
        IMPLICIT,
        EXPLICIT,
        BIG,
        DEFLATED,
        RLE,
        JPEG_BASELINE,
        "1.2.3",
        "",
        "x'00'",
        "1.2.840.10008.1.2.4.95",
    ]
    return replace(one, transfer_syntax=chance.choice(other))


def spoiled_pixels(one: Spoiled, chance: random.Random) -> Spoiled:
    """Put fragments in a bad way where the pixels belong."""
    how = Encoding(explicit=True, little=one.how.little)
    table = chance.choice([b"", bytes(4), b"\xff" * 8, bytes(range(7)), struct.pack("<L", 1 << 31) * 20_000])
    parts = [
        how.item(table),
        how.item(b"\xff\xd8" + bytes(chance.randrange(40))),
        how.item(chance.randbytes(9)),
    ]
    end = how.mark(0xE0DD)
    chance.shuffle(parts)
    body = b"".join(parts) + chance.choice(
        [end, b"", end[:4], how.mark(0xE0DD, 4), how.mark(0xE00D), end + end]
    )
    if chance.random() < 0.5:
        body = body[: chance.randrange(len(body) + 1)] + chance.choice([b"", end])
    bare = [one.plain[e.start : e.offset + e.length] for t, e in one.elements() if t < 0x7FE00000]
    vr = chance.choice(["OB", "OW", "UN", "SQ", "UT"])
    length = chance.choice([UNDEFINED, UNDEFINED, len(body)])
    return replace(
        one.saying(b"".join([*bare, one.how.element(PIXELS, vr, body, length=length)])),
        transfer_syntax=one.transfer_syntax if one.transfer_syntax in (IMPLICIT, BIG, DEFLATED) else RLE,
    )


def large(one: Spoiled, chance: random.Random) -> Spoiled:
    """Put more pixels than a receiver holds in one piece, and something wrong behind them, or nothing."""
    how, plain = one.how, one.plain
    kept = [plain[e.start : e.offset + e.length] for t, e in one.elements() if t < PIXELS]
    pixels = how.element(PIXELS, "OW", bytes(LARGE_BYTES))
    end = chance.choice(
        [
            b"",
            b"",
            kept[-1],
            how.element(0xFFFCFFFC, "OB", b"\0\0"),
            b"\0",
            bytes(300),
            how.mark(0xE00D),
            kept[1],
        ]
    )
    whole = b"".join([*kept, pixels, end])
    if chance.random() < 0.3:
        whole = whole[: chance.randrange(len(whole))]
    other = chance.random() < 0.2
    return replace(one.saying(whole), sop_uid="2.25.4711" if other else one.sop_uid)


def noise(one: Spoiled, chance: random.Random) -> Spoiled:
    """Change, take out, repeat or put in some bytes, a few times."""
    raw = bytearray(one.data_set)
    pieces = [
        ITEM,
        b"\xfe\xff\x0d\xe0\0\0\0\0",
        b"\xfe\xff\xdd\xe0\0\0\0\0",
        b"\xff" * 4,
        b"SQ\0\0",
        b"UN\0\0",
        b"\0",
    ]
    for _ in range(chance.choice([1, 1, 1, 2, 5, 20])):
        at, size = chance.randrange(len(raw) + 1), chance.randrange(1, 9)
        piece = chance.choice([*pieces, chance.randbytes(size), b"", bytes(raw[at : at + size]) * 2])
        raw[at : at + (size if chance.random() < 0.7 else 0)] = piece
    return replace(one, data_set=bytes(raw))


def one_bit(one: Spoiled, chance: random.Random) -> Spoiled:
    raw = bytearray(one.data_set)
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return replace(one, data_set=bytes(raw))


KINDS: dict[str, Kind] = {
    kind.__name__.replace("_", "-"): kind
    for kind in (
        untouched, cut_at_any_byte, lying_length, lying_item, nested, many, twice, out_of_order,
        patient_after_the_pixels, deflated_badly, wrong_vr, wrong_value, hostile_uid, another_command,
        lying_charset, command_inside, tail, mislabelled, spoiled_pixels, large, noise, one_bit,
    )
}  # fmt: skip
"""Every kind by its name; each case takes the next."""
