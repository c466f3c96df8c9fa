"""The devices beside the box (ONT, switch, MikroTik), by SNMP: oids -> walk -> decode -> judge; the rest is shell.

Only `agent` and `wire` know pysnmp, and `devices` imports them when the first device is asked: a box without `[[snmp]]`
never loads it.
"""
