"""Lists what is in build/package, as a CycloneDX document with versions and licences.

`make sbom` runs this after `make package`. It reads the metadata that each package was installed
with, so it lists what is deployed and nothing else. CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/.
"""

import json
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from cart_core import __version__
from infra.package import FOLDER, SITE_PACKAGES

DOCUMENT = FOLDER.parent / "sbom.json"


def component(package: Distribution) -> dict[str, Any]:
    """One package: its name, version, purl and licence, as its own metadata tell them."""
    name, version = package.metadata["Name"].lower().replace("_", "-"), package.version
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "licenses": [{"license": {"name": licence(package)}}],
    }


def licence(package: Distribution) -> str:
    """The licence: PEP 639's expression, else the classifier, else the free text's first line."""
    metadata = package.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    for classifier in metadata.get_all("Classifier") or []:
        if classifier.startswith("License :: ") and not classifier.endswith("OSI Approved"):
            return str(classifier.rpartition(" :: ")[2])
    text = metadata["License"].strip() if "License" in metadata else ""
    return text.splitlines()[0] if text else "unknown"


def document(folder: Path) -> dict[str, Any]:
    """The list of the packages in a folder of site packages, in order of their names."""
    components = [component(package) for package in distributions(path=[str(folder)])]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "partner-center-carts",
                "version": __version__,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": sorted(components, key=lambda each: str(each["name"])),
    }


def main() -> None:
    """The command line."""
    listed = document(FOLDER / SITE_PACKAGES)
    DOCUMENT.write_text(json.dumps(listed, indent=2) + "\n", "utf-8")
    print(f"{DOCUMENT.name}: {len(listed['components'])} packages")


if __name__ == "__main__":
    main()
