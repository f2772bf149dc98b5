//! Stays in the county hospital, the private hospitals and the township clinics, with what complicates them and
//! what they cost: enough for groups of cases to be compared.
//!
//! One thing is planted: the second private hospital puts hypokalaemia on pages of patients whose potassium was
//! normal. Who looks for such signs can be measured by it ([`CODES_MORE`]).

use super::Life;
use crate::catalogue::*;
use crate::place::{self, Department};
use crate::rng::Rng;
use crate::uid;

/// The provider that codes more than its laboratory shows.
pub const CODES_MORE: usize = place::PRIVATE_HOSPITAL + 1;

/// A reason for a stay.
struct Reason {
    diagnosis: &'static Diagnosis,
    /// Stays in 10,000 person-years under 15, from 15 to 59, from 60.
    yearly: [u64; 3],
    nights: (i64, i64),
    department: &'static Department,
    /// A procedure, and in how many of a thousand stays.
    intervention: Option<(&'static Intervention, u64)>,
    /// Weights of the county hospital, the two private hospitals and the township clinic.
    places: [u32; 4],
    medicines: [&'static Medicine; 2],
}

macro_rules! reasons {
    ($($diagnosis:ident $yearly:expr, $nights:expr, $department:ident, $intervention:expr, $places:expr, $first:ident $second:ident;)*) => {
        [$(Reason {
            diagnosis: &$diagnosis, yearly: $yearly, nights: $nights, department: &place::$department,
            intervention: $intervention, places: $places, medicines: [&$first, &$second],
        }),*]
    };
}

static REASONS: [Reason; 15] = reasons! {
    LUNG_EXACERBATION [0, 4, 170], (6, 12), INTERNAL, None, [60, 12, 12, 30], CEFTRIAXONE SALBUTAMOL;
    BRONCHITIS [70, 8, 50], (4, 7), INTERNAL, None, [30, 10, 10, 60], AMBROXOL CEFTRIAXONE;
    PNEUMONIA [25, 3, 30], (6, 11), INTERNAL, None, [60, 12, 12, 20], CEFTRIAXONE AMBROXOL;
    HEART_FAILURE [0, 3, 110], (6, 12), INTERNAL, None, [60, 18, 18, 8], METOPROLOL VALSARTAN;
    CORONARY [0, 12, 110], (4, 9), INTERNAL, Some((&STENT, 180)), [60, 20, 20, 4], ASPIRIN ATORVASTATIN;
    MYOCARDIAL_INFARCTION [0, 4, 24], (4, 10), INTERNAL, Some((&STENT, 600)), [90, 5, 5, 0], ASPIRIN CLOPIDOGREL;
    STROKE [0, 10, 120], (7, 14), INTERNAL, Some((&THROMBOLYSIS, 90)), [70, 12, 14, 6], ASPIRIN ATORVASTATIN;
    CEREBRAL_HAEMORRHAGE [0, 3, 16], (8, 18), INTERNAL, None, [95, 3, 3, 0], AMLODIPINE OMEPRAZOLE;
    DIABETES [0, 18, 60], (6, 11), INTERNAL, None, [40, 22, 26, 12], METFORMIN INSULIN_GLARGINE;
    GALLSTONE [0, 22, 36], (4, 8), SURGERY, Some((&CHOLECYSTECTOMY, 640)), [60, 20, 20, 0], CEFTRIAXONE OMEPRAZOLE;
    INGUINAL_HERNIA [8, 10, 34], (2, 5), SURGERY, Some((&HERNIA_REPAIR, 900)), [50, 25, 25, 0], CEFTRIAXONE IBUPROFEN;
    GASTROINTESTINAL_BLEEDING [0, 9, 26], (5, 9), INTERNAL, None, [80, 10, 10, 0], OMEPRAZOLE IRON;
    HIP_FRACTURE [0, 2, 34], (8, 15), SURGERY, Some((&HIP_REPLACEMENT, 620)), [80, 10, 10, 0], CEFTRIAXONE IBUPROFEN;
    CATARACT [0, 4, 70], (1, 3), SURGERY, Some((&LENS_SURGERY, 950)), [30, 35, 35, 0], LEVOFLOXACIN PARACETAMOL;
    SEPSIS [2, 3, 18], (7, 16), INTERNAL, None, [95, 3, 3, 0], CEFTRIAXONE OMEPRAZOLE;
};

/// A complication: how often it comes, and how many nights it adds.
static COMPLICATIONS: [(&Diagnosis, u64, i64); 6] = [
    (&RESPIRATORY_FAILURE, 45, 4),
    (&KIDNEY_INJURY, 35, 3),
    (&ATRIAL_FIBRILLATION, 70, 1),
    (&URINARY_INFECTION, 60, 2),
    (&ANAEMIA, 80, 1),
    (&HYPOKALAEMIA, 110, 1),
];

/// Lets the stays come over a person.
pub(super) fn run(life: &mut Life) {
    let own = Rng::new(life.county.seed, uid::STREAM_STAYS, life.person.index);
    let others = std::mem::replace(&mut life.rng, own);
    match life.household.story {
        None => {
            for reason in &REASONS {
                perhaps(life, reason);
            }
        }
        Some(crate::story::House::Zhuoma) if life.member == 0 => feet(life),
        Some(_) => {}
    }
    life.rng = others;
}

fn perhaps(life: &mut Life, reason: &Reason) {
    let age = life.person.age(life.today());
    let band = if age < 15 {
        0
    } else if age < 60 {
        1
    } else {
        2
    };
    let days = life.today() - life.first_day();
    if life.rng.below(10_000 * 365) >= reason.yearly[band] * days.max(0) as u64 {
        return;
    }
    let day = life.first_day() + life.rng.range(0, days - 1);
    let provider = match life.rng.weighted(&reason.places) {
        3 => life.township_clinic(),
        other => place::COUNTY_HOSPITAL + other,
    };
    stay(life, reason, day, provider);
}

fn stay(life: &mut Life, reason: &Reason, day: i64, provider: usize) {
    let township = provider >= place::TOWNSHIP_CLINIC;
    let old = life.person.age(day) >= 60;
    let complications: Vec<&(&Diagnosis, u64, i64)> = COMPLICATIONS
        .iter()
        .filter(|(diagnosis, often, _)| {
            let often = if old { *often } else { *often / 4 };
            life.rng.chance(if township { often / 3 } else { often })
                && !std::ptr::eq(*diagnosis, reason.diagnosis)
        })
        .collect();
    let claimed = provider == CODES_MORE && old && life.rng.chance(320);
    let more: i64 = complications.iter().map(|complication| complication.2).sum();
    let nights = life.rng.range(reason.nights.0, reason.nights.1) + more;
    let department = match (township, life.person.age(day) < 14) {
        (true, _) => &place::GENERAL,
        (false, true) => &place::PAEDIATRICS,
        (false, false) => reason.department,
    };
    let Some(mut visit) = life.admission(day, nights, provider, department, &TREATMENT) else { return };
    let admitted = visit.start.div_euclid(1_440);
    life.diagnose(&mut visit, reason.diagnosis, admitted - 2, Some(nights + 20));
    let has = |diagnosis: &Diagnosis| complications.iter().any(|(d, ..)| std::ptr::eq(*d, diagnosis));
    for (diagnosis, ..) in &complications {
        life.diagnose(&mut visit, diagnosis, admitted, Some(nights + 5));
    }
    if claimed && !has(&HYPOKALAEMIA) {
        life.diagnose(&mut visit, &HYPOKALAEMIA, admitted, Some(nights + 5));
    }
    visit.observe(
        &SATURATION,
        if has(&RESPIRATORY_FAILURE) { life.rng.range(82, 90) } else { life.rng.range(94, 99) },
    );
    let at = visit.start + 30;
    let potassium = if has(&HYPOKALAEMIA) { life.rng.range(262, 345) } else { life.rng.range(358, 505) };
    let creatinine = if has(&KIDNEY_INJURY) { life.rng.range(150, 330) } else { life.body.creatinine };
    let sodium = life.rng.bell(140, 2);
    visit.order(&KIDNEY, at, &[(&CREATININE, creatinine), (&POTASSIUM, potassium), (&SODIUM, sodium)]);
    let hemoglobin = if has(&ANAEMIA) { life.rng.range(72, 108) } else { life.rng.bell(136, 8).max(122) };
    visit.order(&BLOOD_COUNT, at, &[(&LEUKOCYTES, life.rng.bell(780, 150)), (&HEMOGLOBIN, hemoglobin)]);
    if let Some((intervention, often)) = reason.intervention
        && life.rng.chance(often)
    {
        visit.perform(intervention, life.rng.range(6, 20) * 60);
    }
    if has(&RESPIRATORY_FAILURE) && life.rng.chance(300) {
        visit.perform(&VENTILATION, 240);
    }
    if has(&KIDNEY_INJURY) && life.rng.chance(250) {
        visit.perform(&DIALYSIS, 900);
    }
    if visit.interventions.is_empty() {
        visit.perform(&CHEST_RADIOGRAPH, 60);
    }
    for medicine in reason.medicines {
        visit.prescribe(medicine, nights);
    }
    life.file(visit);
}

/// Auntie 卓玛 was in the county hospital for her feet. Her front page began with what she always has, not with
/// what took the stay: the coder's step of the story.
fn feet(life: &mut Life) {
    let day = life.today() - 21;
    let department = &place::SURGERY;
    let Some(mut visit) = life.admission(day, 8, place::COUNTY_HOSPITAL, department, &TREATMENT) else {
        return;
    };
    let admitted = visit.start.div_euclid(1_440);
    for (diagnosis, lasts) in [(&HYPERTENSION, None), (&DIABETIC_FOOT, None), (&HYPOKALAEMIA, Some(20))] {
        life.diagnose(&mut visit, diagnosis, admitted - 10, lasts);
    }
    let pressure = life.pressure(168);
    visit.note(&BLOOD_PRESSURE, pressure);
    let at = visit.start + 30;
    visit.order(&KIDNEY, at, &[(&CREATININE, 92), (&POTASSIUM, 412), (&SODIUM, 139)]);
    visit.order(&GLYCAEMIA, at, &[(&GLUCOSE, 118), (&HBA1C, 91)]);
    visit.perform(&DEBRIDEMENT, 1_500);
    visit.prescribe(&LEVOFLOXACIN, 7);
    visit.prescribe(&INSULIN_GLARGINE, 8);
    life.file(visit);
}
