"""Pure: the GSM 7 bit default alphabet and its extension (3GPP TS 23.038 clause 6.2.1)."""
