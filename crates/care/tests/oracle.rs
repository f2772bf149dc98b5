//! A million decisions over synthetic villages, against the regulation's sentences written down a second
//! time: as nested questions in whole numbers, without the table of rules.

use tongmai_care::follow_up::{Due, Outcome, Programme, Rules, Visit};

/// SplitMix64: the same villages on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// What a village doctor wrote down, glucose and temperature in tenths.
#[derive(Clone, Default)]
struct Form {
    day: i64,
    age: u32,
    systolic: Option<i64>,
    diastolic: Option<i64>,
    glucose: Option<i64>,
    temperature: Option<i64>,
    pulse: Option<i64>,
    sign: Option<usize>,
    side_effect: bool,
    complication: bool,
}

const PRESSURE_SIGNS: [&str; 8] = [
    "consciousness",
    "headache_dizziness",
    "nausea_vomiting",
    "blurred_vision",
    "eye_pain",
    "palpitations_chest_tightness",
    "orthopnoea",
    "pregnant_or_nursing",
];
const SUGAR_SIGNS: [&str; 9] = [
    "consciousness",
    "acetone_breath",
    "palpitations_chest_tightness",
    "sweating",
    "thirst_polyuria",
    "vomiting",
    "deep_breathing",
    "sudden_vision_loss",
    "pregnant_or_nursing",
];

fn form(dice: &mut Dice, day: i64, age: u32, diabetic: bool) -> Form {
    let rare = |dice: &mut Dice, of| dice.below(of) == 0;
    let seen = |dice: &mut Dice, value: i64| (!rare(dice, 40)).then_some(value);
    let systolic = 105 + dice.below(90) as i64;
    let diastolic = 55 + dice.below(65) as i64;
    let glucose = 30 + dice.below(145) as i64;
    Form {
        day,
        age,
        systolic: seen(dice, systolic),
        diastolic: seen(dice, diastolic),
        glucose: if diabetic { seen(dice, glucose) } else { None },
        temperature: rare(dice, 3).then(|| 360 + dice.below(40) as i64),
        pulse: rare(dice, 2).then(|| 55 + dice.below(60) as i64),
        sign: rare(dice, 30).then(|| dice.below(8) as usize),
        side_effect: rare(dice, 20),
        complication: rare(dice, 40),
    }
}

/// The form as the engine takes it.
fn visit(form: &Form, signs: &[&str]) -> Visit {
    let mut visit = Visit { day: form.day, ..Visit::default() };
    let mut put = |name: &str, value: Option<f64>| {
        if let Some(value) = value {
            visit.measures.insert(name.into(), value);
        }
    };
    put("systolic", form.systolic.map(|v| v as f64));
    put("diastolic", form.diastolic.map(|v| v as f64));
    put("fasting_glucose", form.glucose.map(|v| v as f64 / 10.0));
    put("temperature", form.temperature.map(|v| v as f64 / 10.0));
    put("heart_rate", form.pulse.map(|v| v as f64));
    visit.signs = form.sign.map(|s| signs[s].to_owned()).into_iter().collect();
    visit.side_effect = form.side_effect;
    visit.complication = form.complication;
    visit
}

/// The regulation for hypertension. `bad` visits in a row came before.
fn pressure_by_the_text(form: &Form, bad: u32) -> (Outcome, i64) {
    let upper = if form.age >= 65 { 150 } else { 140 };
    if form.systolic.is_some_and(|s| s >= 180)
        || form.diastolic.is_some_and(|d| d >= 110)
        || form.sign.is_some()
    {
        return (Outcome::UrgentReferral, 14);
    }
    let high = form.systolic.is_some_and(|s| s >= upper) || form.diastolic.is_some_and(|d| d >= 90);
    by_the_text(form, high, form.systolic.is_some() && form.diastolic.is_some(), bad)
}

/// The regulation for type 2 diabetes.
fn sugar_by_the_text(form: &Form, bad: u32) -> (Outcome, i64) {
    let danger = form.glucose.is_some_and(|g| g >= 167 || g <= 39)
        || form.systolic.is_some_and(|s| s >= 180)
        || form.diastolic.is_some_and(|d| d >= 110)
        || form.temperature.is_some_and(|t| t >= 390)
        || form.pulse.is_some_and(|p| p > 100)
        || form.sign.is_some();
    if danger {
        return (Outcome::UrgentReferral, 14);
    }
    by_the_text(form, form.glucose.is_some_and(|g| g >= 70), form.glucose.is_some(), bad)
}

