//! Mutated requests and bodies: nothing panics, nothing answers 5xx.

mod support;

use std::io::ErrorKind;
use std::net::TcpStream;

use support::{Server, exchange};
use tongmai_region::County;
use tongmai_region::fhir::{Counts, Kind, Lines};

/// Requests in the suite; `TONGMAI_MUTANTS` sets another number for a long run.
const MUTANTS: u64 = 20_000;

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

const PATHS: &[&str] = &[
    "/fhir/Patient?name=王&birthdate=ge1950-01-01&_sort=-birthdate&_count=5",
    "/fhir/Observation?code=http://loinc.org|8480-6&date=lt2026-01-01T10:00:00%2B08:00&_include=Observation:patient",
    "/fhir/Observation?code-value-quantity=8480-6$gt140&_total=accurate",
    "/fhir/Patient?_has:Observation:patient:code=8480-6&_revinclude=Observation:subject&_elements=name",
    "/fhir/Encounter?subject:Patient.name:contains=a&_summary=true&_sort=date,-_lastUpdated",
    "/fhir/Patient/1/$everything?start=2026-01-01&_type=Observation",
    "/fhir?_type=Patient,Encounter&_lastUpdated=gt2020",
    "/fhir/Patient/_history?_since=2020-01-01T00:00:00Z&_count=3",
    "/fhir/Condition?code:below=http://hl7.org/fhir/sid/icd-10|I10&clinical-status:not=active",
    "/fhir/MedicationRequest?_id=a,b&medication:missing=false&_page=1.2.3.4.5.6",
    "/fhir/metadata",
];

const PIECES: &[&str] = &[
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "1e999",
    "-0",
    "\\ud800",
    "\u{0}",
    "𠀋",
    "%",
    "&",
    "=",
    "|",
    "$",
    "..",
    "/",
    "?",
    "99999999999999999999",
    "urn:uuid:",
    "Patient/",
    "#",
    "_has:",
    ":missing",
    "2026-13-45",
    "\\",
    "resourceType",
];

fn mutate(text: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(text.len() + 1);
        match dice.below(5) {
            0 if at < text.len() => text[at] = dice.next() as u8,
            1 if at < text.len() => {
                let end = (at + dice.below(30)).min(text.len());
                text.drain(at..end);
            }
            2 => {
                let end = (at + dice.below(40)).min(text.len());
                let copy = text[at..end].to_vec();
                text.splice(at..at, copy);
            }
            _ => {
                let piece = PIECES[dice.below(PIECES.len())];
                text.splice(at..at, piece.bytes());
            }
        }
    }
}

/// A request line may hold only what HTTP allows there; the rest is encoded.
fn as_path(text: &[u8]) -> String {
    let mut path = String::new();
    for &byte in text {
        if byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'}' | b'#')
        {
            path.push(byte as char);
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    if path.starts_with('/') { path } else { format!("/{path}") }
}

#[test]
fn mutants_never_make_the_server_fail() {
    let server = Server::start();
    let county = County::new(7, 20, 20_778);
    let (mut lines, mut bundle) = (Lines::new(), String::new());
    county.write_directory_bundle(&mut bundle, &mut Counts::default());
    assert_eq!(server.send("POST", "/fhir", &[], bundle.as_bytes()).status, 200);
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for person in county.everyone().take(6) {
        let mut bundle = String::new();
        county.write_bundle(&person, &mut bundle, &mut Counts::default());
        assert_eq!(server.send("POST", "/fhir", &[], bundle.as_bytes()).status, 200);
        if bundle.len() < 60_000 {
            bodies.push(bundle.into_bytes());
        }
        county.write_lines(&person, &mut lines);
    }
    for &kind in Kind::ALL {
        bodies.extend(lines.of(kind).lines().take(3).map(|line| line.as_bytes().to_vec()));
    }
    bodies.push(br#"[{"op":"add","path":"/name/0/given/-","value":"x"}]"#.to_vec());
    let mutants = std::env::var("TONGMAI_MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(MUTANTS);
    let seed = 0x5eed;
    let mut dice = Dice(seed);
    let mut connection = TcpStream::connect(server.address).expect("a connection");
    let mut statuses = std::collections::BTreeMap::new();
    for number in 0..mutants {
        let (method, path, body) = match dice.below(6) {
            0..=2 => {
                let mut path = PATHS[dice.below(PATHS.len())].as_bytes().to_vec();
                mutate(&mut path, &mut dice);
                ("GET", as_path(&path), Vec::new())
            }
            kind => {
                let mut body = bodies[dice.below(bodies.len())].clone();
                mutate(&mut body, &mut dice);
                let text = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
                let name = text
                    .split('"')
                    .nth(3)
                    .filter(|n| n.bytes().all(|b| b.is_ascii_alphabetic()))
                    .unwrap_or("Patient");
                match (kind, name) {
                    (_, "Bundle") => ("POST", "/fhir".to_owned(), body),
                    (3, name) => ("POST", format!("/fhir/{name}"), body),
                    (4, name) => ("PUT", format!("/fhir/{name}/m{}", dice.below(9)), body),
                    (_, name) => ("PATCH", format!("/fhir/{name}/m{}", dice.below(9)), body),
                }
            }
        };
        let reply = match exchange(&mut connection, method, &path, &[], &body) {
            Ok(reply) => reply,
            Err(error) => {
                let late = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(!late, "seed {seed:#x}, mutant {number}: {method} {path} was not answered");
                // The server may close after what it could not read as HTTP; it must still be there.
                connection = TcpStream::connect(server.address).expect("the server is still there");
                continue;
            }
        };
        assert!(
            reply.status < 500,
            "seed {seed:#x}, mutant {number}: {method} {path} answered {}",
            reply.status
        );
        *statuses.entry(reply.status).or_insert(0u64) += 1;
        if reply.header("connection") == "close" {
            connection = TcpStream::connect(server.address).expect("the server is still there");
        }
    }
    // Mutants that are still understood show that the test reaches more than the parser.
    assert!(statuses.get(&200).is_some_and(|count| *count > mutants / 50), "{statuses:?}");
    let report = server.engine.verify(&mut |_, _| {}).expect("verified");
    assert_eq!(report.faults, [""; 0]);
}
