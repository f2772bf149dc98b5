//! Small words that every record knows.

/// Administrative sex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sex {
    /// Male.
    Male,
    /// Female.
    Female,
    /// Neither.
    Other,
}

impl Sex {
    /// Reads the usual codes: words, letters, GB/T 2261.1 digits (1 male, 2 female, 9 not stated).
    pub fn read(raw: &str) -> Option<Sex> {
        match raw.trim().to_lowercase().as_str() {
            "m" | "male" | "1" | "男" | "男性" => Some(Sex::Male),
            "f" | "female" | "2" | "女" | "女性" => Some(Sex::Female),
            "o" | "other" | "x" => Some(Sex::Other),
            _ => None,
        }
    }
}
