# Grouping and payment.
