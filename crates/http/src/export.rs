//! Bulk export: asked for, made in the background, fetched as files.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_LOCATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Response};
use tokio::io::AsyncReadExt;
use tokio_stream::wrappers::ReceiverStream;
use tongmai_access::{Access, Requester};
use tongmai_base::time::Instant;
use tongmai_engine::bundle::parse_pairs;
use tongmai_engine::{Engine, Failure, Reason};
use tongmai_fhir::compartment::{self, Compartment};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id, resource_type_name, resource_types};
use tongmai_fhir::json::write_string;
use tongmai_fhir::search::date;

use crate::Service;
use crate::answer::{Answer, fhir, plain, refuse};
use crate::request::Asked;

/// Resources read and written at once.
const CHUNK: usize = 1_000;
/// Exports that may be under way or wait to be fetched.
const JOBS: usize = 16;

/// What an export came to.
#[derive(Clone)]
enum State {
    Running { done: u64 },
    Finished { files: Vec<(String, u64)> },
    Failed(String),
}

struct Job {
    /// Who asked for it, and nobody else may fetch it.
    actor: String,
    request: String,
    time: i64,
    folder: PathBuf,
    state: State,
    cancelled: bool,
    /// How often something had been erased when it began.
    erasures: u64,
}

/// The exports of this server.
pub struct Exports {
    folder: PathBuf,
    next: AtomicU64,
    jobs: Mutex<HashMap<String, Job>>,
}

impl Exports {
    pub(crate) fn new(folder: PathBuf) -> Exports {
        Exports { folder, next: AtomicU64::new(1), jobs: Mutex::new(HashMap::new()) }
    }

