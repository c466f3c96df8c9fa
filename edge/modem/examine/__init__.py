"""Looking into a modem at work: the doctor, a person's own AT lines, recordings."""
