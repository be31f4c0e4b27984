"""QIDO-RS over HTTP: how long a query of each shape takes, from a client's request to the last byte of its answer.

One node with ``QIDO_STUDIES`` studies (20,000) in one process, asked by one client over one connection that stays open, so what is
measured is everything but the network: sign-in by bearer token, sight, look-up, answer. Each shape is asked
``QIDO_ROUNDS`` times (200) with other values.
"""

from __future__ import annotations

import http.client
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

from tests.bench._million import fill, people, study_uid
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.site import open_site

STUDIES = int(os.environ.get("QIDO_STUDIES", "20000"))
ROUNDS = int(os.environ.get("QIDO_ROUNDS", "200"))
WARM = 20


def _name(chance: random.Random) -> str:
    return next(one for one in people(chance) if one.isascii())


def _month(chance: random.Random) -> str:
    return time.strftime("%Y%m", time.gmtime(1_600_000_000 + chance.randrange(STUDIES) * 160))


SHAPES: tuple[tuple[str, Callable[[random.Random], str]], ...] = (
    ("patient_id", lambda c: f"PatientID=P{c.randrange(STUDIES * 2 // 5):07d}"),
    ("study_uid", lambda c: f"StudyInstanceUID={study_uid(c.randrange(STUDIES))}"),
    ("accession", lambda c: f"AccessionNumber=A{c.randrange(STUDIES):09d}"),
    ("date_range", lambda c: f"StudyDate={_month(c)}-20991231&limit=25"),
    ("modality", lambda c: f"ModalitiesInStudy={c.choice(('CT', 'MR', 'DX'))}&limit=25"),
    ("name_prefix", lambda c: f"PatientName={quote(_name(c)[:4])}*&limit=25"),
    ("name_inside", lambda c: f"PatientName=*{quote(_name(c)[2:6])}*&limit=25"),
    ("page_inside", lambda c: f"includefield=all&limit=25&offset={c.randrange(STUDIES)}"),
    ("page_of_1000", lambda c: f"includefield=all&limit=1000&offset={c.randrange(max(STUDIES - 1000, 1))}"),
)  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "alpha").mkdir()
        fill(Path(folder) / "alpha" / "meridian.db", STUDIES, say=False)
        node = bare_node(Path(folder), "alpha", FrozenClock())
        print(f"{'':<16}{'answers':>10}{'bytes':>12}{'p50':>10}{'p99':>10}{'max':>10}  ms")
        medians = {}
        with open_site(node) as site:
            address, bearer = urlsplit(site.web), site.program().bearer
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
            headers = {"Authorization": f"Bearer {bearer}", "Accept": "application/dicom+json"}
            for title, query in SHAPES:
                medians[title] = measured(connection, headers, title, query)
            connection.close()
    print("qido: " + " ".join(f"{title}_p50_ms={value:.2f}" for title, value in medians.items()))


def measured(
    connection: http.client.HTTPConnection,
    headers: dict[str, str],
    title: str,
    query: Callable[[random.Random], str],
) -> float:
    chance, times, sizes = random.Random(5), [], []
    for round_ in range(WARM + ROUNDS):
        path = f"/dicomweb/studies?{query(chance)}"
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        spent = 1000 * (time.perf_counter() - began)
        assert response.status == 200, (path, response.status, body[:200])
        if round_ >= WARM:
            times.append(spent)
            sizes.append((body.count(b'"00081190"'), len(body)))
    times.sort()
    p50, p99 = statistics.median(times), times[min(len(times) - 1, int(0.99 * len(times)))]
    answers, size = (statistics.mean(values) for values in zip(*sizes, strict=True))
    print(f"{title:<16}{answers:10.1f}{size:12.0f}{p50:10.2f}{p99:10.2f}{times[-1]:10.2f}", flush=True)
    return p50
