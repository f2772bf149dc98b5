//! Adaptive tests against the same model written down another way.

use tongmai_engagement::random::Random;
use tongmai_engagement::reported::adaptive::{Bank, Item};

/// Thirty items of four thresholds, as physical function banks look: steep, and spread over the scale.
fn bank(random: &mut Random) -> Bank {
    let items = (0..30)
        .map(|n| {
            let centre = -2.0 + 4.0 * n as f64 / 29.0;
            let mut thresholds: Vec<f64> =
                (0..4).map(|k| centre + (k as f64 - 1.5) * 0.7 + 0.1 * random.normal()).collect();
            thresholds.sort_by(f64::total_cmp);
            Item { id: format!("i{n}"), slope: 2.2 + 1.6 * random.uniform(), thresholds }
        })
        .collect();
    Bank { name: "test".into(), source: "drawn".into(), items, precise: 0.3, least: 4, most: 12 }
}

/// The score once more: in logarithms, each level as a difference of hyperbolic tangents, with the nodes summed from
/// the outside in.
fn oracle(bank: &Bank, answers: &[(usize, usize)]) -> (f64, f64) {
    let above = |a: f64, b: f64, theta: f64| 0.5 * (1.0 + (0.5 * a * (theta - b)).tanh());
    let mut nodes: Vec<f64> = (-40..=40).map(|n| f64::from(n) / 10.0).collect();
    nodes.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
    let weights: Vec<f64> = nodes
        .iter()
        .map(|&theta| {
            let mut log = -0.5 * theta * theta;
            for &(item, level) in answers {
                let Item { slope, thresholds, .. } = &bank.items[item];
                let low = if level == 0 { 1.0 } else { above(*slope, thresholds[level - 1], theta) };
                let high = thresholds.get(level).map_or(0.0, |b| above(*slope, *b, theta));
                log += (low - high).ln();
            }
            log.exp()
        })
        .collect();
    let whole: f64 = weights.iter().sum();
    let mean = nodes.iter().zip(&weights).map(|(t, w)| t * w).sum::<f64>() / whole;
    let variance = nodes.iter().zip(&weights).map(|(t, w)| (t - mean).powi(2) * w).sum::<f64>() / whole;
    (mean, variance.sqrt())
}

#[test]
fn scores_agree_and_the_test_is_short() {
    let mut random = Random::new(5);
    let bank = bank(&mut random);
    let (mut lengths, mut close) = (Vec::new(), 0);
    for _ in 0..400 {
        let truth = random.normal().clamp(-2.5, 2.5);
        let mut answers = Vec::new();
        while let Some(item) = bank.next(&answers).expect("a next item") {
            assert!(!answers.iter().any(|(asked, _)| *asked == item), "asked twice");
            let draw = random.uniform();
            let mut sum = 0.0;
            let levels = bank.items[item].probabilities(truth);
            let level = levels
                .iter()
                .position(|p| {
                    sum += p;
                    draw < sum
                })
                .unwrap_or(levels.len() - 1);
            answers.push((item, level));
            let score = bank.score(&answers).expect("a score");
            let (mean, error) = oracle(&bank, &answers);
            assert!((score.theta - mean).abs() < 1e-9 && (score.error - error).abs() < 1e-9);
        }
        let score = bank.score(&answers).expect("a score");
        close += usize::from((score.theta - truth).abs() < 2.0 * score.error);
        lengths.push(answers.len());
    }
    lengths.sort_unstable();
    eprintln!("median {} items, truth within two errors {close} of 400", lengths[200]);
    assert!(lengths[200] <= 8, "{}", lengths[200]);
    assert!(close >= 370, "{close}");
}

#[test]
fn probabilities_add_up_and_information_is_their_curvature() {
    let mut random = Random::new(9);
    let bank = bank(&mut random);
    for item in &bank.items {
        for theta in [-2.0, 0.1, 1.7] {
            let p = item.probabilities(theta);
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12 && p.iter().all(|p| *p > 0.0));
            // Σ p′² / p by central differences.
            let h = 1e-5;
            let (up, down) = (item.probabilities(theta + h), item.probabilities(theta - h));
            let information: f64 =
                p.iter().zip(up.iter().zip(&down)).map(|(p, (u, d))| ((u - d) / (2.0 * h)).powi(2) / p).sum();
            assert!((item.information(theta) / information - 1.0).abs() < 1e-6);
        }
    }
    assert!(bank.score(&[(0, 5)]).is_err() && bank.score(&[(99, 0)]).is_err());
    assert!(Bank::read(r#"{"name":"x","source":"","items":[{"id":"a","slope":0,"thresholds":[1]}],"precise":1,"least":1,"most":1}"#).is_err());
}
