"""The Python build makes the web client too, so that a wheel serves its pages without Node."""

import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithClient(build_py):
    """Build the client before the packages are gathered; an editable install leaves it to make."""

    def run(self) -> None:
        if not self.editable_mode:
            client = Path(__file__).parent / "ops" / "provision" / "client.py"
            subprocess.run([sys.executable, str(client)], check=True)
        super().run()


setup(cmdclass={"build_py": BuildWithClient})
