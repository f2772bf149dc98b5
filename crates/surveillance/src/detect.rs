//! One door to every method that judges a series point by point.

use crate::cusum::Cusum;
use crate::ears::Ears;
use crate::farrington::{Classic, Flexible};
use crate::glr::LikelihoodRatio;
use crate::historical::{Cdc, Fixed, MovingPercentile, Reference};
use crate::outbreak_p::OutbreakP;
use crate::series::{Point, Series};

/// A method with its parameters.
#[derive(Debug, Clone)]
pub enum Algorithm {
    /// Farrington 1996.
    Farrington(Classic),
    /// Farrington Flexible.
    FarringtonFlexible(Flexible),
    /// EARS C1, C2, C3.
    Ears(Ears),
    /// Robert Koch Institute.
    Rki(Reference),
    /// Bayes.
    Bayes(Reference),
    /// CDC.
    Cdc(Cdc),
    /// Moving percentile of CIDARS.
    MovingPercentile(MovingPercentile),
    /// Fixed threshold.
    Fixed(Fixed),
    /// CUSUM of standardised counts.
    Cusum(Cusum),
    /// Likelihood-ratio charts.
    LikelihoodRatio(LikelihoodRatio),
    /// OutbreakP.
    OutbreakP(OutbreakP),
}

impl Algorithm {
    /// Judges every point of the series that the parameters allow.
    pub fn detect(&self, series: &Series) -> Vec<Point> {
        match self {
            Algorithm::Farrington(parameters) => parameters.detect(series),
            Algorithm::FarringtonFlexible(parameters) => parameters.detect(series),
            Algorithm::Ears(parameters) => parameters.detect(series),
            Algorithm::Rki(parameters) => parameters.rki(series),
            Algorithm::Bayes(parameters) => parameters.bayes(series),
            Algorithm::Cdc(parameters) => parameters.detect(series),
            Algorithm::MovingPercentile(parameters) => parameters.detect(series),
            Algorithm::Fixed(parameters) => parameters.detect(series),
            Algorithm::Cusum(parameters) => parameters.detect(series),
            Algorithm::LikelihoodRatio(parameters) => parameters.detect(series),
            Algorithm::OutbreakP(parameters) => parameters.detect(series),
        }
    }
}

/// Which of R's columns a method fills: only Farrington Flexible gives more
/// than a threshold and an alarm.
pub fn has_model_columns(algorithm: &Algorithm) -> bool {
    matches!(algorithm, Algorithm::FarringtonFlexible(_))
}
