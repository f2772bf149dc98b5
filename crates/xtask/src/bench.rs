//! `cargo xtask bench`: the spine under load, beside the limits of the machine.
//!
//! It starts the binary that is shipped on a fresh store, posts Synthea's transaction
//! Bundles (hospitals and practitioners once, the patients twice with fresh ids
//! and identifiers), and then drives each kind of request with `wrk`, one thread
//! and 32 connections, on the same cores. Everything is durable, validated and
//! its reads are logged.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

const ADDRESS: &str = "127.0.0.1:8765";

#[derive(clap::Args)]
pub struct Arguments {
    /// Seconds of each run of wrk.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Runs of each kind of request; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Connections that post Bundles.
    #[arg(long, default_value_t = 4)]
    posters: usize,
    /// Only requests whose name holds this text.
    #[arg(long, default_value = "")]
    only: String,
    /// Instead: how the searches of counties of these many people compare, one client, warm.
    #[arg(long, value_name = "PEOPLE", value_delimiter = ',')]
    growth: Vec<usize>,
    /// Measure this binary instead of building one.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.binary.is_none() {
        crate::shell("cargo", &["build", "--profile", "dist", "--package", "tongmai"])?;
    }
    if !arguments.growth.is_empty() {
        return growth(arguments);
    }
    let data = data_folder()?;
    let binary = arguments.binary();
    let work = PathBuf::from("target/bench");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work)?;
    println!("durable write of 4 KiB: {:.3} ms (median of 200)", sync_milliseconds(&work)?);
    let server = Server::start(binary, &work.join("data"))?;
    println!(
        "cold start, empty: {:.0} ms; idle memory {:.1} MB",
        server.started.as_secs_f64() * 1e3,
        server.memory()?
    );
    let (first, patients) = bundles(&data)?;
    load(&first, 1)?;
    let begun = Instant::now();
    let resources = load(&patients, arguments.posters)?;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "transaction bundles: {:.0} resources/s ({resources} in {seconds:.1} s)",
        resources as f64 / seconds
    );
    println!("memory after loading: {:.1} MB", server.memory()?);
    let known = Known::gather()?;
    for (name, script) in known.scripts() {
        if !name.contains(&arguments.only) {
            continue;
        }
        let path = work.join(format!("{name}.lua"));
        fs::write(&path, script)?;
        let mut runs = Vec::new();
        let before = server.processor_time()?;
        for _ in 0..arguments.runs {
            runs.push(wrk(&path, 32, arguments.seconds)?);
        }
        let worked = server.processor_time()? - before;
        let requests: f64 = runs.iter().map(|run| run.rate * f64::from(arguments.seconds)).sum();
        runs.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        let Load { rate, p50, p99, errors } = &runs[runs.len() / 2];
        println!(
            "{name}: {rate:.0}/s, p50 {p50}, p99 {p99}, errors {errors}, server {:.0} µs a request, memory {:.0} MB",
            worked * 1e3 / requests,
            server.memory()?
        );
    }
    println!("memory under load: {:.1} MB", server.memory()?);
    everything(&known)?;
    export()?;
    let total = count_all()?;
    drop(server);
    let bytes = fs::metadata(work.join("data/store.tongmai"))?.len();
    println!("disk: {:.0} bytes a resource ({bytes} bytes, {total} resources)", bytes as f64 / total as f64);
    let server = Server::start(binary, &work.join("data"))?;
    println!("cold start, loaded: {:.0} ms", server.started.as_secs_f64() * 1e3);
    println!("stripped binary: {:.1} MB", fs::metadata(binary)?.len() as f64 / 1e6);
    drop(server);
    import(binary, &data, arguments.runs)?;
    Ok(())
}

