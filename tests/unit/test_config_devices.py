"""The devices of a configuration, one kind of mistake a file."""

from tests.unit.config_mistakes import DATA, EXPLAINED, Mistakes, each_of, said

MISTAKES: Mistakes = {
    "snmp-names": [
        ("snmp[2].name", '"ont" names another device already', "Give each its own."),
        ("snmp[1].ports[3]", '"lan1" stands in the list twice', "Remove one."),
    ],
    "snmp-uplink": [
        ("snmp[1].uplink", '"indihome" is no uplink of this file', "Known: pde, telkom."),
    ],
    "snmp-host": [
        (
            "snmp[1].host",
            '"ont.village.example" is no IPv4 or IPv6 address',
            "Write such as 192.168.1.1; no name.",
        ),
        ("snmp[2].host", '"0.0.0.0" is no host on a network', "Write such as 192.168.1.1."),
    ],
    "snmp-keys": [
        (
            "snmp[1].community",
            "is no setting of this program",
            "Secrets do not belong here: give desk-key, portal-key, store-key, sim-pin, snmp-NAME as credentials.",
        ),
        ("snmp[1].version", '"1" is not "2c" or "3"', EXPLAINED),
        ("snmp[1].poll_s", "5 is not a number from 10 to 3600", EXPLAINED),
        (
            "snmp[1].optical_oid",
            '"enterprises.2011" is not a numeric OID such as 1.3.6.1.4.1.2011.1.0, or ""',
            EXPLAINED,
        ),
    ],
}


@each_of(MISTAKES)
def test_each_mistake_is_named_with_its_remedy(name: str) -> None:
    """Whoever sets a device up would not learn which line is wrong, or what to write instead."""
    assert sorted(said(DATA / f"invalid-{name}.toml", "error")) == sorted(MISTAKES[name])
