"""Pure: the catalogue of everything an SMS from the office may say."""
