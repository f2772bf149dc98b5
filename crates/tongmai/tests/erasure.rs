//! Erasure, seen by a scanner of files: canaries of one person are first found wherever they lie, then the
//! person is erased, and the scanner finds nothing: in no file of the installation, nor in a backup that came
//! back. Another person's canaries show that the scanner still sees.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tongmai_blob::Blobs;
use tongmai_gateway::pipeline::queue::Queue;
use tongmai_store::{Event, RecordKey, Store};
use tongmai_store_sqlite::SqliteStore;
use tongmai_vault::{Erasures, Keyring, Profile, Vault};

/// What tells of one person.
struct Canaries {
    name: &'static str,
    pinyin: &'static str,
    number: &'static str,
    telephone: &'static str,
    note: &'static str,
    image: &'static str,
}

const ERASED: Canaries = Canaries {
    name: "禄东赞特",
    pinyin: "ludongzante",
    number: "632123198808081230",
    telephone: "13987650000",
    note: "canary-of-the-note",
    image: "canary-of-the-image",
};
const KEPT: Canaries = Canaries {
    name: "白玛央金",
    pinyin: "baimayangjin",
    number: "632123197001015678",
    telephone: "13711112222",
    note: "kept-words-of-the-note",
    image: "kept-words-of-the-image",
};

/// The store of an installation with its keys, to look at bodies.
fn opened(store: Arc<dyn Store>, folder: &Path, key: Option<&Path>, beside: &Path) -> Vault {
    let keyring = key.map(|file| {
        let text = std::fs::read_to_string(file).expect("a key");
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("digits");
        let master: [u8; 32] = std::array::from_fn(|at| digit(2 * at));
        Keyring::open(&folder.join("keys"), &master, Profile::default()).expect("a keyring")
    });
    let erasures = Erasures::open(&beside.join("no-erasures")).expect("a log");
    Vault::over(store, keyring, erasures).expect("a vault")
}

/// An installation under test: its folder, and the arguments that every command is given.
struct Site {
    folder: PathBuf,
    place: Vec<String>,
}

impl Site {
    fn run(&self, command: &str, more: &[&str]) -> String {
        let mut run = Command::new(env!("CARGO_BIN_EXE_tongmai"));
        run.arg(command).args(&self.place).args(more).current_dir(self.folder.parent().expect("a folder"));
        let ran = run.output().expect("the program runs");
        let said =
            format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "{command} {more:?}: {said}");
        said
    }

    /// Serves, does something, and ends the server without a chance to tidy up. Returns what it logged.
    fn serving(&self, work: impl FnOnce(&str)) -> String {
        let mut run = Command::new(env!("CARGO_BIN_EXE_tongmai"));
        run.arg("serve").args(&self.place).args(["--open", "--accept-invalid", "--listen", "127.0.0.1:0"]);
        let mut server = Killed(run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs"));
        let mut lines = BufReader::new(server.0.stdout.take().expect("piped")).lines();
        let address = loop {
            let line = lines.next().expect("an address").expect("text");
            if let Some(at) = line.find("http://") {
                break line[at + 7..].split_whitespace().next().expect("an address").to_owned();
            }
        };
        work(&address);
        let mut errors = server.0.stderr.take().expect("piped");
        drop(server);
        let mut log = String::new();
        errors.read_to_string(&mut log).expect("text");
        log
    }
}

/// A process that ends with the value.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(address: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: county.test\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status"), answer)
}

fn resources(of: &Canaries, id: &str, blob: &str) -> Vec<Value> {
    let subject = json!({"reference": format!("Patient/{id}")});
    vec![
        json!({"resourceType": "Patient", "id": id, "gender": "female", "birthDate": "1988-08-08",
            "name": [{"text": of.name, "family": &of.name[..3], "given": [&of.name[3..]]}, {"use": "usual", "text": of.pinyin}],
            "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": of.number}],
            "telecom": [{"system": "phone", "value": of.telephone}]}),
        json!({"resourceType": "Observation", "id": format!("{id}-note"), "status": "final", "subject": subject,
            "code": {"text": of.note}, "valueString": of.note,
            "performer": [{"display": of.name}]}),
        json!({"resourceType": "ImagingStudy", "id": format!("{id}-image"), "status": "available", "subject": subject,
            "identifier": [{"system": "urn:tongmai:blob:sha256", "value": blob}]}),
    ]
}

