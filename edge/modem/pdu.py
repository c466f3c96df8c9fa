"""Pure: SMS transfer protocol data units (3GPP TS 23.040 clause 9)."""
