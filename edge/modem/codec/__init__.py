"""What an SMS is made of, bit by bit (3GPP TS 23.040, TS 23.038); `edge.modem.pdu` is the door."""
