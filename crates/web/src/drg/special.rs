//! `/drg/special/{encounter}`: 特例单议, from the application to the amount, each step a version in the ledger.

use std::sync::Arc;

use askama::Template;
use tongmai_access::{Operation, Sealed};
use tongmai_drg::payment::{Decimal, yuan};
use tongmai_drg::settlement::special::{State, Step, quota, state};
use tongmai_engine::bundle::Ids;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_fhir::json::Json;
use tongmai_http::{Answer, Asked};
use tongmai_views::drg::{Discharge, special};

use super::{VIEWS, field, form, see_other};
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, problem, render};

struct Shown {
    kind: &'static str,
    who: String,
    why: String,
    amount: String,
}

#[derive(Template)]
#[template(path = "drg/special.html")]
struct Page {
    page: Frame,
    l: Language,
    views: [(&'static str, &'static str); 6],
    view: &'static str,
    id: String,
    patient: String,
    group: String,
    cost: String,
    steps: Vec<Shown>,
    state: &'static str,
    state_note: String,
    quota: i64,
    reviewers: i64,
    may_apply: bool,
    may_review: bool,
    may_appeal: bool,
}

framed!(Page);

/// The steps that have been taken, out of the ledger.
async fn steps(site: &Arc<Site>, encounter: &str) -> Outcome<Vec<Step>> {
    let token = format!("{}|{encounter}", special::SYSTEM);
    let sealed = site
        .work(move |site| {
            let kind = tongmai_fhir::definition::resource_type_id("Task").unwrap_or_default();
            let query = site.engine.query(&[kind], None, &[("identifier".into(), token)], false)?;
            site.engine.search(&site.sight(), &query, None)
        })
        .await?;
    let page = site.release(sealed).await?.into_inner();
    let steps = page.matches.first().and_then(|task| Some(special::read(&Json::parse(&task.text).ok()?)?.1));
    Ok(steps.unwrap_or_default())
}

/// The stay, its group, and how many stays its hospital had.
async fn stay(site: &Arc<Site>, id: &str) -> Outcome<Option<(Discharge, String, u64)>> {
    let id = id.to_owned();
    let found = site
        .work(move |site| {
            super::look(site, |grouping, _, singles| {
                let grouped = singles.get(grouping, &id)?;
                let same =
                    |other: &&Arc<tongmai_views::drg::Grouped>| other.stay.hospital == grouped.stay.hospital;
                let cases = grouping.stays.values().filter(same).count() as u64;
                Some((grouped.stay.clone(), format!("{} {}", grouped.group, grouped.name), cases))
            })
        })
        .await?;
    let Some(found) = found else { return Ok(None) };
    let positions = found.0.positions.clone();
    Ok(Some(site.release(Sealed::new(found, Operation::Page, positions)).await?.into_inner()))
}

pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let Some((stay, group, cases)) = stay(site, id).await? else {
        return Ok(problem::show(asked, frame, 404, "lost", ""));
    };
    let steps = steps(site, id).await?;
    let now = state(special::TERMS, &steps).unwrap_or(State::Candidate);
    let l = frame.language;
    let (name, note) = match now {
        State::Candidate => ("candidate", String::new()),
        State::Review(left) => ("review", l.count("drg-special-left", left as i64).into_owned()),
        State::Approved(fen) => ("approved", format!("¥{}", yuan(fen))),
        State::Refused => ("refused", String::new()),
        State::Withdrawn => ("withdrawn", String::new()),
    };
    let appealed = steps.iter().any(|step| matches!(step, Step::Appeal { .. }));
    let page = Page {
        l,
        views: VIEWS,
        view: "",
        id: id.to_owned(),
        patient: stay.patient_name.clone(),
        group,
        cost: stay.cost.map_or("–".into(), yuan),
        steps: steps.iter().map(shown).collect(),
        state: name,
        state_note: note,
        quota: quota(special::TERMS, cases) as i64,
        reviewers: special::TERMS.reviewers as i64,
        may_apply: now == State::Candidate,
        may_review: matches!(now, State::Review(_)),
        may_appeal: matches!(now, State::Approved(_) | State::Refused) && !appealed,
        page: frame,
    };
    render(asked, 200, &page)
}

