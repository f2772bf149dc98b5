# Participation and care plans.