/// The same requests on counties of different sizes, by one client: the middle answer's time each.
fn growth(arguments: &Arguments) -> Result<()> {
    let work = PathBuf::from("target/bench");
    fs::create_dir_all(&work)?;
    let mut rows: Vec<(&str, Vec<f64>)> = Vec::new();
    for people in &arguments.growth {
        let county = work.join(format!("county-{people}"));
        if !county.join("store.tongmai").exists() {
            let people = people.to_string();
            let folder = county.to_string_lossy();
            let making = ["demo", "--no-serve", "--people", &people, "--data", &folder];
            crate::shell(&arguments.binary().to_string_lossy(), &making)?;
        }
        let server = Server::start(arguments.binary(), &county)?;
        println!(
            "{people} people: {} resources, cold start {:.0} ms",
            count_all()?,
            server.started.as_secs_f64() * 1e3
        );
        let known = Known::gather()?;
        for (name, script) in known.scripts() {
            if name == "create" || !name.contains(&arguments.only) {
                continue;
            }
            let path = work.join(format!("{name}.lua"));
            fs::write(&path, script)?;
            wrk(&path, 1, arguments.seconds)?;
            let mut runs = Vec::new();
            for _ in 0..arguments.runs {
                let load = wrk(&path, 1, arguments.seconds)?;
                ensure!(load.errors == "-", "{name}: {} requests failed", load.errors);
                runs.push(milliseconds(&load.p50)?);
            }
            runs.sort_by(f64::total_cmp);
            let middle = runs[runs.len() / 2];
            match rows.iter_mut().find(|(known, _)| *known == name) {
                Some((_, all)) => all.push(middle),
                None => rows.push((name, vec![middle])),
            }
        }
    }
    for (name, all) in rows {
        let shown: Vec<String> = all.iter().map(|ms| format!("{ms:.3} ms")).collect();
        println!("{name}: {}, last to first {:.2}", shown.join(", "), all[all.len() - 1] / all[0]);
    }
    Ok(())
}

/// What wrk writes as `213.00us`, `1.20ms` or `1.00s`.
fn milliseconds(shown: &str) -> Result<f64> {
    let (number, factor) = match shown {
        shown if shown.ends_with("us") => (&shown[..shown.len() - 2], 1e-3),
        shown if shown.ends_with("ms") => (&shown[..shown.len() - 2], 1.0),
        shown => (shown.trim_end_matches('s'), 1e3),
    };
    Ok(number.parse::<f64>().with_context(|| format!("wrk gave no time: '{shown}'"))? * factor)
}

fn data_folder() -> Result<PathBuf> {
    let folder =
        std::env::var_os("TONGMAI_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    ensure!(
        folder.join("synthea").is_dir(),
        "the bench needs Synthea's Bundles: set TONGMAI_DATA to their folder"
    );
    Ok(folder)
}

fn sync_milliseconds(work: &Path) -> Result<f64> {
    let mut file = fs::File::create(work.join("sync"))?;
    let mut took = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    Ok(took[100])
}

struct Server {
    child: Child,
    started: Duration,
}

impl Server {
    fn start(binary: &Path, data: &Path) -> Result<Server> {
        let begun = Instant::now();
        let child = Command::new(binary)
            .args(["serve", "--open", "--listen", ADDRESS, "--data"])
            .arg(data)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start the server")?;
        let mut server = Server { child, started: Duration::ZERO };
        for _ in 0..2_000 {
            if get("/health/ready").is_ok_and(|(status, _)| status == 200) {
                server.started = begun.elapsed();
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("the server does not get ready")
    }

    /// Processor time so far, in milliseconds; the kernel counts it in hundredths of a second.
    fn processor_time(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        Ok(fields.iter().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0)
    }

    /// Resident memory that is not file pages, in MB.
    fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.split_whitespace().next())
                .and_then(|kib| kib.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        Ok((field("VmRSS:") - field("RssFile:")) / 1024.0)
    }
}

impl Arguments {
    fn binary(&self) -> &Path {
        self.binary.as_deref().unwrap_or(Path::new("target/dist/tongmai"))
    }
}

/// Synthea once, by the command, into a fresh store each time.
fn import(binary: &Path, data: &Path, runs: usize) -> Result<()> {
    let mut rates = Vec::new();
    for _ in 0..runs {
        let folder = PathBuf::from("target/bench/imported");
        let _ = fs::remove_dir_all(&folder);
        let begun = Instant::now();
        let done = Command::new(binary)
            .args(["import", "--source", "synthea", "--data"])
            .arg(&folder)
            .arg(data.join("synthea"))
            .env("RUST_LOG", "warn")
            .stderr(Stdio::null())
            .output()?;
        let seconds = begun.elapsed().as_secs_f64();
        ensure!(done.status.success(), "the import failed");
        let server = Server::start(binary, &folder)?;
        rates.push(count_all()? as f64 / seconds);
        drop(server);
    }
    rates.sort_by(f64::total_cmp);
    let shown: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
    println!("import: {} resources/s", shown.join(", "));
    Ok(())
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Documents as they are sent.
type Documents = Vec<Vec<u8>>;

/// Bundles of hospitals and practitioners, and those of patients twice.
fn bundles(data: &Path) -> Result<(Documents, Documents)> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(data.join("synthea"))?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let unpack = |path: &PathBuf| -> Result<Vec<u8>> {
        let mut text = Vec::new();
        zstd::Decoder::new(fs::File::open(path)?)?.read_to_end(&mut text)?;
        Ok(text)
    };
    let is_first =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("0-"));
    let (mut first, mut patients) = (Vec::new(), Vec::new());
    let mut kept = HashSet::new();
    for path in paths.iter().filter(|path| is_first(path)) {
        let text = unpack(path)?;
        uuids(&text, |at| {
            kept.insert(text[at..at + 36].to_vec());
        });
        first.push(text);
    }
    for path in paths.iter().filter(|path| !is_first(path)) {
        let text = unpack(path)?;
        let mut again = text.clone();
        uuids(&text, |at| {
            if !kept.contains(&text[at..at + 36]) {
                // Another first digit: an id that is not there yet, the same for every mention.
                again[at] = if text[at] == b'f' { b'0' } else { b'f' };
                again[at + 1] = if text[at + 1] == b'e' { b'1' } else { b'e' };
            }
        });
        patients.push(text);
        patients.push(again);
    }
    Ok((first, patients))
}

