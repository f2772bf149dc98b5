# Accounts, rights, audit.
