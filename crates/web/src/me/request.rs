//! *My requests*: access and copy, correction, restriction, erasure, questions and complaints, each with the
//! clock that the law sets. A request is a FHIR Task, so that it has a history and is never lost.

use std::sync::Arc;

use askama::Template;
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use serde_json::{Value, json};
use tongmai_base::time::Instant;
use tongmai_engine::everything::Everything;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_http::{Answer, Asked};

use super::{Person, chosen, filed, json as read_json, people};
use crate::account::Form;
use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render, reply};

/// The system of the codes of requests.
pub const SYSTEM: &str = "urn:tongmai:request";
/// What stands in `businessStatus` of a request whose refusal was appealed.
pub const APPEAL: &str = "appeal";
const DAY: i64 = 86_400_000;
/// Longest text of a request, in characters.
const TEXT: usize = 2_000;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To see and copy; PIPL, article 45.
    Access,
    /// To correct or complete; article 46.
    Correction,
    /// To stop processing; article 44.
    Restriction,
    /// To erase; article 47.
    Erasure,
    /// To explain the rules, or a read; article 48.
    Question,
    /// A complaint; article 50.
    Complaint,
}

impl Kind {
    /// Those that a resident files by the form.
    pub const ALL: [Kind; 6] =
        [Kind::Access, Kind::Correction, Kind::Restriction, Kind::Erasure, Kind::Question, Kind::Complaint];

    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Access => "access",
            Kind::Correction => "correction",
            Kind::Restriction => "restriction",
            Kind::Erasure => "erasure",
            Kind::Question => "question",
            Kind::Complaint => "complaint",
        }
    }

    /// The kind of a code.
    pub fn from_code(code: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Days within which it is answered: a read is explained within three days, as this platform promises;
    /// the rest within fifteen, as the Network Data Security Regulation and GB/T 35273 leave no more than 30.
    pub fn days(self) -> i64 {
        match self {
            Kind::Question | Kind::Complaint => 3,
            Kind::Access | Kind::Correction | Kind::Restriction | Kind::Erasure => 15,
        }
    }
}

/// A request as it is shown.
pub struct Shown {
    /// Id of the Task.
    pub id: String,
    /// Code of its kind.
    pub kind: String,
    /// Code of its status.
    pub status: String,
    /// When it was filed.
    pub filed: Option<When>,
    /// When it has to be answered.
    pub due: Option<When>,
    /// It is over that time and not answered.
    pub late: bool,
    /// What was asked.
    pub text: String,
    /// The answer.
    pub answer: String,
    /// Name of whose record it is about.
    pub name: String,
    /// Id of their Patient.
    pub patient: String,
    /// It was refused, and an appeal is open to the person.
    pub may_appeal: bool,
}

impl Shown {
    /// Reads a Task.
    pub fn read(task: &Value, now: i64) -> Shown {
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let due = task["restriction"]["period"]["end"].as_str().and_then(When::read);
        let status = text(&task["status"]);
        let open = matches!(status.as_str(), "requested" | "in-progress" | "accepted");
        Shown {
            id: text(&task["id"]),
            kind: text(&task["code"]["coding"][0]["code"]),
            filed: task["authoredOn"].as_str().and_then(When::read),
            late: open && due.as_ref().is_some_and(|due| due.at < now),
            due,
            text: text(&task["description"]),
            answer: text(&task["note"][0]["text"]),
            name: text(&task["for"]["display"]),
            patient: super::patient_of(task, "for").to_owned(),
            may_appeal: status == "rejected" && task["businessStatus"]["text"] != APPEAL,
            status,
        }
    }

    /// Whether nobody answered it yet.
    pub fn is_open(&self) -> bool {
        matches!(self.status.as_str(), "requested" | "in-progress" | "accepted")
    }
}

#[derive(Template)]
#[template(path = "me/requests.html")]
struct Requests {
    page: Frame,
    l: Language,
    person: Person,
    others: Vec<Person>,
    kinds: Vec<&'static str>,
    requests: Vec<Shown>,
}

framed!(Requests);

/// Whether a request about a person is told to the reader: those that the reader filed always are.
fn is_told(site: &Site, person: &Person, task: &Value) -> bool {
    let by = super::patient_of(task, "requester");
    person.tells_requests() || site.requester.own.iter().any(|own| own == by)
}

/// The requests about a person that the reader is told, newest first.
async fn of(site: &Arc<Site>, person: &Person) -> Outcome<Vec<Shown>> {
    let references: Vec<String> = person.patients.iter().map(|id| format!("Patient/{id}")).collect();
    let references = references.join(",");
    let pairs = [("subject", references.as_str()), ("_sort", "-authored-on"), ("_count", "100")];
    let now = site.engine.now();
    let mut shown = Vec::new();
    for task in filed(site, &pairs).await? {
        let task = read_json(&task)?;
        if task["code"]["coding"][0]["system"] == SYSTEM && is_told(site, person, &task) {
            shown.push(Shown::read(&task, now));
        }
    }
    Ok(shown)
}

