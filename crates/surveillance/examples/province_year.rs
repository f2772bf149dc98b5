//! A province of 100 counties for a year: 42 diseases with the seasons of the Chinese monthly counts
//! (four years of history, then the year that is watched), 200 planted outbreaks, and what the watch
//! makes of it beside the moving percentile at the same number of signals.
//!
//! `cargo run --release -p tongmai-surveillance --example province_year [seed …]`
//!
//! A county of half a million has 200 villages and neighbourhoods and 160 schools and kindergartens, as China has them
//! (600,000 and 470,000 in all, statistics of 2023); 60 % of what children have is placed in schools, as the report
//! card's workplace or school says, the rest where people live. Background: county and week vary by more than
//! chance, weekdays differ, one case in ten brings a second one in its place within five days. An
//! outbreak lies in one place, has a size of median 5 and comes in over some days. A signal is right when
//! it stands for an outbreak's county and disease, and for its place or the county as a whole, between the outbreak's
//! first case and a week after its last. Seeds 1 and 2 are those that the watch was tuned on.

use rayon::prelude::*;
use tongmai_surveillance::control::{LEAST_CHANCE, Promise};
use tongmai_surveillance::monitor::{DailyCounts, Judgement, Region, Watch};
use tongmai_testkit::Random;

const COUNTIES: usize = 100;
const VILLAGES: usize = 200;
const SCHOOLS: usize = 160;
const PLACES: usize = VILLAGES + SCHOOLS;
const YEARS: i64 = 5;
const WATCHED: i64 = 364 * (YEARS - 1) + 10;
const DAYS: i64 = WATCHED + 365;
const OUTBREAKS: usize = 200;
/// A county's part of the country.
const PART: f64 = 1.0 / 2_820.0;
/// Days for which a signal stands for its county and disease.
const STANDS: i64 = 14;

/// A disease: column of the table, whether children have it, weight among outbreaks.
const DISEASES: [(&str, bool, u32); 42] = [
    ("鼠疫", false, 0),
    ("霍乱", false, 2),
    ("新型冠状病毒感染", false, 6),
    ("传染性非典型肺炎", false, 0),
    ("艾滋病", false, 0),
    ("病毒性肝炎", false, 4),
    ("脊髓灰质炎", false, 0),
    ("人感染新亚型流感", false, 1),
    ("麻疹", true, 8),
    ("流行性出血热", false, 3),
    ("狂犬病", false, 0),
    ("流行性乙型脑炎", true, 1),
    ("登革热", false, 8),
    ("猴痘", false, 3),
    ("基孔肯雅热", false, 5),
    ("发热伴血小板减少综合征", false, 3),
    ("炭疽", false, 4),
    ("细菌性和阿米巴性痢疾", true, 8),
    ("肺结核", true, 6),
    ("伤寒和副伤寒", false, 6),
    ("流行性脑脊髓膜炎", true, 1),
    ("百日咳", true, 6),
    ("白喉", true, 0),
    ("新生儿破伤风", false, 0),
    ("猩红热", true, 8),
    ("布鲁氏菌病", false, 6),
    ("淋病", false, 0),
    ("梅毒", false, 0),
    ("钩端螺旋体病", false, 2),
    ("血吸虫病", false, 2),
    ("疟疾", false, 4),
    ("流行性感冒", true, 25),
    ("流行性腮腺炎", true, 15),
    ("风疹", true, 8),
    ("急性出血性结膜炎", true, 8),
    ("麻风病", false, 0),
    ("流行性和地方性斑疹伤寒", false, 2),
    ("黑热病", false, 1),
    ("包虫病", false, 0),
    ("丝虫病", false, 0),
    ("手足口病", true, 20),
    ("其他感染性腹泻病", true, 22),
];

/// A whole number of a Poisson distribution.
fn poisson(random: &mut Random, mean: f64) -> u32 {
    if mean > 60.0 {
        return (mean + mean.sqrt() * normal(random)).round().max(0.0) as u32;
    }
    let (limit, mut product, mut count) = ((-mean).exp(), uniform(random), 0);
    while product > limit {
        product *= uniform(random);
        count += 1;
    }
    count
}

