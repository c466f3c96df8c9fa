"""What is said to a modem and when, without a clock or a line; `edge.modem.session` is the door."""
