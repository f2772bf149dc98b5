//! From a socket to the ledger and back: what is acknowledged is there, once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tongmai_access::{Access, Policy, Requester};
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::validate::{Options as Rules, validate};
use tongmai_gateway::door::Doors;
use tongmai_gateway::hl7v2::listen::Listener;
use tongmai_gateway::hl7v2::{Options, mllp};
use tongmai_store::memory::MemoryStore;

fn now() -> i64 {
    1_790_000_000_000
}

fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

struct Door {
    engine: Arc<Engine>,
    access: Arc<Access>,
    stream: TcpStream,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Door {
    fn open() -> Door {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(MemoryStore::new([1; 32]));
        let surroundings = Surroundings { now, random };
        let engine = Arc::new(Engine::start(store, surroundings, Validation::Reject).expect("an engine"));
        let access = Arc::new(Access::open(Policy::Open, folder.path(), now).expect("a read log"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = socket.local_addr().expect("an address");
        let queue = folder.path().join("queue");
        let doors = Doors::open(engine.clone(), access.clone(), &queue, Options::default(), now);
        let listener = Arc::new(Listener::new(Arc::new(doors.expect("doors"))));
        runtime.spawn(listener.serve(socket));
        let stream = TcpStream::connect(address).expect("a connection");
        Door { engine, access, stream, _runtime: runtime, _folder: folder }
    }

    /// Sends bytes and reads `count` answers.
    fn send(&mut self, bytes: &[u8], count: usize) -> Vec<String> {
        self.stream.write_all(bytes).expect("sent");
        let mut decoder = mllp::Decoder::default();
        let mut answers = Vec::new();
        let mut buffer = [0; 4096];
        while answers.len() < count {
            let read = self.stream.read(&mut buffer).expect("an answer");
            assert!(read > 0, "the connection was closed after {answers:?}");
            decoder.feed(&buffer[..read], &mut |event| match event {
                mllp::Event::Message(bytes) => answers.push(String::from_utf8(bytes).expect("UTF-8")),
                mllp::Event::Fault(finding) => panic!("{finding}"),
            });
        }
        answers
    }

    /// How many resources a search finds.
    fn count(&self, type_name: &str, query: &[(&str, &str)]) -> usize {
        let asked: Vec<_> = query.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let type_id = resource_type_id(type_name).expect("a type");
        let query = self.engine.query(&[type_id], None, &asked, false).expect("a query");
        let page = self.engine.search(&self.access.sight(&Requester::local()), &query, None).expect("a page");
        let page = self.access.release_blocking(&Requester::local(), page).expect("released");
        for resource in &page.matches {
            let json = tongmai_fhir::json::Json::parse(&resource.text).expect("JSON");
            assert!(validate(&json, &Rules::default()).is_empty());
        }
        page.matches.len()
    }
}

fn admission(id: &str, name: &str) -> Vec<u8> {
    let text = format!(
        "MSH|^~\\&|HIS|县医院|TM|区|20260101083000||ADT^A01^ADT_A01|{id}|P|2.4|||||||GBK\r\
         EVN|A01|20260101083000\r\
         PID|1||P001^^^县医院^MR||{name}||19800102|M\r\
         PV1|1|I|内科^201^3^县医院||||D01^李^医生^^^^^^县医院||||||||||||V001^^^县医院|||||||||||||||||||||||||20260101083000\r"
    );
    mllp::frame(&encoding_rs::GBK.encode(&text).0)
}

fn code(answer: &str) -> &str {
    answer.split("\rMSA|").nth(1).and_then(|rest| rest.get(..2)).unwrap_or("")
}

#[test]
fn an_acknowledged_message_is_committed_once() {
    let mut door = Door::open();
    let first = admission("1", "王^小明");
    // The same three times in one go, junk between, cut as it falls.
    let mut stream = first.clone();
    stream.extend(b"\r\n");
    stream.extend(&first);
    stream.extend(&first);
    let answers = door.send(&stream, 3);
    assert_eq!(
        answers.iter().map(|answer| code(answer)).collect::<Vec<_>>(),
        ["AA", "AA", "AA"],
        "{answers:?}"
    );
    assert!(answers[0].contains("MSA|AA|1\r"), "{}", answers[0]);
    assert_eq!(door.count("Patient", &[]), 1);
    assert_eq!(door.count("Patient", &[("family", "王"), ("identifier", "P001")]), 1);
    assert_eq!(door.count("Encounter", &[("identifier", "V001"), ("class", "IMP")]), 1);
    assert_eq!(door.count("DocumentReference", &[("category", "original")]), 1);
    // A later message about the same person and visit brings them up to date.
    let answers = door.send(&admission("2", "王^晓明"), 1);
    assert_eq!(code(&answers[0]), "AA");
    assert_eq!((door.count("Patient", &[]), door.count("Encounter", &[])), (1, 1));
    assert_eq!(door.count("Patient", &[("given", "晓明")]), 1);
    assert_eq!(door.count("DocumentReference", &[]), 2);
    assert_eq!(door.count("Practitioner", &[]), 1);
}

#[test]
fn what_cannot_be_understood_is_set_aside_with_its_fault() {
    let mut door = Door::open();
    let answers = door.send(&mllp::frame(b"this is no message"), 1);
    assert_eq!(code(&answers[0]), "AE");
    assert!(answers[0].contains("\rERR||MSH^1|100^"), "{}", answers[0]);
    assert_eq!(door.count("DocumentReference", &[("category", "set-aside")]), 1);
    // The connection goes on, and enhanced mode is answered as asked.
    let text = "MSH|^~\\&|LIS|B|C|D|20260101||ADT^A08|9|P|2.5|||AL|NE\rPID|1||7^^^B||A^B\r";
    let answers = door.send(&mllp::frame(text.as_bytes()), 1);
    assert_eq!(code(&answers[0]), "CA", "{}", answers[0]);
    assert_eq!(door.count("Patient", &[]), 1);
}

/// 08:30 of the story: the county hospital admits 卓玛 under a slightly different name and an old number.
#[test]
fn an_admission_under_an_old_number_is_the_same_person() {
    let mut door = Door::open();
    let known = r#"{"resourceType":"Patient","id":"zhuoma","gender":"female","birthDate":"1961-03-08",
        "name":[{"text":"卓玛"}],"identifier":[{"system":"urn:oid:2.16.156.10011.1.3","value":"990123196103086764"}],
        "telecom":[{"system":"phone","value":"12900000001"}]}"#;
    let checked = door.engine.check(known.as_bytes(), resource_type_id("Patient")).expect("a patient");
    let target = tongmai_engine::write::Target::Id("zhuoma".into());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (sight, conditions) = (door.access.sight(&Requester::local()), Default::default());
    let written = door.engine.update(&sight, &target, &checked, &conditions);
    runtime.block_on(written).expect("written");
    let text = "MSH|^~\\&|HIS|县医院|TM|区|20261127083000||ADT^A01^ADT_A01|77|P|2.4|||||||GB 18030-2000\r\
         EVN|A01|20261127083000\r\
         PID|1||P7001^^^县医院^MR~990123610308676^^^^NI||卓马^||19610308|F|||||12900000001\r\
         PV1|1|I|内科^201^3^县医院\r";
    let answers = door.send(&mllp::frame(&encoding_rs::GB18030.encode(text).0), 1);
    assert_eq!(code(&answers[0]), "AA", "{}", answers[0]);
    let person = door.engine.person(&door.access.sight(&Requester::local()), "zhuoma").expect("a person");
    let person = door.access.release_blocking(&Requester::local(), person).expect("released");
    assert_eq!(person.members.len(), 2, "{:?}", person.members);
    let other = person.members.iter().find(|member| member.resource.id != "zhuoma").expect("the admission");
    let compared = door
        .engine
        .compare_patients(&door.access.sight(&Requester::local()), "zhuoma", &other.resource.id)
        .expect("compared");
    let compared = door.access.release_blocking(&Requester::local(), compared).expect("released");
    let weighed = compared.pair.review.weighed;
    assert_eq!(weighed.zone, tongmai_engine::person::Zone::Automatic);
    // The old number of 15 digits is the same number, and a name that sounds the same speaks for it.
    assert!(weighed.evidence[0] > 20.0 && weighed.evidence[4] > 5.0 && compared.together, "{weighed:?}");
}