fn uniform(random: &mut Random) -> f64 {
    ((random.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

fn normal(random: &mut Random) -> f64 {
    (-2.0 * uniform(random).ln()).sqrt() * (std::f64::consts::TAU * uniform(random)).cos()
}

/// National cases a day of each disease over the five years: 2015 to 2019 where the table has them, else the
/// last twelve months over and over.
fn national(text: &str) -> Vec<Vec<f64>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or("").split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let column = |name: &str| header.iter().position(|cell| cell.trim_start_matches('\u{feff}') == name);
    let start = rows.iter().position(|row| row[0] == "2015-01").expect("2015 is in the table");
    let months = |name: &str| {
        let at = column(name).unwrap_or_else(|| panic!("the table has no {name}"));
        let value = |row: &Vec<&str>| row.get(at).and_then(|cell| cell.parse::<f64>().ok());
        let there: Vec<f64> = rows[start..start + 60].iter().filter_map(value).collect();
        if there.len() == 60 {
            return there;
        }
        let known: Vec<f64> = rows.iter().filter_map(value).collect();
        let last = &known[known.len().saturating_sub(12)..];
        (0..60).map(|month| last[month % last.len().max(1)]).collect()
    };
    DISEASES
        .iter()
        .map(|(name, _, _)| {
            let months = months(name);
            // A day's rate between the middles of two months.
            let at = |day: i64| {
                let month = day as f64 / (365.25 / 12.0);
                let (before, part) = ((month - 0.5).floor(), (month - 0.5).fract().abs());
                let of = |index: f64| months[(index.max(0.0) as usize).min(59)];
                (of(before) * (1.0 - part) + of(before + 1.0) * part) / (365.25 / 12.0)
            };
            (0..DAYS).map(at).collect()
        })
        .collect()
}

struct Outbreak {
    county: usize,
    disease: usize,
    place: usize,
    days: Vec<i64>,
}

struct Province {
    county: Vec<DailyCounts>,
    places: Vec<Vec<DailyCounts>>,
    outbreaks: Vec<Outbreak>,
}

fn province(seed: u64, national: &[Vec<f64>]) -> Province {
    let outbreaks = plant(seed, national);
    let series: Vec<(DailyCounts, Vec<DailyCounts>)> = (0..COUNTIES * DISEASES.len())
        .into_par_iter()
        .map(|index| background(seed, index, &national[index % DISEASES.len()]))
        .collect();
    let (mut county, mut places): (Vec<_>, Vec<_>) = series.into_iter().unzip();
    for outbreak in &outbreaks {
        let index = outbreak.county * DISEASES.len() + outbreak.disease;
        for day in &outbreak.days {
            county[index].add(*day, 1);
            places[index][outbreak.place].add(*day, 1);
        }
    }
    Province { county, places, outbreaks }
}

fn plant(seed: u64, national: &[Vec<f64>]) -> Vec<Outbreak> {
    let mut random = Random(seed ^ 0x5851_F42D_4C95_7F2D);
    let weights: u32 = DISEASES.iter().map(|disease| disease.2).sum();
    (0..OUTBREAKS)
        .map(|_| {
            let mut draw = random.below(weights as usize) as u32;
            let disease = DISEASES.iter().position(|it| {
                let here = draw < it.2;
                draw = draw.saturating_sub(it.2);
                here
            });
            let disease = disease.unwrap_or(0);
            // The season's shape decides when, with a floor: outbreaks happen out of season too.
            let shape = &national[disease][WATCHED as usize..];
            let highest = shape.iter().fold(0.0_f64, |a, b| a.max(*b)).max(1e-9);
            let start = loop {
                let day = random.below(340);
                if uniform(&mut random) < 0.25 + 0.75 * shape[day] / highest {
                    break WATCHED + day as i64;
                }
            };
            // Lognormal with median 5, between 3 and 60.
            let size = (5.0 * (0.6 * normal(&mut random)).exp()).round().clamp(3.0, 60.0) as usize;
            let span = 2.0 + 4.0 * uniform(&mut random);
            let mut days: Vec<i64> =
                (0..size).map(|_| start + (span * uniform(&mut random)).floor() as i64).collect();
            let first = days.iter().min().copied().unwrap_or(start);
            days.iter_mut().for_each(|day| *day -= first - start);
            days.sort_unstable();
            let place =
                if DISEASES[disease].1 { VILLAGES + random.below(SCHOOLS) } else { random.below(VILLAGES) };
            Outbreak { county: random.below(COUNTIES), disease, place, days }
        })
        .collect()
}

fn background(seed: u64, index: usize, national: &[f64]) -> (DailyCounts, Vec<DailyCounts>) {
    const WEEKDAY: [f64; 7] = [1.15, 1.1, 1.05, 1.05, 1.0, 0.9, 0.75];
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (index as u64) << 20);
    let children = DISEASES[index % DISEASES.len()].1;
    let scale = (0.4 * normal(&mut random) - 0.08).exp();
    let shares: Vec<f64> = (0..PLACES)
        .map(|place| {
            let size = (0.5 * normal(&mut random)).exp();
            let is_school = place >= VILLAGES;
            match (children, is_school) {
                (true, true) => 0.6 * size / SCHOOLS as f64,
                (true, false) => 0.4 * size / VILLAGES as f64,
                (false, false) => size / VILLAGES as f64,
                (false, true) => 0.0,
            }
        })
        .collect();
    let sum: f64 = shares.iter().sum();
    let (mut county, mut places) = (DailyCounts::default(), vec![DailyCounts::default(); PLACES]);
    let mut level = 0.0;
    for day in 0..DAYS {
        if day % 7 == 0 {
            // The county's own waves: half of last week's deviation stays.
            level = 0.7 * level + 0.25 * normal(&mut random);
        }
        let mean =
            national[day as usize] * PART * scale * f64::exp(level - 0.06) * WEEKDAY[(day % 7) as usize];
        for _ in 0..poisson(&mut random, mean / 1.1) {
            let mut at = uniform(&mut random) * sum;
            let place = shares.iter().position(|share| {
                at -= share;
                at <= 0.0
            });
            let place = place.unwrap_or(0);
            county.add(day, 1);
            places[place].add(day, 1);
            if uniform(&mut random) < 0.1 {
                let second = day + 1 + random.below(5) as i64;
                if second < DAYS {
                    county.add(second, 1);
                    places[place].add(second, 1);
                }
            }
        }
    }
    (county, places)
}

struct Alarm {
    county: usize,
    disease: usize,
    place: Option<usize>,
    day: i64,
}

impl Alarm {
    fn is_of(&self, outbreak: &Outbreak) -> bool {
        let (first, last) = (outbreak.days[0], outbreak.days[outbreak.days.len() - 1]);
        self.county == outbreak.county
            && self.disease == outbreak.disease
            && self.place.is_none_or(|place| place == outbreak.place)
            && (first..=last + 7).contains(&self.day)
    }
}

/// What a set of signals came to.
fn report(name: &str, province: &Province, signals: &[Alarm]) {
    let right =
        signals.iter().filter(|it| province.outbreaks.iter().any(|outbreak| it.is_of(outbreak))).count();
    let mut delays: Vec<i64> = province
        .outbreaks
        .iter()
        .filter_map(|outbreak| {
            signals.iter().filter(|it| it.is_of(outbreak)).map(|it| it.day - outbreak.days[0]).min()
        })
        .collect();
    delays.sort_unstable();
    let found = delays.len();
    let weeks = (COUNTIES * 52) as f64;
    println!(
        "{name}: {} signals ({:.3} a county-week), PPV {:.3}, sensitivity {:.3}, median delay {} days",
        signals.len(),
        signals.len() as f64 / weeks,
        right as f64 / signals.len().max(1) as f64,
        found as f64 / province.outbreaks.len() as f64,
        delays.get(found / 2).copied().unwrap_or(-1),
    );
}

/// Outbreaks found and false signals, by disease.
fn by_disease(province: &Province, signals: &[Alarm]) {
    for (disease, (name, ..)) in DISEASES.iter().enumerate() {
        let planted: Vec<&Outbreak> = province.outbreaks.iter().filter(|it| it.disease == disease).collect();
        let of: Vec<&Alarm> = signals.iter().filter(|it| it.disease == disease).collect();
        let found = planted.iter().filter(|outbreak| of.iter().any(|signal| signal.is_of(outbreak))).count();
        let wrong = of.iter().filter(|signal| !planted.iter().any(|outbreak| signal.is_of(outbreak))).count();
        if !planted.is_empty() || wrong > 0 {
            println!("    {name}: {found} of {} found, {wrong} false", planted.len());
        }
    }
}

/// The watch's settings; `WATCH=days,exponent,level` tries others.
fn settings() -> Watch {
    let text = std::env::var("WATCH").unwrap_or_default();
    let numbers: Vec<f64> = text.split(',').filter_map(|it| it.parse().ok()).collect();
    match numbers[..] {
        [household_days, place_exponent, level_days] => {
            Watch { household_days, place_exponent, level_days: level_days as i64, ..Watch::default() }
        }
        _ => Watch::default(),
    }
}

/// Every day of every county and disease, judged.
fn judged(province: &Province) -> Vec<Vec<Option<Judgement>>> {
    let settings = settings();
    let regions: Vec<DailyCounts> = (0..DISEASES.len())
        .into_par_iter()
        .map(|disease| {
            let mut region = DailyCounts::default();
            for county in province.county.iter().skip(disease).step_by(DISEASES.len()) {
                county.days().for_each(|(day, cases)| region.add(day, cases as i32));
            }
            region
        })
        .collect();
    let weeks: Vec<Vec<f64>> = regions
        .par_iter()
        .map(|region| (WATCHED..DAYS).map(|day| settings.region(region, 0, day).week).collect())
        .collect();
    (0..province.county.len())
        .into_par_iter()
        .map(|index| {
            let places: Vec<&DailyCounts> = province.places[index].iter().collect();
            let disease = index % DISEASES.len();
            let judge = |day: i64| {
                let week = weeks[disease][(day - WATCHED) as usize];
                let region = Region { counts: &regions[disease], week };
                settings.judge(&region, &province.county[index], &places, 0, day)
            };
            (WATCHED..DAYS).map(judge).collect()
        })
        .collect()
}

/// The watch as the platform runs it: raised is what is likely enough, what stands for its place is not raised
/// again, and a disease whose signals kept less than they promised must promise more.
fn watch(province: &Province, judged: &[Vec<Option<Judgement>>], least: f64) -> Vec<Alarm> {
    let mut raised: Vec<Vec<(i64, Option<usize>)>> = vec![Vec::new(); province.county.len()];
    let mut promises = vec![Promise::default(); DISEASES.len()];
    let mut signals: Vec<Alarm> = Vec::new();
    for day in WATCHED..DAYS {
        for (index, days) in judged.iter().enumerate() {
            let Some(found) = days[(day - WATCHED) as usize] else { continue };
            let (county, disease) = (index / DISEASES.len(), index % DISEASES.len());
            let chance = promises[disease].chance(found.factor);
            let stands = |(before, place): &(i64, Option<usize>)| {
                day - before < STANDS && (place.is_none() || found.place.is_none() || *place == found.place)
            };
            if chance < least || raised[index].iter().any(stands) {
                continue;
            }
            raised[index].push((day, found.place));
            let signal = Alarm { county, disease, place: found.place, day };
            promises[disease]
                .record(chance, province.outbreaks.iter().any(|outbreak| signal.is_of(outbreak)));
            signals.push(signal);
        }
    }
    signals
}

/// The moving percentile of CIDARS on counties: seven days against the same days of former years, at the
/// threshold that gives as many signals.
fn moving_percentile(province: &Province, budget: usize) -> Vec<Alarm> {
    let scores: Vec<Vec<f64>> = province
        .county
        .par_iter()
        .map(|counts| {
            let score = |day: i64| {
                let observed = f64::from(counts.between(day - 6, day));
                let mut former = Vec::new();
                for year in 1..YEARS {
                    for week in -2..=2 {
                        let end = day - 364 * year + 7 * week;
                        if end >= 6 {
                            former.push(f64::from(counts.between(end - 6, end)));
                        }
                    }
                }
                former.sort_unstable_by(f64::total_cmp);
                let bound = tongmai_surveillance::historical::quantile(&former, 0.9);
                if observed < 2.0 || observed < bound {
                    0.0
                } else {
                    (observed - bound) / (bound + 1.0).sqrt()
                }
            };
            (WATCHED..DAYS).map(score).collect()
        })
        .collect();
    let raise = |threshold: f64| {
        let mut signals = Vec::new();
        for (index, days) in scores.iter().enumerate() {
            let mut last = i64::MIN / 2;
            for (at, score) in days.iter().enumerate() {
                let day = WATCHED + at as i64;
                if *score > threshold && day - last >= STANDS {
                    last = day;
                    signals.push(Alarm {
                        county: index / DISEASES.len(),
                        disease: index % DISEASES.len(),
                        place: None,
                        day,
                    });
                }
            }
        }
        signals
    };
    let (mut low, mut high) = (0.0, 100.0);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if raise(middle).len() > budget { low = middle } else { high = middle }
    }
    raise(high)
}