fn by_the_text(form: &Form, high: bool, measured: bool, bad: u32) -> (Outcome, i64) {
    if form.complication {
        (Outcome::Refer, 14)
    } else if high || form.side_effect {
        if bad >= 1 { (Outcome::Refer, 14) } else { (Outcome::Adjust, 14) }
    } else if measured {
        (Outcome::Controlled, 90)
    } else {
        (Outcome::NotMeasured, 14)
    }
}

fn due_by_the_text(outcome: Outcome, next: i64, today: i64) -> Due {
    match outcome {
        Outcome::Refer | Outcome::UrgentReferral if today <= next => Due::CheckReferral(next),
        Outcome::Refer | Outcome::UrgentReferral => Due::ReferralUnchecked(next),
        _ if today < next => Due::Later(next),
        _ if today <= next + 7 => Due::Now(next),
        _ => Due::Late(next),
    }
}

/// One person for two years: every visit decided twice, and whether it is due asked on random days.
fn person(dice: &mut Dice, programme: &Programme, diabetic: bool, count: &mut [u64; 5]) -> u64 {
    let signs: &[&str] = if diabetic { &SUGAR_SIGNS } else { &PRESSURE_SIGNS };
    let age = 35 + dice.below(55) as u32;
    let (mut forms, mut day) = (Vec::new(), 20_000 + dice.below(90) as i64);
    while day < 20_730 {
        forms.push(form(dice, day, age, diabetic));
        day += 10 + dice.below(110) as i64;
    }
    let visits: Vec<Visit> = forms.iter().map(|form| visit(form, signs)).collect();
    let decisions = programme.course(&visits, |_| age);
    let (mut bad, mut decided) = (0, 0);
    for (form, decision) in forms.iter().zip(&decisions) {
        let (outcome, days) =
            if diabetic { sugar_by_the_text(form, bad) } else { pressure_by_the_text(form, bad) };
        assert_eq!((decision.outcome, decision.next), (outcome, form.day + days), "{bad} before");
        bad = match outcome {
            Outcome::Controlled | Outcome::Refer | Outcome::UrgentReferral => 0,
            Outcome::Adjust => bad + 1,
            Outcome::NotMeasured => bad,
        };
        count[outcome as usize] += 1;
        let today = form.day + dice.below(120) as i64;
        let due = programme.due(form.day, Some(decision), today);
        assert_eq!(due, due_by_the_text(outcome, form.day + days, today));
        decided += 2;
    }
    let enrolled = 20_000;
    let today = enrolled + dice.below(200) as i64;
    assert_eq!(
        programme.due(enrolled, None, today),
        due_by_the_text(Outcome::Controlled, enrolled + 90, today)
    );
    assert_eq!(programme.examination_due(enrolled, None, today), today - enrolled >= 365);
    decided + 2
}

#[test]
fn a_million_decisions_equal_the_regulation_written_down_again() {
    let rules = Rules::mainland_china();
    let pressure = rules.programme("hypertension").expect("a programme");
    let sugar = rules.programme("diabetes").expect("a programme");
    let mut dice = Dice(20_261_127);
    let (mut decided, mut count) = (0, [0; 5]);
    while decided < 1_000_000 {
        decided += person(&mut dice, pressure, false, &mut count);
        decided += person(&mut dice, sugar, true, &mut count);
    }
    // Every way out was taken often enough to mean something.
    assert!(count.iter().all(|n| *n > 2_000), "{count:?}");
    eprintln!("{decided} decisions equal; by outcome {count:?}");
}

#[test]
fn the_story_of_auntie_zhuoma() {
    let rules = Rules::mainland_china();
    let pressure = rules.programme("hypertension").expect("a programme");
    let measures = [("systolic".to_owned(), 186.0), ("diastolic".to_owned(), 112.0)].into();
    let decision = pressure.decide(&Visit { day: 100, measures, ..Visit::default() }, 65, 0);
    assert_eq!(decision.outcome, Outcome::UrgentReferral);
    assert_eq!(decision.reasons, ["systolic 186", "diastolic 112"]);
    assert_eq!(pressure.due(0, Some(&decision), 114), Due::CheckReferral(114));
    assert_eq!(pressure.due(0, Some(&decision), 115), Due::ReferralUnchecked(114));
    assert!(pressure.enrols("I10") && !pressure.enrols("E11.9"));
}

#[test]
fn rules_that_bind_nothing_are_refused_by_name() {
    let broken =
        include_str!("../packs/follow-up-cn-2017.json").replacen("\"at_least\": 180", "\"over\": 180", 1);
    assert!(Rules::read(&broken).expect_err("refused").contains("systolic"));
    assert!(Rules::read("{}").is_err());
}
