"""What `bench/sms.py` measures: our modem part, Debian's SMS daemons and a bare script, each at its own modem."""
