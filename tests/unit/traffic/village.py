"""A configuration for the traffic room's unit tests."""

from __future__ import annotations

from typing import Any

from edge import config
from edge.kernel.state import Facts, Link

LINKS = {
    name: Link(name, place, 1492 if name == "tel0" else 1500, up=True, carrier=True)
    for place, name in enumerate(("lo", "pde0", "tel0", "office0", "wifi0"), 1)
}
FACTS = Facts(LINKS, "hash", forwarding=True)


def uplink(name: str, device: str, gateway: str, **more: Any) -> config.Uplink:
    return config.Uplink(name=name, device=device, gateway=gateway, **({"download_mbit": 10, "upload_mbit": 5} | more))


PDE = uplink("pde", "pde0", "10.35.10.1", pinned=("10.51.0.0/16",))
TELKOM = uplink("telkom", "tel0", "192.168.1.1", download_mbit=20)


def settings(**changed: Any) -> config.Config:
    parts: dict[str, Any] = {
        "village": config.Village(code="3510052001", name="Sumberberas", district="Muncar"),
        "uplink": (PDE, TELKOM),
        "classes": classes(),
    }
    return config.Config(**(parts | changed))


def classes(**wifi: Any) -> config.Classes:
    guests: dict[str, Any] = {"uplinks": ("telkom",), "guaranteed_percent": 20, "devices": ("wifi0",)}
    return config.Classes(
        service=config.TrafficClass(uplinks=("pde", "telkom"), guaranteed_percent=70, devices=("office0",)),
        wifi=config.TrafficClass(**(guests | wifi)),
        control=config.TrafficClass(uplinks=("pde", "telkom"), guaranteed_percent=10),
    )
