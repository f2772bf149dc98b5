//! The ledger: the newest writes in order.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::Outcome;
use tongmai_fhir::definition::resource_type_name;
use tongmai_http::{Answer, Asked};

use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render};

/// Events on a page.
const PAGE: usize = 40;

struct Row {
    position: i64,
    when: When,
    kind: &'static str,
    id: String,
    version: i64,
    gone: bool,
}

#[derive(Template)]
#[template(path = "ledger.html")]
struct Ledger {
    page: Frame,
    l: Language,
    end: i64,
    rows: Vec<Row>,
    next: Option<u64>,
}

framed!(Ledger);

/// `/ledger?before=…`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let page = frame.in_section("nav-ledger");
    let before = page.parameter("before").and_then(|before| before.parse().ok());
    let (end, sealed) = site
        .work(move |site| {
            let end = site.engine.position()?;
            Ok::<_, tongmai_engine::Failure>((
                end,
                site.engine.type_history(&site.sight(), None, before, None, PAGE)?,
            ))
        })
        .await?;
    let history = site.release(sealed).await?.into_inner();
    let rows = history.versions.into_iter().map(|version| Row {
        position: version.seq.cast_signed(),
        when: When::moment(version.updated),
        kind: resource_type_name(version.type_id).unwrap_or(""),
        gone: version.deleted || version.erased,
        version: version.version.into(),
        id: version.id,
    });
    let rows = rows.collect();
    render(asked, 200, &Ledger { l: page.language, page, end: end.cast_signed(), rows, next: history.next })
}
