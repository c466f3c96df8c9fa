"""TLS towards an upstream: who is trusted, the box's own certificate, and why a handshake failed, in plain words.

Files are looked at before each call: a renewed certificate is used from then on, without a restart. Verification is
never switched off. Codes of verification are those of OpenSSL's x509_vfy.h.
"""

from __future__ import annotations

import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path

from edge.clock import Clock, SystemClock
from edge.config import Upstream
from edge.queue.sink import Certificate

log = logging.getLogger("edge.queue.tls")

_NOT_YET_VALID, _EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 62, 64
_UNKNOWN_AUTHORITY = frozenset({18, 19, 20, 21})
_TRUST = "make ca_file, or the system's certificates, hold the authority of the portal"
_Stamp = tuple[tuple[int, int] | None, ...]


class TlsProblem(Exception):
    """The files for TLS cannot be used; the text says which, why, and the remedy."""


class Tls:
    """The TLS of `settings`, with the private key (PEM) at the path `client_key` for `settings.client_cert_file`."""

    def __init__(self, settings: Upstream, client_key: str = "", *, clock: Clock | None = None) -> None:
        self._ca = settings.ca_file
        self._own = settings.client_cert_file
        self._key = client_key
        self._clock = clock
        self._context: ssl.SSLContext | None = None
        self._stamp: _Stamp | None = None
        self._own_not_after: float | None = None
        self._portal_not_after: float | None = None

    def context(self) -> ssl.SSLContext:
        """The context to connect with: another object once a file has changed. Raises `TlsProblem`.

        While changed files cannot be used (a certificate is there and its key is not yet), the ones before are.
        """
        stamp = tuple(_stamp(name) for name in (self._ca, self._own, self._key))
        if self._context is None or stamp != self._stamp:
            try:
                self._context = self._make()
            except TlsProblem as problem:
                if self._context is None:
                    raise
                log.warning("the old certificate stays in use: %s", problem)
            self._stamp = stamp
        return self._context

    def certificates(self) -> tuple[Certificate, ...]:
        """The box's own certificate, known from its file, and the portal's as of the last handshake."""
        known = (("own", self._own_not_after or self._read_own()), ("portal", self._portal_not_after))
        return tuple(Certificate(whose, until) for whose, until in known if until is not None)

    def explain(self, error: BaseException) -> str | None:
        """Why a handshake failed and what to do, or None where `error` has nothing to do with certificates."""
        failed = _ssl_error(error)
        if isinstance(failed, ssl.SSLCertVerificationError):
            return self._explain_portal(failed)
        reason = (failed.reason or "") if failed is not None else ""
        refused = "ALERT" in reason and any(word in reason for word in ("CERTIFICATE", "UNKNOWN_CA"))
        # TLS 1.3 refuses after the handshake, and the connection is often gone before the alert is read.
        if refused or self._own_is_over():
            return f"the portal refuses the box's own certificate: {self._explain_own()}"
        return None

    def _explain_portal(self, failed: ssl.SSLCertVerificationError) -> str:
        code = failed.verify_code
        if code in (_NOT_YET_VALID, _EXPIRED):
            state = "is not valid yet" if code == _NOT_YET_VALID else "has expired"
            return f"the portal's certificate {state} by {self._explain_clock()}"
        if code in (_OTHER_HOST, _OTHER_ADDRESS):
            return (
                "the certificate is for another name (a captive portal, or a wrong upstream.url): log in, or correct it"
            )
        if code in _UNKNOWN_AUTHORITY:
            return f"the certificate is by an authority that is not trusted (a captive portal?): log in, or {_TRUST}"
        return f"the portal's certificate is not right ({failed.verify_message}): tell the regency"

    def _explain_clock(self) -> str:
        clock = self._clock or SystemClock()
        today = _day(clock.wall())
        if clock.trusted():
            return f"this box's clock ({today}, in step with NTP): tell the regency to renew it"
        return (
            f"this box's clock ({today}, never set since the start): set it (timedatectl), or let NTP reach its servers"
        )

    def _explain_own(self) -> str:
        if not self._own:
            return "set upstream.client_cert_file and the credential portal-client-key"
        if self._own_is_over():
            return f"it expired on {_day(self._own_not_after or 0)}: put the renewed one at {self._own}"
        return f"ask the regency whether {self._own} is for this village, and by its own authority"

    def _own_is_over(self) -> bool:
        until = self._own_not_after
        return until is not None and until < (self._clock or SystemClock()).wall()

    def _make(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._ca or None)
        except OSError as error:
            raise TlsProblem(
                f"ca_file {self._ca} cannot be used ({type(error).__name__}): copy it there anew"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslobject_class = self._noting()
        if self._own:
            self._load_own(context)
        return context

    def _load_own(self, context: ssl.SSLContext) -> None:
        if not self._key:
            raise TlsProblem(
                f"client_cert_file {self._own} has no private key: give the credential portal-client-key, then restart"
            )
        try:
            context.load_cert_chain(self._own, self._key, password=_no_password)
        except (OSError, ValueError) as error:
            detail = getattr(error, "reason", None) or type(error).__name__
            raise TlsProblem(
                f"client_cert_file {self._own} and the credential portal-client-key cannot be used together "
                f"({detail.lower()}): give the pair that belongs together, in PEM"
            ) from None
        self._own_not_after = None
        self._own_not_after = self._read_own()

    def _read_own(self) -> float | None:
        if not self._own:
            return None
        # 4 MB that a box without a certificate of its own does not spend.
        from cryptography import x509

        try:
            certificate = x509.load_pem_x509_certificate(Path(self._own).read_bytes())
        except (OSError, ValueError):
            return None
        self._own_not_after = certificate.not_valid_after_utc.timestamp()
        return self._own_not_after

    def _noting(self) -> type[ssl.SSLObject]:
        """An SSL object that notes until when the portal's certificate is valid, once the handshake is done."""
        tls = self

        class Noting(ssl.SSLObject):
            def do_handshake(self) -> None:
                super().do_handshake()
                tls._note(self.getpeercert())

        return Noting

    def _note(self, peer: ssl._PeerCertRetDictType | None) -> None:
        until = (peer or {}).get("notAfter")
        if isinstance(until, str):
            self._portal_not_after = float(ssl.cert_time_to_seconds(until))


def _no_password() -> str:
    """A key with a pass phrase would have OpenSSL ask on the terminal."""
    raise ValueError("the key has a pass phrase")


def _ssl_error(error: BaseException | None) -> ssl.SSLError | None:
    """The TLS error itself, behind a client library's own (which may claim to be one)."""
    found = None
    for _ in range(8):
        if error is None:
            break
        found = error if isinstance(error, ssl.SSLError) else found
        inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return found


def _stamp(name: str) -> tuple[int, int] | None:
    try:
        found = Path(name).stat() if name else None
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_ino)


def _day(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d")
