# SPDX-License-Identifier: Apache-2.0
"""Have Java trust whom the machine trusts.

Java keeps a list of its own, which Debian makes from the authorities that were installed as
packages. One that somebody only added to the system's bundle, such as a company's proxy, is
missing there, and Maven refuses to connect.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services_demo.stack.toolchain.commands import Runner

JAVA_AUTHORITIES = Path("/etc/ssl/certs/java/cacerts")
#: Debian's and Java's own password of the list; it protects nothing, the list is public.
_PASSWORD = "changeit"  # noqa: S105
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_FINGERPRINT = re.compile(r"(?:[0-9A-F]{2}:){31}[0-9A-F]{2}")


def missing(bundle: str, listing: str) -> list[str]:
    """Return the certificates of *bundle*, in PEM, that keytool's *listing* does not name."""
    known = {found.replace(":", "").lower() for found in _FINGERPRINT.findall(listing)}
    return [
        certificate
        for certificate in _CERTIFICATE.findall(bundle)
        if hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest() not in known
    ]


def options(authorities: Path, scratch: Path, runner: Runner, env: Mapping[str, str]) -> str:
    """Return the option that makes Java trust *authorities* too; empty if it does already."""
    if not (authorities.exists() and JAVA_AUTHORITIES.exists()):
        return ""
    keytool = ["keytool", "-storepass", _PASSWORD]
    listing = runner.ask(
        [*keytool, "-list", "-keystore", str(JAVA_AUTHORITIES)], cwd=scratch, env=env
    )
    extra = missing(authorities.read_text(), listing)
    if not extra:
        return ""
    store = scratch.parent / "java-authorities"
    shutil.copy(JAVA_AUTHORITIES, store)
    for number, certificate in enumerate(extra):
        one = scratch.parent / f"authority-{number}.pem"
        one.write_text(certificate)
        add = ["-importcert", "-noprompt", "-alias", f"system-{number}", "-file", str(one)]
        runner.ask([*keytool, *add, "-keystore", str(store)], cwd=scratch, env=env)
    return f"-Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStorePassword={_PASSWORD}"
