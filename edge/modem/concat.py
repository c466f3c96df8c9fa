"""Pure: long messages, split and joined (3GPP TS 23.040 clause 9.2.3.24.1)."""
