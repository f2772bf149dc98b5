# One person, one record.