/// A message that the door of HL7 v2 understands, about a visit of the person at another place.
fn message(of: &Canaries) -> String {
    format!(
        "MSH|^~\\&|HIS|TOWN|TONGMAI|COUNTY|20261121080000+0800||ADT^A04|message of {phone}|P|2.5|||||CHN|UNICODE UTF-8\r\
         EVN|A04|20261121080000+0800\r\
         PID|1||{number}^^^&2.16.156.10011.1.3&ISO^NI||{name}||19880808|F|||||{phone}\r\
         PV1|1|O|CLINIC\r",
        number = of.number,
        name = of.name,
        phone = of.telephone
    )
}

/// All files below folders, and what they hold, letters of either case made small.
fn files(folders: &[&Path]) -> Vec<(PathBuf, Vec<u8>)> {
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a folder");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if let Ok(mut bytes) = std::fs::read(&path) {
            bytes.make_ascii_lowercase();
            found.push((path, bytes));
        }
    }
    found
}

/// Where a word stands: names of files.
fn places(word: &[u8], files: &[(PathBuf, Vec<u8>)]) -> Vec<String> {
    let word = word.to_ascii_lowercase();
    let holds = |bytes: &[u8]| memchr::memmem::find(bytes, &word).is_some();
    files.iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path.display().to_string()).collect()
}

/// A number as the index files it: the installation's keyed hash of a code, in either order of bytes.
fn filed(secret: &[u8; 32], number: &str) -> [Vec<u8>; 2] {
    use std::hash::Hasher;
    let half = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("eight bytes"));
    let mut hasher = siphasher::sip::SipHasher24::new_with_keys(half(&secret[..8]), half(&secret[8..16]));
    hasher.write_u8(2);
    hasher.write(number.as_bytes());
    hasher.write_u8(0xff);
    let hash = hasher.finish();
    [hash.to_be_bytes().to_vec(), hash.to_le_bytes().to_vec()]
}

/// Pieces of the bodies of everything that belongs to a person, as they lie in the store; each piece stands in no
/// body of others.
fn bodies(store: &Vault, of: &Canaries) -> Vec<Vec<u8>> {
    let mut snapshot = store.snapshot().expect("a snapshot");
    let opened = snapshot.feed(0, 1_000).expect("events");
    let kept = snapshot.feed_as_kept(0, 1_000).expect("events");
    let text = |body: &[u8]| {
        let mut text = Vec::new();
        tongmai_codec::unpack(body, &mut text).expect("a body");
        text
    };
    let is_of = |event: &Event| memchr::memmem::find(&text(&event.body), of.number.as_bytes()).is_some();
    let records: Vec<RecordKey> =
        opened.iter().filter(|event| is_of(event)).map(|event| event.record_key).collect();
    let own = |event: &&Event| event.record_key.0 != 0 && records.contains(&event.record_key);
    let others: Vec<u8> =
        kept.iter().filter(|event| !own(event)).flat_map(|event| event.body.clone()).collect();
    let piece = |event: &Event| {
        let mut pieces = event.body.windows(24).skip(16);
        pieces.find(|piece| memchr::memmem::find(&others, piece).is_none()).map(<[u8]>::to_vec)
    };
    kept.iter().filter(own).filter_map(piece).collect()
}

fn patient_named(site: &Site, name: &str, out: &Path) -> String {
    let _ = std::fs::remove_dir_all(out);
    site.run("export", &["--out", out.to_str().expect("text"), "--types", "Patient"]);
    let text = std::fs::read_to_string(out.join("Patient.ndjson")).expect("patients");
    let of =
        text.lines().find(|line| line.contains(name) && line.contains("1988-08-08")).expect("the patient");
    serde_json::from_str::<Value>(of).expect("JSON")["id"].as_str().expect("an id").to_owned()
}

