"""kampung-edge: the appliance that keeps a village office in Banyuwangi working."""

__version__ = "0.1.0"
