//! `/drg/case/{encounter}`: the coder's screen. The front page (首页) and the settlement list (结算清单) side by
//! side, the group of what is typed, what the checks find, and every version of the result.

use std::sync::Arc;

use askama::Template;
use tongmai_access::{Operation, Requester, Sealed};
use tongmai_base::time::Instant;
use tongmai_engine::bundle::Ids;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_fhir::json::write_string;
use tongmai_http::{Answer, Asked};
use tongmai_views::drg::discharge::Coded;
use tongmai_views::drg::{Desk, Discharge, Held, result};

use super::preview::Preview;
use super::{VIEWS, codes, date, field, form, sealed, see_other};
use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, markup, problem, render};

/// The identifier of a settlement list: the Encounter's id.
pub const LIST: &str = "urn:tongmai:settlement-list";
/// Versions of a result that are shown.
const VERSIONS: usize = 20;
/// Most codes of a list.
const MOST_CODES: usize = 80;

/// One place of both lists.
struct Beside {
    front: Option<(String, String)>,
    list: Option<(String, String)>,
    differs: bool,
}

/// A version of the result.
struct Version {
    number: i64,
    when: When,
    words: String,
}

struct WhatIf {
    change: String,
    group: String,
}

#[derive(Template)]
#[template(path = "drg/case.html")]
struct Case {
    page: Frame,
    l: Language,
    views: [(&'static str, &'static str); 6],
    view: &'static str,
    id: String,
    patient: String,
    patient_id: String,
    who: String,
    hospital: String,
    admitted: String,
    discharged: String,
    days: i64,
    cost: String,
    ratio: String,
    dx: String,
    px: String,
    diagnoses: Vec<Beside>,
    procedures: Vec<Beside>,
    has_list: bool,
    preview: String,
    versions: Vec<Version>,
    result: Option<String>,
    what_if: Vec<WhatIf>,
    asked_what_if: bool,
    bars: Vec<(String, i64)>,
}

framed!(Case);

/// What the page needs of a stay.
struct Seen {
    stay: Discharge,
    ratio: Option<f64>,
    preview: Preview,
    what_if: Vec<WhatIf>,
    dx: Vec<Coded>,
    px: Vec<Coded>,
}

pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let l = frame.language;
    let typed =
        frame.parameter("dx").map(|dx| (dx.to_owned(), frame.parameter("px").unwrap_or("").to_owned()));
    let asked_what_if = frame.parameter("whatif").is_some();
    let wanted = id.to_owned();
    let found = site.work(move |site| {
        super::look(site, |grouping, shelf, singles| {
            let grouped = singles.get(grouping, &wanted)?;
            let held = shelf.named(&grouped.pack)?;
            let mean = grouping.reference().cost(&grouped.group);
            let ratio = mean.zip(grouped.stay.cost).map(|(mean, cost)| cost as f64 / mean.max(1) as f64);
            Some(seen(l, &grouped.stay, held, ratio, typed, asked_what_if))
        })
    });
    let Some(seen) = found.await? else {
        return Ok(problem::show(asked, frame, 404, "lost", "/drg"));
    };
    let positions = seen.stay.positions.clone();
    // Trying what would change the group is a use of its own, and stands in the log as one.
    let seen = if asked_what_if {
        let requester = Requester { purpose: "HQUALIMP".into(), ..(*site.requester).clone() };
        let released = site.access.release(&requester, sealed(seen, positions)).await;
        released.map_err(|failure| Failure::new(Reason::Internal, "", "exception", failure.0))?.into_inner()
    } else {
        site.release(sealed(seen, positions)).await?.into_inner()
    };
    let versions = versions(site, id).await?;
    render(asked, 200, &shown(frame, id, seen, versions, asked_what_if)?)
}

fn seen(
    l: Language,
    stay: &Discharge,
    held: &Held,
    ratio: Option<f64>,
    typed: Option<(String, String)>,
    what_if: bool,
) -> Seen {
    let edited = match &typed {
        Some((dx, px)) => stay.clone().typed(&codes(dx), &codes(px)),
        None => stay.as_paid(),
    };
    let mut scratch = held.grouper.scratch();
    let changes =
        if what_if { held.grouper.counterfactuals(&edited.case(), &mut scratch) } else { Vec::new() };
    let named = |coded: &Coded, diagnosis: bool| Coded {
        name: held.name_of(&coded.code, diagnosis).map_or_else(|| coded.name.clone(), str::to_owned),
        ..coded.clone()
    };
    Seen {
        preview: Preview::of(l, &edited, held, ratio, ""),
        what_if: changes.into_iter().map(|c| WhatIf { change: c.change, group: c.drg }).collect(),
        dx: edited.diagnoses.iter().map(|coded| named(coded, true)).collect(),
        px: edited.procedures.iter().map(|coded| named(coded, false)).collect(),
        stay: stay.clone(),
        ratio,
    }
}

fn lines(coded: &[Coded]) -> String {
    coded.iter().map(|coded| format!("{} {}", coded.code, coded.name).trim().to_owned() + "\n").collect()
}

