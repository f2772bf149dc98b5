//! Measures of detection on series whose outbreaks are known: the same as in
//! Noufaily et al. (2013) and Bédubourg and Le Strat (PLoS ONE 2017;12:e0181227).

/// Alarms and truth of one series; both as long as the evaluated part.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// Alarm of every point.
    pub alarms: Vec<bool>,
    /// Outbreak cases of every point.
    pub outbreak: Vec<f64>,
}

/// Counts that add up over series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Series.
    pub series: usize,
    /// Points without outbreak cases, and alarms among them.
    pub quiet: usize,
    /// False alarms.
    pub false_alarms: usize,
    /// Points with outbreak cases, and alarms among them.
    pub outbreak_points: usize,
    /// True alarms.
    pub true_alarms: usize,
    /// Outbreaks: runs of points from the first to the last outbreak case.
    pub outbreaks: usize,
    /// Outbreaks with an alarm.
    pub detected: usize,
    /// Outbreaks with an alarm at their first point.
    pub at_once: usize,
    /// Points from first case to first alarm, summed over detected outbreaks.
    pub delay: usize,
}

/// Points without an outbreak case that still belong to one outbreak.
const GAP: usize = 4;

impl Tally {
    /// Adds one series.
    pub fn add(&mut self, judged: &Judged) {
        self.series += 1;
        for (alarm, cases) in judged.alarms.iter().zip(&judged.outbreak) {
            let alarm = usize::from(*alarm);
            if *cases > 0.0 {
                self.outbreak_points += 1;
                self.true_alarms += alarm;
            } else {
                self.quiet += 1;
                self.false_alarms += alarm;
            }
        }
        for (first, last) in outbreaks(&judged.outbreak) {
            self.outbreaks += 1;
            let alarm = (first..=last).find(|&i| judged.alarms[i] && judged.outbreak[i] > 0.0);
            if let Some(alarm) = alarm {
                self.detected += 1;
                self.at_once += usize::from(alarm == first);
                self.delay += alarm - first;
            }
        }
    }

    /// False-positive rate: alarms among points without outbreak cases.
    pub fn false_positive_rate(&self) -> f64 {
        self.false_alarms as f64 / self.quiet as f64
    }

    /// Sensitivity: alarms among points with outbreak cases.
    pub fn sensitivity(&self) -> f64 {
        self.true_alarms as f64 / self.outbreak_points as f64
    }

    /// Probability of detection: outbreaks with an alarm.
    pub fn probability_of_detection(&self) -> f64 {
        self.detected as f64 / self.outbreaks as f64
    }

    /// Outbreaks with an alarm at their first point.
    pub fn detected_at_once(&self) -> f64 {
        self.at_once as f64 / self.outbreaks as f64
    }

    /// Positive predictive value: alarms at points with outbreak cases.
    pub fn positive_predictive_value(&self) -> f64 {
        self.true_alarms as f64 / (self.true_alarms + self.false_alarms) as f64
    }

    /// Mean delay of detected outbreaks, in points.
    pub fn mean_delay(&self) -> f64 {
        self.delay as f64 / self.detected as f64
    }
}

/// First and last index of every outbreak.
pub fn outbreaks(cases: &[f64]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (i, _) in cases.iter().enumerate().filter(|(_, cases)| **cases > 0.0) {
        match found.last_mut() {
            Some((_, last)) if i - *last <= GAP => *last = i,
            _ => found.push((i, i)),
        }
    }
    found
}
