"""Pure: NIK, KK number and phone number: read, judged, masked."""