fn beside(front: &[Coded], list: &[Coded]) -> Vec<Beside> {
    let pair = |coded: Option<&Coded>| coded.map(|coded| (coded.code.clone(), coded.name.clone()));
    (0..front.len().max(list.len()))
        .map(|at| Beside {
            differs: front.get(at).map(|c| &c.code) != list.get(at).map(|c| &c.code),
            front: pair(front.get(at)),
            list: pair(list.get(at)),
        })
        .collect()
}

fn shown(
    frame: Frame,
    id: &str,
    seen: Seen,
    versions: Vec<(Version, String)>,
    asked_what_if: bool,
) -> Outcome<Case> {
    let (l, stay) = (frame.language, &seen.stay);
    let age = match (stay.age(), stay.age_days()) {
        (_, Some(days)) => l.count("age-days", i64::from(days)).into_owned(),
        (Some(years), None) => l.count("age-years", i64::from(years)).into_owned(),
        (None, None) => String::new(),
    };
    let sex = match stay.sex {
        1 => l.code("gender", "male"),
        2 => l.code("gender", "female"),
        _ => "".into(),
    };
    let result = versions.first().map(|(_, id)| id.clone());
    let ratio = seen.ratio.unwrap_or(0.0);
    let bars = vec![
        (l.say("drg-group-mean").into_owned(), 100),
        (l.say("drg-this-stay").into_owned(), (ratio * 100.0).round() as i64),
    ];
    Ok(Case {
        l,
        views: VIEWS,
        view: "",
        id: id.to_owned(),
        patient: stay.patient_name.clone(),
        patient_id: stay.patient.clone(),
        who: format!("{sex} {age}"),
        hospital: format!(
            "{} {}",
            stay.hospital_name,
            super::worklist::department(&stay.department, &stay.hospital_name)
        ),
        admitted: stay.admitted.map_or(String::new(), date),
        discharged: stay.discharged.map_or(String::new(), date),
        days: stay.days().map_or(0, i64::from),
        cost: stay.cost.map_or("–".into(), tongmai_drg::payment::yuan),
        ratio: seen.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
        dx: lines(&seen.dx),
        px: lines(&seen.px),
        diagnoses: beside(&stay.diagnoses, &seen.dx),
        procedures: beside(&stay.procedures, &seen.px),
        has_list: stay.list.is_some(),
        preview: markup(&seen.preview)?,
        versions: versions.into_iter().map(|(version, _)| version).collect(),
        result,
        what_if: seen.what_if,
        asked_what_if,
        bars: if seen.ratio.is_some() { bars } else { Vec::new() },
        page: frame,
    })
}

/// The versions of a stay's result, the latest first, with the resource's id.
async fn versions(site: &Arc<Site>, encounter: &str) -> Outcome<Vec<(Version, String)>> {
    let kind = tongmai_fhir::definition::resource_type_id("ExplanationOfBenefit").unwrap_or_default();
    let token = format!("{}|{encounter}", result::SYSTEM);
    let found = site
        .work(move |site| {
            let query = site.engine.query(&[kind], None, &[("identifier".into(), token)], false)?;
            site.engine.search(&site.sight(), &query, None)
        })
        .await?;
    let found = site.release(found).await?.into_inner();
    let Some(id) = found.matches.into_iter().next().map(|found| found.id) else { return Ok(Vec::new()) };
    let sealed =
        site.work(move |site| site.engine.history(&site.sight(), kind, &id, None, None, VERSIONS)).await?;
    let history = site.release(sealed).await?.into_inner();
    Ok(history
        .versions
        .iter()
        .map(|version| {
            let json = tongmai_fhir::json::Json::parse(&version.text).ok();
            let words = json.as_ref().and_then(|json| json.text("disposition")).unwrap_or("").to_owned();
            let when = When::moment(version.updated);
            (Version { number: version.version.into(), when, words }, version.id.clone())
        })
        .collect())
}

/// `/drg/of/{patient}`: the last stay of a patient, the coder's step of the story.
pub async fn of_patient(site: &Arc<Site>, asked: &Asked, frame: Frame, patient: &str) -> Outcome<Answer> {
    // A person has a record at each hospital: the stay may lie in another one than this.
    let mut records = vec![patient.to_owned()];
    let wanted = patient.to_owned();
    if let Ok(person) = site.work(move |site| site.engine.person(&site.sight(), &wanted)).await {
        let person = site.release(person).await?.into_inner();
        records.extend(person.members.iter().map(|member| member.resource.id.clone()));
    }
    let last = site
        .work(move |site| {
            super::look(site, |grouping, _, singles| {
                let seen = grouping.stays.values().filter(|grouped| singles.has(&grouped.stay.encounter));
                let of = seen.filter(|grouped| records.contains(&grouped.stay.patient));
                let last = of.max_by_key(|grouped| grouped.stay.discharged)?;
                Some((last.stay.encounter.clone(), last.stay.positions.clone()))
            })
        })
        .await?;
    match last {
        Some((encounter, positions)) => {
            let encounter =
                site.release(Sealed::new(encounter, Operation::Page, positions)).await?.into_inner();
            let query = if asked.query.is_empty() { String::new() } else { format!("?{}", asked.query) };
            Ok(see_other(&format!("/drg/case/{encounter}{query}")))
        }
        None => Ok(problem::show(asked, frame, 404, "lost", "")),
    }
}