    fn jobs(&self) -> std::sync::MutexGuard<'_, HashMap<String, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts an export: 202 and where to ask for it.
pub(crate) async fn begin(
    service: &Arc<Service>,
    asked: &Asked,
    level: Option<&str>,
) -> Result<Answer, Failure> {
    if !matches!(asked.method, Method::GET | Method::POST) {
        return Ok(refuse(405, "not-supported", "an export is begun by GET or POST", ""));
    }
    let mut types: Vec<ResourceTypeId> = Vec::new();
    let mut since = None;
    for (name, value) in parse_pairs(&asked.query) {
        let invalid = |why: String| Failure::new(Reason::Invalid, &name, "invalid", why);
        match name.as_str() {
            "_type" => {
                for name in value.split(',') {
                    let id = resource_type_id(name);
                    types.push(
                        id.ok_or_else(|| invalid(format!("'{name}' is not a resource type of FHIR R4")))?,
                    );
                }
            }
            "_since" => {
                since = Some(
                    date::parse(&value).ok_or_else(|| invalid(format!("'{value}' is not an instant")))?.low,
                );
            }
            "_outputFormat" if value.contains("ndjson") => {}
            _ => {
                return Err(Failure::new(
                    Reason::Invalid,
                    &name,
                    "unknown",
                    format!("'{name}={value}' is not supported here"),
                ));
            }
        }
    }
    if types.is_empty() {
        types = (0..resource_types().len() as ResourceTypeId).collect();
    }
    if level.is_some() {
        let members: Vec<ResourceTypeId> = compartment::members(Compartment::Patient).collect();
        let patient = resource_type_id("Patient");
        types.retain(|id| members.contains(id) || Some(*id) == patient);
    }
    let exports = &service.exports;
    let number = exports.next.fetch_add(1, Ordering::Relaxed);
    let time = service.engine.now();
    let id = format!("{time:x}-{number}");
    let folder = exports.folder.join(&id);
    {
        let mut jobs = exports.jobs();
        if jobs.len() >= JOBS {
            let oldest = jobs
                .iter()
                .filter(|(_, job)| !matches!(job.state, State::Running { .. }))
                .min_by_key(|(_, job)| job.time)
                .map(|(id, _)| id.clone());
            match oldest.and_then(|id| jobs.remove(&id)) {
                Some(job) => drop(std::fs::remove_dir_all(job.folder)),
                None => return Ok(crate::answer::busy()),
            }
        }
        let request = format!("{}{}?{}", asked.base().trim_end_matches("/fhir"), asked.path, asked.query);
        let job = Job {
            actor: asked.requester.actor.clone(),
            request,
            time,
            folder: folder.clone(),
            state: State::Running { done: 0 },
            cancelled: false,
            erasures: service.engine.erasures(),
        };
        jobs.insert(id.clone(), job);
    }
    let (worker, name, requester) = (service.clone(), id.clone(), asked.requester.clone());
    tokio::task::spawn_blocking(move || {
        let state = match write(&worker, &requester, &name, &folder, &types, since) {
            Ok(files) => State::Finished { files },
            Err(why) => State::Failed(why),
        };
        let mut jobs = worker.exports.jobs();
        match jobs.get_mut(&name) {
            Some(job) if !job.cancelled => job.state = state,
            _ => {
                jobs.remove(&name);
                let _ = std::fs::remove_dir_all(&folder);
            }
        }
    });
    let mut answer = plain(202, "text/plain", "");
    if let Ok(value) = HeaderValue::from_str(&format!("{}/$export-status/{id}", asked.base())) {
        answer.headers_mut().insert(CONTENT_LOCATION, value);
    }
    Ok(answer)
}

/// Writes the files of an export and keeps its job up to date; ends early when that is cancelled.
fn write(
    service: &Service,
    requester: &Requester,
    name: &str,
    folder: &Path,
    types: &[ResourceTypeId],
    since: Option<i64>,
) -> Result<Vec<(String, u64)>, String> {
    let went_on = |more: u64| match service.exports.jobs().get_mut(name) {
        Some(job) if !job.cancelled => {
            if let State::Running { done } = &mut job.state {
                *done += more;
            }
            true
        }
        _ => false,
    };
    let access = &service.access;
    write_files(&service.engine, access, requester, folder, types, since, &|_| {}, &went_on)
}

/// Writes one file of newline-delimited JSON a type, two types at once, and returns their names and lengths;
/// each chunk is released, so logged, before it is written.
///
/// `planned` hears how many resources there will be at most, `went_on` after each chunk how many more were
/// written; the export ends when it says no.
#[expect(clippy::too_many_arguments, reason = "what is exported, for whom, where to, and who watches")]
pub fn write_files(
    engine: &Engine,
    access: &Access,
    requester: &Requester,
    folder: &Path,
    types: &[ResourceTypeId],
    since: Option<i64>,
    planned: &dyn Fn(u64),
    went_on: &(dyn Fn(u64) -> bool + Sync),
) -> Result<Vec<(String, u64)>, String> {
    std::fs::create_dir_all(folder).map_err(|e| format!("the export folder cannot be made: {e}"))?;
    // What may be seen is judged for each chunk: a consent may be withdrawn while an export runs.
    let sight = access.sight(requester);
    let (as_of, plan) = engine.export_plan(&sight, types).map_err(|failure| failure.to_string())?;
    planned(plan.iter().map(|&(_, count)| count as u64).sum());
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(String, u64)>, String> {
        let mut files = Vec::new();
        while let Some(&(type_id, _)) = plan.get(next.fetch_add(1, Ordering::Relaxed)) {
            let name = resource_type_name(type_id).unwrap_or("");
            let path = folder.join(format!("{name}.ndjson"));
            let (mut after, mut count, mut file) = (Some(0), 0, None);
            while let Some(from) = after {
                let sight = access.sight(requester);
                let sealed = engine
                    .export_chunk(&sight, type_id, from, as_of, since, CHUNK)
                    .map_err(|failure| failure.to_string())?;
                let chunk = access.release_blocking(requester, sealed).map_err(|failure| failure.0)?;
                if chunk.count > 0 {
                    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
                    if file.is_none() {
                        file = Some(File::create(&path).map_err(failed)?);
                    }
                    if let Some(file) = &mut file {
                        file.write_all(&chunk.lines).map_err(failed)?;
                    }
                    count += chunk.count as u64;
                }
                if !went_on(chunk.count as u64) {
                    return Err("cancelled".into());
                }
                after = chunk.next;
            }
            if count > 0 {
                files.push((name.to_owned(), count));
            }
        }
        Ok(files)
    };
    let mut files = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut files = work()?;
        files.extend(other.join().map_err(|_| "the export broke off".to_owned())??);
        Ok::<_, String>(files)
    })?;
    files.sort();
    Ok(files)
}

