//! `/drg/quality`: what the checks find most, and signs of coding above or below what was done.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use tongmai_drg::quality::signs::{Seen, Side, signs};
use tongmai_drg::quality::{Grade, Rules};
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};
use tongmai_views::drg::desk::Grouping;
use tongmai_views::drg::{Grouped, Shelf};

use super::{VIEWS, sealed};
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render};

/// Rules of the table.
const RULES: usize = 30;
/// Signs that are shown.
const SIGNS: usize = 12;

struct Count {
    grade: &'static str,
    sign: &'static str,
    rule: String,
    message: String,
    repair: String,
    cases: i64,
    example: String,
}

struct Sign {
    look: &'static str,
    above: bool,
    hospital: String,
    about: String,
    cases: i64,
    share: String,
    expected: String,
    far: String,
    evidence: Vec<String>,
}

#[derive(Template)]
#[template(path = "drg/quality.html")]
struct Page {
    page: Frame,
    l: Language,
    views: [(&'static str, &'static str); 6],
    view: &'static str,
    checked: i64,
    rules: i64,
    clean: i64,
    counts: Vec<Count>,
    signs: Vec<Sign>,
}

framed!(Page);

pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let page = site
        .work(move |site| {
            super::look(site, |grouping, shelf, singles| {
                let mut page = build(frame, grouping, shelf);
                page.signs.iter_mut().for_each(|sign| sign.evidence.retain(|id| singles.has(id)));
                let unseen = page.counts.iter_mut().filter(|count| !singles.has(&count.example));
                unseen.for_each(|count| count.example.clear());
                let named = page.signs.iter().flat_map(|sign| &sign.evidence);
                let named = named.chain(page.counts.iter().map(|count| &count.example));
                let positions =
                    named.filter_map(|id| grouping.stays.get(id)).flat_map(|g| g.stay.positions.clone());
                let positions = positions.collect();
                sealed(page, positions)
            })
        })
        .await?;
    let page = site.release(page).await?.into_inner();
    render(asked, 200, &page)
}

fn build(frame: Frame, grouping: &Grouping, shelf: &Shelf) -> Page {
    let l = frame.language;
    let language = usize::from(l.is_english());
    let reference = grouping.reference();
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let mut clean = 0;
    for grouped in grouping.stays.values() {
        let mean = reference.cost(&grouped.group);
        let ratio = mean.zip(grouped.stay.cost).map(|(mean, cost)| cost as f64 / mean.max(1) as f64);
        let page = grouped.stay.front_page(ratio);
        let found = Rules::standard().check(&page);
        clean += i64::from(found.iter().all(|found| found.rule.grade == Grade::Hint));
        for found in found {
            let (grade, sign) = match found.rule.grade {
                Grade::Error => ("error", "✕"),
                Grade::Warning => ("warning", "△"),
                Grade::Hint => ("hint", "·"),
            };
            let count = counts.entry(&found.rule.id).or_insert_with(|| Count {
                grade,
                sign,
                rule: found.rule.id.clone(),
                // Of many cases at once the message is said without the evidence of one.
                message: ["：{}", ": {}", "（{}倍）", " ({} times)", "{}"]
                    .iter()
                    .fold(found.rule.message[language].clone(), |said, part| said.replace(part, "")),
                repair: found.rule.repair[language].clone(),
                cases: 0,
                example: grouped.stay.encounter.clone(),
            });
            count.cases += 1;
        }
    }
    let mut counts: Vec<Count> = counts.into_values().collect();
    counts.sort_by_key(|count| (std::cmp::Reverse(count.cases), count.rule.clone()));
    counts.truncate(RULES);
    Page {
        l,
        views: VIEWS,
        view: "drg-quality",
        checked: grouping.stays.len() as i64,
        rules: Rules::standard().0.len() as i64,
        clean,
        counts,
        signs: shown_signs(grouping, shelf),
        page: frame,
    }
}

fn shown_signs(grouping: &Grouping, shelf: &Shelf) -> Vec<Sign> {
    let seen: Vec<Seen<'_>> = grouping.stays.values().filter_map(|grouped| seen(grouped, shelf)).collect();
    let percent = |share: f64| format!("{:.0}", share * 100.0);
    signs(&seen)
        .into_iter()
        .take(SIGNS)
        .map(|sign| Sign {
            look: sign.look,
            above: sign.side == Side::Above,
            hospital: sign.hospital,
            about: sign.about,
            cases: sign.cases as i64,
            share: percent(sign.share),
            expected: percent(sign.expected),
            far: if sign.z == 0.0 { String::new() } else { format!("{:.1}", sign.z.abs()) },
            evidence: sign.evidence.into_iter().take(5).collect(),
        })
        .collect()
}

fn seen<'g>(grouped: &'g Grouped, shelf: &Shelf) -> Option<Seen<'g>> {
    let held = shelf.named(&grouped.pack).filter(|_| grouped.is_grouped())?;
    let weight = held.weights.get(&grouped.group)?;
    let weighs = |code: &str| held.pack.severity.iter().any(|(known, ..)| known == code);
    let others = grouped.stay.diagnoses.iter().skip(1).map(|coded| coded.code.as_str());
    Some(Seen {
        id: &grouped.stay.encounter,
        hospital: &grouped.stay.hospital_name,
        adrg: &grouped.adrg,
        group: &grouped.group,
        weight: weight.0 as f64 / tongmai_drg::payment::Decimal::ONE.0 as f64,
        cost: grouped.stay.cost.unwrap_or(0) as f64 / 100.0,
        complications: others.filter(|code| weighs(code)).collect(),
    })
}