fn shown(step: &Step) -> Shown {
    let (kind, who, why, amount) = match step {
        Step::Apply { who, why } => ("apply", who, why.as_str(), String::new()),
        Step::Review { who, approves: Some(fen), why } => {
            ("approves", who, why.as_str(), format!("¥{}", yuan(*fen)))
        }
        Step::Review { who, approves: None, why } => ("refuses", who, why.as_str(), String::new()),
        Step::Appeal { who, why } => ("appeal", who, why.as_str(), String::new()),
        Step::Withdraw { who } => ("withdraw", who, "", String::new()),
    };
    Shown { kind, who: who.clone(), why: why.to_owned(), amount }
}

/// `POST /drg/special/{encounter}`: one further step.
pub async fn step(site: &Arc<Site>, asked: &Asked, id: &str) -> Outcome<Answer> {
    let pairs = form(asked)?;
    let (who, why) = (field(&pairs, "who").to_owned(), field(&pairs, "why").to_owned());
    let amount = Decimal::parse(field(&pairs, "amount")).filter(|amount| amount.0 >= 0).map(Decimal::fen);
    let refuse = |path: &str, code: &str, message: String, repair: &str| {
        Failure::new(Reason::Invalid, path, code, message).repair(repair)
    };
    let step = match field(&pairs, "step") {
        "apply" => Step::Apply { who, why },
        "approve" if amount.is_none() => {
            return Err(refuse(
                "amount",
                "required",
                "an approval names an amount".into(),
                "write yuan, as 12345.67",
            ));
        }
        "approve" => Step::Review { who, approves: amount, why },
        "refuse" => Step::Review { who, approves: None, why },
        "appeal" => Step::Appeal { who, why },
        "withdraw" => Step::Withdraw { who },
        other => {
            return Err(refuse(
                "step",
                "invalid",
                format!("'{other}' is no step"),
                "choose one of the buttons",
            ));
        }
    };
    let Some((stay, _, cases)) = stay(site, id).await? else { return Err(Failure::not_found("the stay")) };
    let mut all = steps(site, id).await?;
    if matches!(step, Step::Apply { .. })
        && quota(special::TERMS, cases).max(1) <= open(site, &stay.hospital).await?
    {
        return Err(refuse(
            "quota",
            "quota",
            "the hospital's quota of single reviews is used up".into(),
            "withdraw another application",
        ));
    }
    all.push(step);
    let now = state(special::TERMS, &all)
        .map_err(|finding| refuse(&finding.path, &finding.code, finding.message, &finding.repair))?;
    let bundle = special::bundle(&stay, &all, now);
    site.engine.process_counting(&site.pen(), bundle.as_bytes(), Ids::Fresh).await?;
    Ok(see_other(&format!("/drg/special/{id}")))
}

/// Applications of a hospital's stays that have not been refused or withdrawn.
async fn open(site: &Arc<Site>, hospital: &str) -> Outcome<u64> {
    let of: Vec<String> = {
        let hospital = hospital.to_owned();
        site.work(move |site| {
            super::look(site, |grouping, _, _| {
                let of = grouping.stays.values().filter(|grouped| grouped.stay.hospital == hospital);
                of.map(|grouped| grouped.stay.encounter.clone()).collect()
            })
        })
        .await?
    };
    let found = site
        .work(move |site| {
            let kind = tongmai_fhir::definition::resource_type_id("Task").unwrap_or_default();
            let pairs = [
                ("identifier".into(), format!("{}|", special::SYSTEM)),
                ("status".into(), "in-progress,completed".into()),
                ("_count".into(), "1000".into()),
            ];
            let query = site.engine.query(&[kind], None, &pairs, false)?;
            site.engine.search(&site.sight(), &query, None)
        })
        .await?;
    let page = site.release(found.map(|page| page.matches)).await?.into_inner();
    let encounters = page.iter().filter_map(|task| Some(special::read(&Json::parse(&task.text).ok()?)?.0));
    Ok(encounters.filter(|encounter| of.contains(encounter)).count() as u64)
}