/// How an export stands; DELETE ends it.
pub(crate) async fn status(service: &Arc<Service>, asked: &Asked, id: &str) -> Result<Answer, Failure> {
    let mut jobs = service.exports.jobs();
    let own = jobs.get_mut(id).filter(|job| job.actor == asked.requester.actor);
    let Some(job) = own else { return Err(Failure::not_found(format!("export {id}"))) };
    if asked.method == Method::DELETE {
        job.cancelled = true;
        let folder = job.folder.clone();
        if !matches!(job.state, State::Running { .. }) {
            jobs.remove(id);
            let _ = std::fs::remove_dir_all(folder);
        }
        return Ok(plain(202, "text/plain", ""));
    }
    match &job.state {
        State::Running { done } => {
            let mut answer = plain(202, "text/plain", "");
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            if let Ok(value) = HeaderValue::from_str(&format!("{done} resources written")) {
                answer.headers_mut().insert("x-progress", value);
            }
            Ok(answer)
        }
        State::Failed(why) => {
            tracing::error!(%why, "an export failed");
            Ok(refuse(500, "exception", "the export failed", "begin it again"))
        }
        State::Finished { files } => {
            let mut out = String::from("{\"transactionTime\":");
            write_string(&Instant(job.time).to_fhir(), &mut out);
            out.push_str(",\"request\":");
            write_string(&job.request, &mut out);
            out.push_str(",\"requiresAccessToken\":false,\"output\":[");
            for (index, (name, count)) in files.iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                out.push_str(&format!("{comma}{{\"type\":\"{name}\",\"count\":{count},\"url\":"));
                write_string(&format!("{}/$export-file/{id}/{name}.ndjson", asked.base()), &mut out);
                out.push('}');
            }
            out.push_str("],\"error\":[]}");
            Ok(fhir(200, out))
        }
    }
}

/// One file of an export, streamed. Its content was released when it was written; what has been erased or may not
/// be seen any more since then makes it 410.
pub(crate) async fn file(
    service: &Arc<Service>,
    asked: &Asked,
    id: &str,
    name: &str,
) -> Result<Answer, Failure> {
    let unknown = || Failure::not_found(format!("export file {id}/{name}"));
    let (folder, erasures) = {
        let jobs = service.exports.jobs();
        let own = jobs.get(id).filter(|job| job.actor == asked.requester.actor);
        let job = own.ok_or_else(unknown)?;
        let known = match &job.state {
            State::Finished { files } => files.iter().any(|(of, _)| name.strip_suffix(".ndjson") == Some(of)),
            _ => false,
        };
        if !known {
            return Err(unknown());
        }
        (job.folder.clone(), job.erasures)
    };
    let path = folder.join(name);
    let limited = service.access.sight(&asked.requester).limits().is_some();
    if limited || service.engine.erasures() != erasures {
        let type_id = name.strip_suffix(".ndjson").and_then(resource_type_id).ok_or_else(unknown)?;
        let (requester, path) = (asked.requester.clone(), path.clone());
        let stands = service.work(true, move |service| still_stands(service, &requester, type_id, &path));
        if !stands.await? {
            let gone = Failure::new(Reason::Gone, "", "expired", "what this export holds has changed since");
            return Err(gone.repair("begin the export again"));
        }
    }
    let file = tokio::fs::File::open(path).await.map_err(|_| unknown())?;
    let (sender, receiver) = tokio::sync::mpsc::channel::<std::io::Result<Frame<Bytes>>>(4);
    tokio::spawn(async move {
        let mut file = file;
        loop {
            let mut buffer = Vec::with_capacity(256 * 1024);
            let read = (&mut file).take(256 * 1024).read_to_end(&mut buffer).await;
            let frame = match read {
                Ok(0) => return,
                Ok(_) => Ok(Frame::data(Bytes::from(buffer))),
                Err(error) => Err(error),
            };
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    });
    let stream = StreamBody::new(ReceiverStream::new(receiver));
    let mut answer = Response::new(BodyExt::boxed(stream));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/fhir+ndjson"));
    Ok(answer)
}

/// May all of a file of an export still be shown?
fn still_stands(
    service: &Service,
    requester: &Requester,
    type_id: ResourceTypeId,
    path: &Path,
) -> Result<bool, Failure> {
    let failed = |error: std::io::Error| Failure::new(Reason::Internal, "", "exception", error.to_string());
    let mut lines = BufReader::with_capacity(256 * 1024, File::open(path).map_err(failed)?);
    let mut step = Vec::new();
    loop {
        step.clear();
        for _ in 0..CHUNK {
            if lines.read_until(b'\n', &mut step).map_err(failed)? == 0 {
                break;
            }
        }
        if step.is_empty() {
            return Ok(true);
        }
        if !service.engine.lines_stand(&service.access.sight(requester), type_id, &step)? {
            return Ok(false);
        }
    }
}