/// Brings in both persons by every way: files, a door, a message that nobody understands, one that waits, an
/// image; has pages read, and an export made.
fn plant(site: &Site, beside: &Path) -> String {
    let blobs = Blobs::open(&site.folder.join("blobs")).expect("blobs");
    let mut lines = String::new();
    for (of, id) in [(&ERASED, "erased"), (&KEPT, "kept")] {
        let blob = blobs.put(format!("DICM {} {}", of.image, of.name).as_bytes()).expect("kept").to_string();
        for resource in resources(of, id, &blob) {
            lines += &format!("{resource}\n");
        }
    }
    let file = beside.join("in.ndjson");
    std::fs::write(&file, lines).expect("written");
    site.run("import", &["--accept-invalid", file.to_str().expect("text")]);
    std::fs::remove_file(&file).expect("removed");
    let log = site.serving(|address| {
        for of in [&ERASED, &KEPT] {
            let (status, answer) = ask(address, "POST", "/door/hl7v2", "", message(of).as_bytes());
            assert!(status == 200 || status == 201, "{answer}");
            let nobody_understands = format!("PID|1||{}|{}", of.number, of.name);
            ask(address, "POST", "/door/hl7v2", "", nobody_understands.as_bytes());
        }
        for page in ["/", "/desk", "/surveillance", "/outcomes", "/fhir/Patient?name=ludongzante"] {
            ask(address, "GET", page, "", b"");
        }
        let (status, answer) = ask(address, "GET", "/fhir/$export", "Prefer: respond-async\r\n", b"");
        assert_eq!(status, 202, "{answer}");
        let begun = Instant::now();
        let exported = || {
            let files = files(&[&site.folder.join("exports")]);
            !places(KEPT.note.as_bytes(), &files).is_empty()
                && !places(KEPT.telephone.as_bytes(), &files).is_empty()
        };
        while !exported() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let queue = Queue::open(&site.folder.join("queue")).expect("a queue");
    queue.put("e0", "hl7v2", message(&ERASED).as_bytes(), 1, "busy").expect("kept");
    queue.put("e1", "hl7v2", message(&KEPT).as_bytes(), 1, "busy").expect("kept");
    log
}

fn words(of: &Canaries) -> Vec<Vec<u8>> {
    let texts = [of.name, of.pinyin, of.number, of.telephone, of.note, of.image];
    let pinyin_of_the_name = "lu dong zan te";
    let mut words: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    if of.name == ERASED.name {
        words.push(pinyin_of_the_name.as_bytes().to_vec());
    }
    words
}

fn assert_nowhere(words: &[Vec<u8>], files: &[(PathBuf, Vec<u8>)], when: &str) {
    for word in words {
        let found = places(word, files);
        assert!(found.is_empty(), "{when}: {} is still in {found:?}", String::from_utf8_lossy(word));
    }
}

fn check_embedded(sealed: bool) {
    let beside = tempfile::tempdir().expect("a folder");
    let beside = beside.path();
    let folder = beside.join("data");
    let key = beside.join("master.key");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let place = |folder: &Path| {
        let mut place = vec!["--data".to_owned(), text(folder)];
        if sealed {
            place.extend(["--key-file".to_owned(), text(&key)]);
        }
        place
    };
    if sealed {
        let made =
            Command::new(env!("CARGO_BIN_EXE_tongmai")).arg("key").arg(&key).status().expect("it runs");
        assert!(made.success());
    }
    std::fs::create_dir(&folder).expect("made");
    let site = Site { place: place(&folder), folder: folder.clone() };
    let log = plant(&site, beside);
    let secret_and_bodies = || {
        let copy = beside.join("copy");
        std::fs::create_dir_all(&copy).expect("made");
        for name in ["store.tongmai", "store.tongmai-wal"] {
            let _ = std::fs::copy(folder.join(name), copy.join(name));
        }
        let store = Arc::new(SqliteStore::open(&copy.join("store.tongmai")).expect("opens"));
        let secret = store.secret();
        let vault = opened(store, &folder, sealed.then_some(&*key), beside);
        let found = (secret, bodies(&vault, &ERASED), bodies(&vault, &KEPT));
        drop(vault);
        std::fs::remove_dir_all(&copy).expect("removed");
        found
    };
    let (secret, erased_bodies, kept_bodies) = secret_and_bodies();

    // First everything is found where it lies.
    let before = files(&[&folder]);
    let is_found = |word: &[u8], place: &str| {
        let found = places(word, &before);
        assert!(
            found.iter().any(|path| path.contains(place)),
            "{} is not in {place}: {found:?}",
            String::from_utf8_lossy(word)
        );
    };
    assert!(
        before.iter().any(|(path, bytes)| path.ends_with("store.tongmai-wal") && !bytes.is_empty()),
        "a log"
    );
    is_found(ERASED.name.as_bytes(), "store.tongmai");
    is_found(ERASED.pinyin.as_bytes(), "store.tongmai");
    is_found(ERASED.number.as_bytes(), "queue/");
    is_found(ERASED.telephone.as_bytes(), "exports/");
    is_found(ERASED.note.as_bytes(), "exports/");
    is_found(ERASED.image.as_bytes(), "blobs/");
    assert!(!erased_bodies.is_empty());
    erased_bodies.iter().for_each(|body| is_found(body, "store.tongmai"));
    assert!(
        filed(&secret, ERASED.number).iter().any(|hash| !places(hash, &before).is_empty()),
        "the filed number"
    );
    // The log of the program holds nothing of anybody from the first.
    for word in words(&ERASED).iter().chain(&words(&KEPT)) {
        assert!(
            places(word, &[(PathBuf::from("log"), log.to_ascii_lowercase().into_bytes())]).is_empty(),
            "in the log"
        );
    }

    let backup = beside.join("backup.tongmai");
    site.run("backup", &["--to", &text(&backup)]);
    let in_backup = files(&[&backup]);
    assert!(
        !places(ERASED.name.as_bytes(), &in_backup).is_empty()
            && !places(&erased_bodies[0], &in_backup).is_empty()
    );

    let patient = patient_named(&site, ERASED.name, &beside.join("out"));
    std::fs::remove_dir_all(beside.join("out")).expect("removed");
    let said = site.run("erase", &["--patient", &patient, "--dry-run"]);
    assert!(said.contains("nothing was erased"), "{said}");
    let said = site.run("erase", &["--patient", &patient]);
    assert!(
        said.contains("2 records") && said.contains("1 waiting messages") && said.contains("1 blobs"),
        "{said}"
    );

    let mut all = words(&ERASED);
    all.extend(erased_bodies);
    all.extend(filed(&secret, ERASED.number));
    assert_nowhere(&all, &files(&[&folder]), "after the erasure");
    // Pages are read again and views counted again, and still nothing is there.
    let log = site.serving(|address| {
        for page in ["/", "/desk", "/surveillance", "/outcomes"] {
            ask(address, "GET", page, "", b"");
        }
        let (_, answer) = ask(address, "GET", &format!("/fhir/Patient/{patient}"), "", b"");
        assert!(answer.starts_with("HTTP/1.1 410"), "{answer}");
    });
    let mut after = files(&[&folder]);
    after.push((PathBuf::from("log"), log.to_ascii_lowercase().into_bytes()));
    assert_nowhere(&all, &after, "after serving again");
    site.run("verify", &[]);
    // The scanner sees: what is of the other person is where it was.
    assert!(
        !places(KEPT.name.as_bytes(), &after).is_empty() && !places(KEPT.image.as_bytes(), &after).is_empty()
    );
    assert!(kept_bodies.iter().all(|body| !places(body, &after).is_empty()));

    // A backup from before comes back into an empty folder, with the log of erasures and the keys of now.
    let restored = beside.join("restored");
    let again = Site { place: place(&restored), folder: restored.clone() };
    let erasures = text(&folder.join("erasures"));
    let keys = text(&folder.join("keys"));
    let mut more = vec!["--from", backup.to_str().expect("text"), "--erasures", &erasures];
    if sealed {
        more.extend(["--keys", &keys]);
    }
    let said = again.run("restore", &more);
    assert!(said.contains("are erased now") && said.contains("whole:"), "{said}");
    let after = files(&[&restored]);
    assert_nowhere(&all, &after, "in the backup that came back");
    assert!(kept_bodies.iter().all(|body| !places(body, &after).is_empty()));
    let said = again.run("verify", &[]);
    assert!(!said.contains("are erased now"), "only once: {said}");
}

#[test]
fn an_erased_person_is_nowhere_on_the_embedded_store() {
    check_embedded(false);
}

#[test]
fn an_erased_person_is_nowhere_under_sealed_bodies() {
    check_embedded(true);
}
