"""What a damaged store asks for: finding what does not read right, taking out what does, naming what is lost."""
