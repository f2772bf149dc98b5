//! Detection of outbreaks in series and point patterns. Pure.
