# Surveillance.
