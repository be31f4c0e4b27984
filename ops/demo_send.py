"""Send a folder to a node by C-STORE, with a progress bar: the demo's modality."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from node.dimse.calling import Called
from node.dimse.outgoing import Outgoing, outgoing_file
from node.dimse.store_scu import Sent, store
from node.errors import GridError, InvalidRequest
from ops.running import DicomAddress

SLICES = 98
CALLING = "DEMOCT"
BATCH = 100
"""Instances per association."""


def load_or_sample(data: Path | None, sample: Path) -> Path:
    """Give the folder to send: the one named, else the sample, drawn at the first start."""
    if data is not None:
        if not data.is_dir():
            raise InvalidRequest(
                f"Sending {data} was refused: it is not a folder. Name one with DICOM files."
            )
        return data
    if len(list(sample.glob("*.dcm"))) != SLICES:
        from node.imaging.phantom import make_chest_ct

        sample.mkdir(parents=True, exist_ok=True)
        with _bar() as progress:
            task = progress.add_task("Drawing the sample CT", total=SLICES)
            for n, content in enumerate(make_chest_ct(SLICES), start=1):
                (sample / f"{n:03d}.dcm").write_bytes(content)
                progress.advance(task)
    return sample


def send_folder(folder: Path, to: DicomAddress, stopping: threading.Event) -> None:
    """Send every DICOM file below a folder; what is not taken is listed with its reason."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    refused: list[str] = []
    whom = Called(name=to.aet, aet=to.aet, host=to.host, port=to.port, calling=CALLING)
    with _bar() as progress:
        task = progress.add_task(f"Sending {folder.name} to {to.aet}", total=len(files))

        def told(sent: Sent) -> bool:
            if not sent.is_stored:
                refused.append(f"{sent.sop_uid}: {sent.words}")
            progress.advance(task)
            return not stopping.is_set()

        for batch in _batches(files, refused):
            if stopping.is_set():
                return
            store(whom, batch, directory=Path(tempfile.gettempdir()), told=told)
        progress.update(task, completed=len(files))
    for line in refused[:20]:
        print(f"  not taken: {line}")
    if len(refused) > 20:
        print(f"  and {len(refused) - 20} more; the administrator sees them under Problems")


def _batches(files: list[Path], refused: list[str]) -> Iterator[list[Outgoing]]:
    batch: list[Outgoing] = []
    for path in files:
        try:
            batch.append(outgoing_file(path.read_bytes()))
        except GridError as error:
            refused.append(f"{path.name}: {error}")
            continue
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )
