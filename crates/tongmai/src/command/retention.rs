//! `tongmai retention`: which records are over their term on a day, by the schedule of retention. It erases nothing.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use tongmai_access::Requester;
use tongmai_base::time::{CHINA_OFFSET_MINUTES, civil_from_days};
use tongmai_consent::retention::{Schedule, Standing};
use tongmai_engine::Validation;
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::Json;
use tongmai_fhir::search::date;

use crate::installation::{Installation, Place, now};

/// Visits that are read at once.
const PAGE: &str = "1000";

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The day that is asked about: 2056-11-27; today unless it is given.
    #[arg(long, value_name = "DATE")]
    on: Option<String>,
    /// Another schedule: class | clause | years and months | what it runs from.
    #[arg(long, value_name = "FILE")]
    schedule: Option<std::path::PathBuf>,
}

fn day_of(time: i64) -> i64 {
    (time + CHINA_OFFSET_MINUTES * 60_000).div_euclid(86_400_000)
}

fn written(day: i64) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02}")
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let today = match &arguments.on {
        None => day_of(now()),
        Some(text) => day_of(
            date::parse(text).ok_or_else(|| anyhow!("--on: '{text}' is no date: write 2056-11-27"))?.low,
        ),
    };
    let schedule = match &arguments.schedule {
        None => Schedule::builtin()?,
        Some(file) => {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Schedule::read(&text).with_context(|| format!("{}", file.display()))?
        }
    };
    let installation = Installation::open(&arguments.place, Validation::Accept)?;
    let records = last_visits(&installation)?;
    let (mut kept, mut due) = (0u64, 0u64);
    for ((patient, code), last) in records {
        let Some(class) = schedule.class(code) else { continue };
        match class.standing(last, today) {
            Standing::Kept { .. } => kept += 1,
            Standing::Due { since } => {
                due += 1;
                println!(
                    "Patient/{patient}  {code}  last {}  due since {}  ({})",
                    written(last),
                    written(since),
                    class.clause
                );
            }
        }
    }
    println!("on {}: {due} records are over their term, {kept} are kept", written(today));
    Ok(())
}

/// The last day of each kind of visit of each patient. A stay in a hospital makes an inpatient record.
fn last_visits(installation: &Installation) -> Result<BTreeMap<(String, &'static str), i64>> {
    let said = |failure: tongmai_engine::Failure| anyhow!("{failure}");
    let kind = resource_type_id("Encounter").ok_or_else(|| anyhow!("Encounter"))?;
    let requester = Requester::installation("retention", "HSYSADMIN");
    let sight = installation.access.sight(&requester);
    let pairs = [("_count".to_owned(), PAGE.to_owned())];
    let query = installation.engine.query(&[kind], None, &pairs, false).map_err(said)?;
    let (mut records, mut start) = (BTreeMap::new(), None);
    loop {
        let sealed = installation.engine.search(&sight, &query, start).map_err(said)?;
        let page = installation.access.release_blocking(&requester, sealed)?.into_inner();
        for visit in &page.matches {
            let Ok(json) = Json::parse(&visit.text) else { continue };
            let subject = json.get("subject").and_then(|it| it.text("reference"));
            let Some(patient) = subject.and_then(|it| it.strip_prefix("Patient/")) else { continue };
            let period = json.get("period");
            let end = period.and_then(|it| it.text("end").or_else(|| it.text("start"))).and_then(date::parse);
            let day = day_of(end.map_or(visit.updated, |end| end.low));
            let inpatient = json.get("class").and_then(|it| it.text("code")) == Some("IMP");
            let class = if inpatient { "inpatient-record" } else { "outpatient-record" };
            let last = records.entry((patient.to_owned(), class)).or_insert(day);
            *last = day.max(*last);
        }
        start = page.next;
        if start.is_none() {
            return Ok(records);
        }
    }
}
