//! Who may see what: the only maker of the sealed type that a door may show, and the log of every read.
