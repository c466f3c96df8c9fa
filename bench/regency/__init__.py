"""What `bench/villages.py` is made of: the villages' stores and forwarders, and the regency's end of a broker."""
