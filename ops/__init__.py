"""Put it together, keep it up: composition, command line, processes, demo."""
