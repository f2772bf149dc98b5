# Accounts, login, residents' pages: awaiting translation.