/// `POST /drg/case/{encounter}`: the settlement list goes into the ledger as a Claim.
pub async fn save(site: &Arc<Site>, asked: &Asked, id: &str) -> Outcome<Answer> {
    let pairs = form(asked)?;
    let (dx, px) = (codes(field(&pairs, "dx")), codes(field(&pairs, "px")));
    let refuse = |path: &str, message: &str, repair: &str| {
        Err(Failure::new(Reason::Invalid, path, "invalid", message).repair(repair))
    };
    if dx.is_empty() {
        return refuse("dx", "there is no diagnosis", "begin with the code of the principal diagnosis");
    }
    if dx.len() > MOST_CODES || px.len() > MOST_CODES {
        return refuse("dx", "the list is longer than 80 codes", "keep what mattered in this stay");
    }
    let wanted = id.to_owned();
    let found = site
        .work(move |site| {
            super::look(site, |grouping, shelf, singles| {
                let grouped = singles.get(grouping, &wanted)?;
                let held = shelf.named(&grouped.pack)?;
                Some(bundle(&grouped.stay.clone().typed(&dx, &px), held, site.engine.now()))
            })
        })
        .await?;
    let Some(bundle) = found else { return Err(Failure::not_found("the stay")) };
    site.engine.process_counting(&site.pen(), bundle.as_bytes(), Ids::Fresh).await?;
    // The result of the list is a version of its own; who follows the ledger would write it within a second.
    site.drg.write(&site.engine, &site.access.sight(&Desk::writer())).await?;
    Ok(see_other(&format!("/drg/case/{id}")))
}

/// The settlement list as a Claim in a transaction, in the place of the one before.
fn bundle(stay: &Discharge, held: &Held, now: i64) -> String {
    let mut out = String::from(
        "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"resource\":{\"resourceType\":\"Claim\"",
    );
    let text = |before: &str, text: &str, out: &mut String| {
        out.push_str(before);
        write_string(text, out);
    };
    text(",\"identifier\":[{\"system\":", LIST, &mut out);
    text(",\"value\":", &stay.encounter, &mut out);
    out.push_str("}],\"status\":\"active\",\"type\":{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/claim-type\",\"code\":\"institutional\"}],\"text\":\"医疗保障基金结算清单\"},\"use\":\"claim\"");
    text(",\"patient\":{\"reference\":", &format!("Patient/{}", stay.patient), &mut out);
    text("},\"created\":", &Instant(now).to_fhir(), &mut out);
    match stay.hospital.as_str() {
        "" => text(",\"provider\":{\"display\":", &stay.hospital_name, &mut out),
        id => text(",\"provider\":{\"reference\":", &format!("Organization/{id}"), &mut out),
    }
    out.push_str("},\"priority\":{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/processpriority\",\"code\":\"normal\"}]}");
    for (list, concept, system, coded) in [
        ("diagnosis", "diagnosisCodeableConcept", "http://hl7.org/fhir/sid/icd-10", &stay.diagnoses),
        ("procedure", "procedureCodeableConcept", "http://hl7.org/fhir/sid/icd-9-cm", &stay.procedures),
    ] {
        for (at, coded) in coded.iter().enumerate() {
            let begin = if at == 0 { format!(",\"{list}\":[") } else { ",".into() };
            out.push_str(&format!(
                "{begin}{{\"sequence\":{},\"{concept}\":{{\"coding\":[{{\"system\":\"{system}\"",
                at + 1
            ));
            text(",\"code\":", &coded.code, &mut out);
            out.push_str("}]");
            let name = held.name_of(&coded.code, list == "diagnosis").unwrap_or(&coded.name);
            if !name.is_empty() {
                text(",\"text\":", name, &mut out);
            }
            out.push_str("}}");
        }
        out.push_str(if coded.is_empty() { "" } else { "]" });
    }
    out.push_str(",\"insurance\":[{\"sequence\":1,\"focal\":true,\"coverage\":{");
    match stay.coverage.as_str() {
        "" => text("\"display\":", "?", &mut out),
        id => text("\"reference\":", &format!("Coverage/{id}"), &mut out),
    }
    out.push_str("}}],\"item\":[{\"sequence\":1,\"productOrService\":{\"text\":\"住院\"}");
    text(",\"encounter\":[{\"reference\":", &format!("Encounter/{}", stay.encounter), &mut out);
    out.push_str("}]}]},\"request\":{\"method\":\"PUT\",\"url\":\"Claim?identifier=");
    out.push_str(&format!("{LIST}%7C{}\"}}}}]}}", stay.encounter));
    out
}
