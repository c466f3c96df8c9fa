"""The network's side of a PDU."""

from edge.modem.encode import encode_deliver

__all__ = ["encode_deliver"]