/// Calls `found` with the offset of everything that looks like a UUID.
fn uuids(text: &[u8], mut found: impl FnMut(usize)) {
    let is_uuid = |window: &[u8]| {
        window.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let mut at = 0;
    while at + 36 <= text.len() {
        if text[at + 8] == b'-' && is_uuid(&text[at..at + 36]) {
            found(at);
            at += 36;
        } else {
            at += 1;
        }
    }
}

fn load(bundles: &[Vec<u8>], posters: usize) -> Result<usize> {
    let next = AtomicUsize::new(0);
    let resources = AtomicUsize::new(0);
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..posters)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut connection = TcpStream::connect(ADDRESS)?;
                    while let Some(bundle) = bundles.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let (status, answer) = send(&mut connection, "POST", "/fhir", bundle)?;
                        ensure!(
                            status == 200,
                            "a Bundle was refused: {}",
                            String::from_utf8_lossy(&answer[..answer.len().min(600)])
                        );
                        let created =
                            answer.windows(13).filter(|window| window == b"\"201 Created\"").count();
                        resources.fetch_add(created, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| anyhow::anyhow!("a poster broke off"))?)
    })?;
    Ok(resources.into_inner())
}

fn get(path: &str) -> Result<(u16, Vec<u8>)> {
    send(&mut TcpStream::connect(ADDRESS)?, "GET", path, &[])
}

fn get_json(path: &str) -> Result<Value> {
    let (status, body) = get(path)?;
    ensure!(status == 200, "{path} answered {status}");
    Ok(serde_json::from_slice(&body)?)
}

fn send(connection: &mut TcpStream, method: &str, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
    let (status, _, body) = exchange(connection, method, path, body)?;
    Ok((status, body))
}

fn exchange(
    connection: &mut TcpStream,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<(u16, HashMap<String, String>, Vec<u8>)> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {ADDRESS}\r\nContent-Type: application/fhir+json\r\nPrefer: return=minimal\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // In one piece: two small ones would wait for each other's acknowledgement.
    connection.write_all(&[head.as_bytes(), body].concat())?;
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status =
        line.split_whitespace().nth(1).and_then(|code| code.parse().ok()).context("no status line")?;
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let mut answer = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked") {
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let length = usize::from_str_radix(line.trim(), 16).context("a bad chunk")?;
            let start = answer.len();
            answer.resize(start + length, 0);
            reader.read_exact(&mut answer[start..])?;
            reader.read_line(&mut line)?;
            if length == 0 {
                break;
            }
        }
    } else {
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        answer.resize(length, 0);
        reader.read_exact(&mut answer)?;
    }
    Ok((status, headers, answer))
}

/// What the requests are made of.
struct Known {
    patients: Vec<String>,
    identifiers: Vec<String>,
    families: Vec<String>,
    observations: Vec<String>,
    codes: Vec<String>,
    pairs: Vec<(String, String)>,
    /// Months in which something was observed, as `2020-05`.
    months: Vec<String>,
}

impl Known {
    fn gather() -> Result<Known> {
        let mut known = Known {
            patients: Vec::new(),
            identifiers: Vec::new(),
            families: Vec::new(),
            observations: Vec::new(),
            codes: Vec::new(),
            pairs: Vec::new(),
            months: Vec::new(),
        };
        for entry in entries("/fhir/Patient?_count=1000", 2_000)? {
            known.patients.push(text(&entry["id"]));
            known.families.push(text(&entry["name"][0]["family"]));
            let identifier = &entry["identifier"][0];
            known.identifiers.push(format!("{}|{}", text(&identifier["system"]), text(&identifier["value"])));
        }
        let mut codes: BTreeMap<String, usize> = BTreeMap::new();
        for entry in entries("/fhir/Observation?_count=1000", 20_000)? {
            known.observations.push(text(&entry["id"]));
            let coding = &entry["code"]["coding"][0];
            let code = format!("{}|{}", text(&coding["system"]), text(&coding["code"]));
            let patient = text(&entry["subject"]["reference"]).replace("Patient/", "");
            *codes.entry(code.clone()).or_default() += 1;
            known.pairs.push((patient, code));
            known.months.extend(text(&entry["effectiveDateTime"]).get(..7).map(str::to_owned));
        }
        known.months.sort();
        known.months.dedup();
        let mut codes: Vec<(usize, String)> = codes.into_iter().map(|(code, count)| (count, code)).collect();
        codes.sort_unstable_by(|a, b| b.cmp(a));
        known.codes = codes.into_iter().take(40).map(|(_, code)| code).collect();
        Ok(known)
    }

    fn scripts(&self) -> Vec<(&'static str, String)> {
        let encode = |text: &str| -> String {
            text.bytes()
                .map(|byte| match byte {
                    b'|' | b' ' | 0x80.. => format!("%{byte:02X}"),
                    _ => char::from(byte).to_string(),
                })
                .collect()
        };
        let each = |texts: &[String], url: &dyn Fn(&str) -> String| -> Vec<String> {
            texts.iter().map(|text| url(&encode(text))).collect()
        };
        let months: Vec<String> = self
            .months
            .iter()
            .map(|month| format!("/fhir/Observation?date=ge{month}-01&date=lt{month}-28&_count=20"))
            .collect();
        let pairs = |url: &dyn Fn(&str, &str) -> String| -> Vec<String> {
            self.pairs.iter().step_by(7).map(|(patient, code)| url(patient, &encode(code))).collect()
        };
        vec![
            // What HTTP alone costs here: the limit for everything below.
            ("nothing", gets(&["/health/live".to_owned()])),
            ("read", gets(&each(&self.observations, &|id| format!("/fhir/Observation/{id}")))),
            ("identifier", gets(&each(&self.identifiers, &|i| format!("/fhir/Patient?identifier={i}")))),
            ("token", gets(&each(&self.codes, &|code| format!("/fhir/Observation?code={code}&_count=20")))),
            ("date-range", gets(&months)),
            (
                "patient-code-sorted",
                gets(&pairs(&|patient, code| {
                    format!("/fhir/Observation?patient={patient}&code={code}&_sort=-date&_count=10")
                })),
            ),
            (
                "chain",
                gets(&each(&self.families, &|f| format!("/fhir/Observation?patient.family={f}&_count=20"))),
            ),
            (
                "has",
                gets(&each(&self.codes, &|c| {
                    format!("/fhir/Patient?_has:Observation:patient:code={c}&_count=20")
                })),
            ),
            (
                "include",
                gets(&each(&self.patients, &|p| {
                    format!("/fhir/Encounter?patient={p}&_include=Encounter:patient&_count=20")
                })),
            ),
            (
                "revinclude",
                gets(&each(&self.patients, &|p| {
                    format!("/fhir/Patient?_id={p}&_revinclude=Encounter:patient")
                })),
            ),
            ("create", self.creates()),
        ]
    }

