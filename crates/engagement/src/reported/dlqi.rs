//! Dermatology Life Quality Index (Finlay and Khan 1994): ten answers of 0–3, summed; higher is worse.
//!
//! The wording is Cardiff University's; an operator with a licence uploads it as a Questionnaire. Bands are
//! those of Hongbo et al. (2005).

use serde::Serialize;

/// How much a skin disease weighs on a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// 0–1.
    None,
    /// 2–5.
    Small,
    /// 6–10.
    Moderate,
    /// 11–20.
    VeryLarge,
    /// 21–30.
    ExtremelyLarge,
}

/// The score of ten answers; `None` for an answer that was left out. One may be missing and counts 0,
/// with two or more there is no score. Question 7 answered "yes, it prevents me" is 3.
///
/// # Errors
/// Another number of answers, an answer outside 0–3, or more than one missing.
pub fn score(answers: &[Option<u8>]) -> Result<u8, String> {
    if answers.len() != 10 {
        return Err(format!("answers: the index has 10 questions, not {}", answers.len()));
    }
    if let Some(at) = answers.iter().position(|a| a.is_some_and(|a| a > 3)) {
        return Err(format!("answer {}: choose 0 to 3", at + 1));
    }
    if answers.iter().filter(|a| a.is_none()).count() > 1 {
        return Err("answers: more than one is missing, so there is no score".into());
    }
    Ok(answers.iter().flatten().sum())
}

/// The band of a score.
pub fn band(score: u8) -> Band {
    match score {
        0..=1 => Band::None,
        2..=5 => Band::Small,
        6..=10 => Band::Moderate,
        11..=20 => Band::VeryLarge,
        _ => Band::ExtremelyLarge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_and_bands() {
        let all = |answer| vec![Some(answer); 10];
        for (answers, score, band) in
            [(all(0), 0, Band::None), (all(1), 10, Band::Moderate), (all(3), 30, Band::ExtremelyLarge)]
        {
            assert_eq!(super::score(&answers), Ok(score));
            assert_eq!(super::band(score), band);
        }
        let mut one_missing = all(2);
        one_missing[4] = None;
        assert_eq!(score(&one_missing), Ok(18));
        one_missing[5] = None;
        assert!(score(&one_missing).is_err());
        assert!(score(&all(4)).is_err() && score(&all(1)[..9]).is_err());
        assert_eq!(
            [1, 2, 5, 6, 10, 11, 20, 21].map(band)[..],
            [
                Band::None,
                Band::Small,
                Band::Small,
                Band::Moderate,
                Band::Moderate,
                Band::VeryLarge,
                Band::VeryLarge,
                Band::ExtremelyLarge
            ]
        );
    }
}
