//! `/drg`: the discharges, the latest first, with their group and what the checks found.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};
use tongmai_views::drg::Grouped;

use super::{VIEWS, date, sealed};
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, framed, render};

/// Discharges on a page.
const ROWS: usize = 40;

struct Row {
    id: String,
    discharged: String,
    patient: String,
    hospital: String,
    department: String,
    group: String,
    name: String,
    grouped: bool,
    weight: String,
    errors: i64,
    warnings: i64,
    hints: i64,
}

#[derive(Template)]
#[template(path = "drg/worklist.html")]
struct Worklist {
    page: Frame,
    l: Language,
    views: [(&'static str, &'static str); 6],
    view: &'static str,
    rows: Vec<Row>,
    stays: i64,
    grouped: i64,
    errors: i64,
    waiting: i64,
    case_mix: String,
    filter: String,
    only: bool,
    more: Option<String>,
    fits: i64,
}

framed!(Worklist);

/// Which discharges are wanted.
struct Wanted {
    filter: String,
    only: bool,
    offset: usize,
}

impl Wanted {
    fn fits(&self, grouped: &Grouped) -> bool {
        let stay = &grouped.stay;
        let texts = [
            &stay.hospital_name,
            &stay.department,
            &stay.patient_name,
            &grouped.group,
            &grouped.name,
            &stay.number,
        ];
        (!self.only || grouped.findings[0] + grouped.findings[1] > 0 || !grouped.is_grouped())
            && self.filter.split_whitespace().all(|word| {
                let word = word.to_lowercase();
                texts.iter().any(|text| text.to_lowercase().contains(&word))
                    || stay.diagnoses.iter().any(|coded| coded.code.to_lowercase().starts_with(&word))
            })
    }
}

pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let wanted = Wanted {
        filter: frame.parameter("filter").unwrap_or("").to_owned(),
        only: frame.parameter("only").is_some(),
        offset: frame.parameter("from").and_then(|from| from.parse().ok()).unwrap_or(0),
    };
    let (filter, only, offset) = (wanted.filter.clone(), wanted.only, wanted.offset);
    let found = site.work(move |site| {
        super::look(site, |grouping, shelf, singles| {
            let mut all: Vec<&Arc<Grouped>> = grouping.stays.values().collect();
            all.sort_by_key(|grouped| (std::cmp::Reverse(grouped.stay.discharged), &grouped.stay.encounter));
            let figures = (
                all.len(),
                all.iter().filter(|grouped| grouped.is_grouped()).count(),
                all.iter().filter(|grouped| grouped.findings[0] > 0).count(),
                grouping.waiting(),
            );
            let mut weighed = (tongmai_drg::payment::Decimal(0), 0);
            for grouped in &all {
                if let Some(weight) =
                    shelf.named(&grouped.pack).and_then(|held| held.weights.get(&grouped.group))
                {
                    weighed = (tongmai_drg::payment::Decimal(weighed.0.0 + weight.0), weighed.1 + 1);
                }
            }
            let mean = weighed
                .0
                .over(tongmai_drg::payment::Decimal(tongmai_drg::payment::Decimal::ONE.0 * weighed.1));
            all.retain(|grouped| singles.has(&grouped.stay.encounter) && wanted.fits(grouped));
            let fits = all.len();
            let shown = all.into_iter().skip(wanted.offset).take(ROWS);
            let rows: Vec<(Row, Vec<u64>)> = shown
                .map(|grouped| {
                    let weight = shelf.named(&grouped.pack).and_then(|held| held.weights.get(&grouped.group));
                    (
                        row(grouped, weight.map_or(String::new(), |w| format!("{w:.2}"))),
                        grouped.stay.positions.clone(),
                    )
                })
                .collect();
            (figures, mean.map_or("–".into(), |mean| format!("{mean:.3}")), rows, fits)
        })
    });
    let (figures, case_mix, rows, fits) = found.await?;
    let positions = rows.iter().flat_map(|(_, positions)| positions.iter().copied()).collect();
    let rows: Vec<Row> = rows.into_iter().map(|(row, _)| row).collect();
    let rows = site.release(sealed(rows, positions)).await?.into_inner();
    let next = offset + ROWS;
    let more = (next < fits).then(|| {
        let only = if only { "&only=1" } else { "" };
        format!("/drg?filter={}{only}&from={next}", encoded(&filter))
    });
    let page = Worklist {
        l: frame.language,
        page: frame,
        views: VIEWS,
        view: "drg-worklist",
        rows,
        stays: figures.0 as i64,
        grouped: figures.1 as i64,
        errors: figures.2 as i64,
        waiting: figures.3 as i64,
        case_mix,
        filter,
        only,
        more,
        fits: fits as i64,
    };
    render(asked, 200, &page)
}

fn row(grouped: &Grouped, weight: String) -> Row {
    let stay = &grouped.stay;
    Row {
        id: stay.encounter.clone(),
        discharged: stay.discharged.map_or(String::new(), date),
        patient: stay.patient_name.clone(),
        hospital: stay.hospital_name.clone(),
        department: department(&stay.department, &stay.hospital_name),
        group: grouped.group.clone(),
        name: grouped.name.clone(),
        grouped: grouped.is_grouped(),
        weight,
        errors: grouped.findings[0].into(),
        warnings: grouped.findings[1].into(),
        hints: grouped.findings[2].into(),
    }
}

/// A department without its hospital's name before it.
pub fn department(department: &str, hospital: &str) -> String {
    department.strip_prefix(hospital).unwrap_or(department).trim().to_owned()
}
