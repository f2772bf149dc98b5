//! The services as a door: what registers goes through the pipeline, what asks is answered from the ledger.

use std::time::Instant;

use tongmai_base::Finding;
use tongmai_engine::person::ruling::{Kind, Ruling};
use tongmai_engine::{Engine, Outcome};
use tongmai_fhir::definition::resource_type_id;

use super::{Acknowledgement, Judged, query, understand};
use crate::Understood;
use crate::door::http::Reply;
use crate::door::{Doors, Format};
use crate::link::PATIENT;
use crate::pipeline::{Kept, Receipt, number};

/// The platform services.
pub struct Services;

impl Format for Services {
    fn name(&self) -> &'static str {
        "service"
    }

    fn content_type(&self) -> &'static str {
        "application/soap+xml"
    }

    fn understand(&self, bytes: &[u8]) -> Understood {
        understand(bytes).1
    }
}

impl Doors {
    /// Answers a message of the platform services.
    pub async fn serve(&self, bytes: &[u8]) -> Reply {
        let begun = Instant::now();
        let (mut judged, understood) = understand(bytes);
        let time = stamp(self.now());
        if judged.query.is_some() || judged.acknowledgement == Acknowledgement::Reject {
            return self.ask(&mut judged, bytes, &time, begun).await;
        }
        let receipt = self.keep(&Services, understood, bytes, begun.elapsed()).await;
        match receipt.kept {
            Kept::Committed | Kept::Before => {
                if judged.service == "PatientInfoMerge"
                    && let Err(finding) = self.merge(&judged, bytes).await
                {
                    refuse(&mut judged, finding);
                }
            }
            Kept::SetAside | Kept::NotNow => {
                if judged.acknowledgement == Acknowledgement::Accept {
                    let worst = receipt.findings.iter().max_by_key(|finding| finding.severity).cloned();
                    let unknown = || Finding::error("/", "set-aside", "the message was set aside");
                    refuse(&mut judged, worst.unwrap_or_else(unknown));
                }
            }
        }
        soap(judged.answer(&time, None), &receipt.number)
    }

    async fn ask(&self, judged: &mut Judged, bytes: &[u8], time: &str, begun: Instant) -> Reply {
        let digest = number(bytes);
        let mut answer = None;
        if judged.acknowledgement == Acknowledgement::Accept {
            let requester = query::requester(judged);
            let sight = self.pipeline().access().sight(&requester);
            match query::search(self.pipeline().engine(), &sight, judged) {
                Ok(Some(sealed)) => match self.pipeline().access().release(&requester, sealed).await {
                    Ok(found) => {
                        answer = Some(judged.answer_with(time, Some(found.len()), found.subjects(judged)));
                    }
                    Err(failure) => refuse(judged, Finding::error("/", "read-log", failure.0)),
                },
                Ok(None) => answer = Some(judged.answer(time, Some(0))),
                Err(failure) => {
                    let first = failure.findings.into_iter().next();
                    refuse(
                        judged,
                        first.unwrap_or_else(|| Finding::error("/", "search", "the search failed")),
                    );
                }
            }
        }
        let kept = if answer.is_some() { Kept::Committed } else { Kept::SetAside };
        let findings = judged.findings.clone();
        let receipt = Receipt { number: digest.clone(), kept, findings, resources: Vec::new() };
        self.channels().note("service", &judged.sender, &receipt, self.now(), begun.elapsed());
        soap(answer.unwrap_or_else(|| judged.answer(time, None)), &digest)
    }

    /// Two records of an organisation are of the same person, as it says: a ruling like that of the desk.
    async fn merge(&self, judged: &Judged, bytes: &[u8]) -> Result<(), Finding> {
        let understood = understand(bytes).1;
        let patient = understood.entries.iter().find(|e| e.resource.text("resourceType") == Some("Patient"));
        let own = patient.and_then(|entry| {
            let mut own = entry.resource.items("identifier").iter();
            let own = own.find(|id| id.text("system") == Some("urn:oid:2.16.156.10011.2.5.1.4"))?;
            own.text("value").map(str::to_owned)
        });
        let prior = patient.and_then(|entry| {
            let mut all = entry.resource.items("extension").iter();
            all.find(|of| of.text("url") == Some("urn:tongmai:wst500:prior"))?
                .text("valueString")
                .map(str::to_owned)
        });
        let path = "/controlActProcess/subject/registrationEvent/subject1";
        let missing = || {
            Finding::error(path, "mandatory-missing", "both patients must be named")
                .with_repair("write patient/id and priorRegisteredRole/id")
        };
        let (own, prior) = (own.ok_or_else(missing)?, prior.ok_or_else(missing)?);
        let at = if understood.source.organization.is_empty() {
            &judged.sender
        } else {
            &understood.source.organization
        };
        let requester = self.pipeline().requester();
        let mut patients = Vec::new();
        for value in [&own, &prior] {
            let engine = self.pipeline().engine();
            let found = find(engine, &self.pipeline().sight(), &format!("{PATIENT}{at}|{value}"))
                .map_err(|failure| first(failure.findings))?;
            let found = self.pipeline().access().release(requester, found).await;
            let found = found.map_err(|failure| Finding::error(path, "read-log", failure.0))?.into_inner();
            patients.push(found.ok_or_else(|| {
                Finding::error(path, "unknown-patient", format!("there is no patient '{value}' of {at}"))
                    .with_repair("register the patient first")
            })?);
        }
        let ruling = Ruling {
            kind: Kind::Same,
            patients,
            undone: None,
            who: format!("service {}", judged.sender),
            why: format!("PatientInfoMerge {}", judged.message_id),
        };
        match self.pipeline().engine().rule(&self.pipeline().sight(), &ruling).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(first(failure.findings)),
        }
    }
}

fn first(findings: Vec<Finding>) -> Finding {
    findings.into_iter().next().unwrap_or_else(|| Finding::error("/", "internal", "it failed"))
}

fn find(
    engine: &Engine,
    sight: &tongmai_access::Sight,
    token: &str,
) -> Outcome<tongmai_access::Sealed<Option<String>>> {
    let asked = [("identifier".to_owned(), token.to_owned())];
    let query = engine.query(&[resource_type_id("Patient").unwrap_or_default()], None, &asked, false)?;
    let page = engine.search(sight, &query, None)?;
    Ok(page.map(|page| page.matches.into_iter().next().map(|patient| patient.id)))
}

fn refuse(judged: &mut Judged, finding: Finding) {
    judged.acknowledgement = Acknowledgement::Error;
    judged.findings.push(Finding { severity: tongmai_base::Severity::Error, ..finding });
}

fn soap(body: String, number: &str) -> Reply {
    Reply {
        status: 200,
        content_type: "application/soap+xml; charset=utf-8",
        headers: vec![("tongmai-message", number.to_owned())],
        body: body.into_bytes(),
    }
}

/// `YYYYMMDDhhmmss`
fn stamp(now: i64) -> String {
    crate::wst500::stamp(&tongmai_base::time::Instant(now).to_fhir())
}