    fn creates(&self) -> String {
        let mut script = String::from("local bodies = {}\n");
        for (index, (patient, code)) in self.pairs.iter().step_by(37).take(200).enumerate() {
            let (system, code) = code.split_once('|').unwrap_or(("", code));
            let body = serde_json::json!({
                "resourceType": "Observation", "status": "final",
                "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                    "code": "vital-signs", "display": "vital-signs"}]}],
                "code": {"coding": [{"system": system, "code": code, "display": "measured"}], "text": "measured"},
                "subject": {"reference": format!("Patient/{patient}")},
                "effectiveDateTime": format!("2020-0{}-1{}T10:00:00+08:00", index % 9 + 1, index % 10),
                "issued": "2020-05-01T10:00:00.000+08:00",
                "valueQuantity": {"value": index as f64 / 8.0 + 60.0, "unit": "kg",
                    "system": "http://unitsofmeasure.org", "code": "kg"}
            });
            let _ = writeln!(script, "bodies[{}] = [==[{body}]==]", index + 1);
        }
        script.push_str(
            "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/fhir+json'\nlocal n = 0\n\
             request = function()\n n = n % #bodies + 1\n return wrk.format(nil, '/fhir/Observation', nil, bodies[n])\nend\n",
        );
        script
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

fn gets(urls: &[String]) -> String {
    let mut script = String::from("local urls = {}\n");
    for (index, url) in urls.iter().enumerate() {
        let _ = writeln!(script, "urls[{}] = [==[{url}]==]", index + 1);
    }
    script.push_str(
        "math.randomseed(7)\nrequest = function() return wrk.format('GET', urls[math.random(#urls)]) end\n",
    );
    script
}

/// Resources of a search, following its pages.
fn entries(path: &str, limit: usize) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next.take() {
        let bundle = get_json(&path)?;
        for entry in bundle["entry"].as_array().into_iter().flatten() {
            all.push(entry["resource"].clone());
        }
        if all.len() >= limit {
            break;
        }
        next = bundle["link"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|link| link["relation"] == "next")
            .and_then(|link| link["url"].as_str())
            .and_then(|url| url.find("/fhir").map(|at| url[at..].to_owned()));
    }
    Ok(all)
}

struct Load {
    rate: f64,
    p50: String,
    p99: String,
    errors: String,
}

fn wrk(script: &Path, connections: usize, seconds: u32) -> Result<Load> {
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), "--latency", &format!("-d{seconds}s"), "-s"])
        .arg(script)
        .arg(format!("http://{ADDRESS}"))
        .output()
        .context("wrk is missing: apt-get install wrk")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = |mark: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(mark))
            .map_or(String::from("-"), |rest| rest.trim().to_owned())
    };
    let rate = after("Requests/sec:").parse().with_context(|| format!("wrk said: {text}"))?;
    Ok(Load { rate, p50: after("50%"), p99: after("99%"), errors: after("Non-2xx or 3xx responses:") })
}

fn everything(known: &Known) -> Result<()> {
    let mut took = Vec::new();
    let mut connection = TcpStream::connect(ADDRESS)?;
    for patient in &known.patients {
        let begun = Instant::now();
        let (status, _) = send(&mut connection, "GET", &format!("/fhir/Patient/{patient}/$everything"), &[])?;
        ensure!(status == 200, "$everything answered {status}");
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    println!(
        "$everything: median {:.2} ms, slowest {:.1} ms, {} patients",
        took[took.len() / 2],
        took[took.len() - 1],
        took.len()
    );
    Ok(())
}

fn export() -> Result<()> {
    let begun = Instant::now();
    let (status, headers, _) = exchange(&mut TcpStream::connect(ADDRESS)?, "GET", "/fhir/$export", &[])?;
    ensure!(status == 202, "$export answered {status}");
    let place = headers.get("content-location").context("no Content-Location")?;
    let place = place[place.find("/fhir").context("an odd Content-Location")?..].to_owned();
    let manifest = loop {
        let (status, body) = get(&place)?;
        match status {
            200 => break serde_json::from_slice::<Value>(&body)?,
            202 => std::thread::sleep(Duration::from_millis(5)),
            _ => bail!("the export answered {status}"),
        }
    };
    let made = begun.elapsed().as_secs_f64();
    let (mut resources, mut bytes) = (0, 0);
    for file in manifest["output"].as_array().into_iter().flatten() {
        resources += file["count"].as_u64().unwrap_or(0);
        let url = text(&file["url"]);
        let (status, body) = get(&url[url.find("/fhir").unwrap_or(0)..])?;
        ensure!(status == 200, "an export file answered {status}");
        bytes += body.len();
    }
    let all = begun.elapsed().as_secs_f64();
    println!(
        "$export: {:.0} resources/s made, {:.0} resources/s fetched too ({resources} resources, {:.1} MB)",
        resources as f64 / made,
        resources as f64 / all,
        bytes as f64 / 1e6
    );
    Ok(())
}

fn count_all() -> Result<u64> {
    Ok(get_json("/fhir?_summary=count")?["total"].as_u64().unwrap_or(0))
}
