//! Participation: opinion groups, preferences, patient-reported outcomes, gates, allocation. Pure.
