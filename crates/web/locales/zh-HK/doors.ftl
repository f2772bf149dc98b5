# Doors: channels, messages, mappings.