fn main() {
    let Some(path) = tongmai_testkit::data("surveillance/cn/monthly-cases.csv") else { return };
    let national = national(&tongmai_testkit::read_text(&path));
    let mut seeds: Vec<u64> = std::env::args().skip(1).filter_map(|seed| seed.parse().ok()).collect();
    if seeds.is_empty() {
        seeds.push(1);
    }
    for seed in seeds {
        let province = province(seed, &national);
        let cases: u32 = province.county.iter().map(DailyCounts::total).sum();
        let mut sizes: Vec<usize> = province.outbreaks.iter().map(|outbreak| outbreak.days.len()).collect();
        sizes.sort_unstable();
        println!(
            "seed {seed}: {cases} cases in five years, median outbreak {} cases",
            sizes[sizes.len() / 2]
        );
        let started = std::time::Instant::now();
        let judged = judged(&province);
        println!("  judged in {:.1} s", started.elapsed().as_secs_f64());
        for least in [0.03, 0.04, LEAST_CHANCE, 0.06, 0.08, 0.1] {
            let signals = watch(&province, &judged, least);
            report(&format!("watch, chance from {least}"), &province, &signals);
            if least == LEAST_CHANCE {
                report("  moving percentile", &province, &moving_percentile(&province, signals.len()));
                if std::env::var_os("BY_DISEASE").is_some() {
                    by_disease(&province, &signals);
                }
            }
        }
    }
}