/// `/me/requests?of=…`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let page = frame.in_section("nav-requests");
    let person = chosen(site, page.parameter("of"))?;
    let requests = of(site, &person).await?;
    let others = people(site).into_iter().filter(|other| *other != person).collect();
    let kinds = Kind::ALL.iter().map(|kind| kind.code()).collect();
    render(asked, 200, &Requests { l: page.language, page, person, others, kinds, requests })
}

/// Writes a request about a person's record.
pub async fn write(site: &Arc<Site>, person: &Person, kind: Kind, text: &str) -> Outcome<String> {
    if text.chars().count() > TEXT {
        let why = format!("the text has more than {TEXT} characters");
        return Err(Failure::new(Reason::Invalid, "text", "too-long", why));
    }
    let now = site.engine.now();
    let task = json!({
        "resourceType": "Task", "status": "requested", "intent": "order",
        "code": {"coding": [{"system": SYSTEM, "code": kind.code()}]},
        "description": if text.is_empty() { kind.code() } else { text },
        "for": {"reference": format!("Patient/{}", person.id()), "display": person.name},
        "requester": {"reference": format!("Patient/{}", site.requester.own.first().map_or(person.id(), String::as_str))},
        "authoredOn": Instant(now).to_fhir(),
        "restriction": {"period": {"start": Instant(now).to_fhir(),
            "end": Instant(now + DAY * kind.days()).to_fhir()}},
    });
    super::write(site, &task).await
}

/// `POST /me/requests`
pub async fn file(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let person = chosen(site, Some(form.field("of")))?;
    let kind = Kind::from_code(form.field("kind")).ok_or_else(|| {
        Failure::new(Reason::Invalid, "kind", "invalid", "say what is asked for")
            .repair("choose one of the list")
    })?;
    write(site, &person, kind, form.field("text").trim()).await?;
    Ok(reply::lead(&format!("/me/requests?of={}", person.id()), &[]))
}

/// `POST /me/requests/appeal`: a refusal is looked at once more, by somebody else, with a new clock.
pub async fn appeal(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let text = form.field("text").trim().to_owned();
    if text.is_empty() || text.chars().count() > TEXT {
        let message = format!("an appeal has a reason of at most {TEXT} characters");
        return Err(
            Failure::new(Reason::Invalid, "text", "required", message).repair("say what was overlooked")
        );
    }
    let (now, people) = (site.engine.now(), people(site));
    super::change(site, "Task", form.field("id"), |task| {
        let patient = super::patient_of(task, "for");
        let theirs = people.iter().find(|person| person.patients.iter().any(|id| id == patient));
        let told = theirs.is_some_and(|person| is_told(site, person, task));
        if !told || task["code"]["coding"][0]["system"] != SYSTEM {
            return Err(Failure::not_found("a request of yours"));
        }
        if task["status"] != "rejected" || task["businessStatus"]["text"] == APPEAL {
            let message = "an appeal is against a refusal, once; a court hears what is refused again";
            return Err(Failure::new(Reason::Conflict, "id", "conflict", message));
        }
        task["status"] = "requested".into();
        task["businessStatus"] = json!({"text": APPEAL});
        task["lastModified"] = json!(Instant(now).to_fhir());
        task["restriction"] = json!({"period": {"start": Instant(now).to_fhir(),
            "end": Instant(now + DAY * Kind::Access.days()).to_fhir()}});
        let before = task["description"].as_str().unwrap_or("").to_owned();
        task["description"] = format!("{before}\n↻ {text}").into();
        Ok(())
    })
    .await?;
    Ok(reply::lead("/me/requests", &[]))
}

/// `/me/copy?of=…`: a copy of the whole record, at once, as a Bundle of FHIR; PIPL, article 45.
pub async fn copy(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let frame = Frame::of(asked);
    let person = chosen(site, frame.parameter("of"))?;
    if person.categories.is_some() {
        return Err(Failure::new(
            Reason::Invalid,
            "of",
            "forbidden",
            "only parts of this record were released",
        ));
    }
    let mut entries: Vec<String> = Vec::new();
    for patient in person.patients.clone() {
        let wanted = patient.clone();
        let sealed = site
            .work(move |site| site.engine.everything(&site.sight(), &wanted, &Everything::default(), None))
            .await?;
        for resource in site.release(sealed).await?.into_inner().matches {
            entries.push(format!("{{\"resource\":{}}}", String::from_utf8_lossy(&resource.text)));
        }
    }
    let time = Instant(site.engine.now()).to_fhir();
    let body = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"timestamp\":\"{time}\",\"entry\":[{}]}}",
        entries.join(",")
    );
    let mut answer = reply::guarded(tongmai_http::plain(200, "application/fhir+json; charset=utf-8", body));
    let name = HeaderValue::from_static("attachment; filename=\"record.json\"");
    answer.headers_mut().insert(CONTENT_DISPOSITION, name);
    answer.headers_mut().insert(hyper::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}
