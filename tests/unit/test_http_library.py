"""aiohttp without what a box never uses."""

import json
import subprocess
import sys

_LOOK = """
import json, os, sys
os.environ["SSL_CERT_FILE"] = "/etc/some.pem"
os.environ.pop("SSL_CERT_DIR", None)
import edge.parts
from aiohttp import connector
print(json.dumps({
    "file": os.environ["SSL_CERT_FILE"], "directory": "SSL_CERT_DIR" in os.environ,
    "certificates": len(connector._SSL_CONTEXT_VERIFIED.get_ca_certs()),
    "verifies": connector._SSL_CONTEXT_VERIFIED.verify_mode.name,
}))
"""


def test_a_context_that_nobody_uses_holds_no_certificates_and_trusts_nobody() -> None:
    """The system's certificates, loaded at import and never used, cost a small box two megabytes."""
    said = json.loads(subprocess.run([sys.executable, "-c", _LOOK], capture_output=True, text=True, check=True).stdout)
    assert said == {"file": "/etc/some.pem", "directory": False, "certificates": 0, "verifies": "CERT_REQUIRED"}
