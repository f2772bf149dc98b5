//! Coverage: how much of each document type and service the tables map.

use askama::Template;
use tongmai_engine::Outcome;
use tongmai_gateway::{service, wst500};
use tongmai_http::{Answer, Asked};

use crate::frame::Frame;
use crate::language::Language;
use crate::{framed, render};

struct Row {
    code: &'static str,
    title: &'static str,
    rows: usize,
    mapped: usize,
    observations: usize,
}

#[derive(Template)]
#[template(path = "doors/coverage.html")]
struct Coverage {
    page: Frame,
    l: Language,
    documents: Vec<Row>,
    document_rows: i64,
    document_mapped: i64,
    services: Vec<Row>,
    service_rows: i64,
    service_mapped: i64,
}

framed!(Coverage);

/// `/doors/coverage`
pub fn page(asked: &Asked, page: Frame) -> Outcome<Answer> {
    let documents: Vec<Row> = wst500::coverage::all()
        .into_iter()
        .map(|of| Row {
            code: of.code,
            title: of.title,
            rows: of.rows,
            mapped: of.mapped,
            observations: of.observations,
        })
        .collect();
    let services: Vec<Row> = service::titles()
        .map(|(code, title)| {
            let (mapped, rows) = service::mapped(code);
            Row { code, title, rows, mapped, observations: 0 }
        })
        .collect();
    let sum = |rows: &[Row], of: fn(&Row) -> usize| rows.iter().map(of).sum::<usize>() as i64;
    let coverage = Coverage {
        l: page.language,
        document_rows: sum(&documents, |row| row.rows),
        document_mapped: sum(&documents, |row| row.mapped),
        service_rows: sum(&services, |row| row.rows),
        service_mapped: sum(&services, |row| row.mapped),
        documents,
        services,
        page,
    };
    render(asked, 200, &coverage)
}
