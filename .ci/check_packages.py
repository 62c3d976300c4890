"""Check what the sdist and the wheel hold: ``check_packages.py FOLDER FILES``.

FOLDER holds both, FILES names every file of the checkout, one a line.
"""

import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path


def complain_if_different(package, found, expected):
    """Exit with what is missing and what is too much, if anything is."""
    if found != expected:
        sys.exit(f"{package}: missing {sorted(expected - found)}, too much {sorted(found - expected)}")
    print(f"{package}: {len(found)} files, as it should be")


folder, files = Path(sys.argv[1]), set(Path(sys.argv[2]).read_text(encoding="utf-8").splitlines())
(sdist,) = folder.glob("*.tar.gz")
(wheel,) = folder.glob("*.whl")

# The sdist is the whole checkout, so the tests and the documentation can be run from it.
with tarfile.open(sdist) as archive:
    found = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
complain_if_different(sdist.name, found, files | {"PKG-INFO"})

# The wheel is the package alone; without py.typed, type checkers would ignore its annotations.
info = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
about = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE")}
package = {name for name in files if name.startswith("skscratch/")} | {"skscratch/py.typed"}
with zipfile.ZipFile(wheel) as archive:
    complain_if_different(wheel.name, set(archive.namelist()), package | about)
    metadata = message_from_bytes(archive.read(f"{info}/METADATA"))

for field in ("Version", "License-Expression", "License-File", "Requires-Python", "Project-URL"):
    if field not in metadata:
        sys.exit(f"{wheel.name}: its metadata lack {field}")
    print(f"{field}: {metadata[field]}")
if not metadata.get_payload():
    sys.exit(f"{wheel.name}: its metadata lack the text of README.md")
