"""Pure: the rolling record of an uplink's probes; a late reply corrects a loss."""
