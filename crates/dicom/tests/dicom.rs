//! Files as Chinese devices write them, from header to ImagingStudy, and DICOMweb from STOW to WADO.

use std::path::Path;
use std::sync::Arc;

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use tongmai_access::{Access, Policy, Requester};
use tongmai_blob::Blobs;
use tongmai_dicom::multipart;
use tongmai_dicom::study::{self, instances_of};
use tongmai_dicom::web::{Ask, DicomWeb, Reply};
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_fhir::json::Json;
use tongmai_fhir::validate::{Options as Rules, is_invalid, validate};

/// A file of one image. The name's bytes stand as they are, in the character set that is named.
fn file(set: &str, name: &[u8], series: u32, number: u32) -> Vec<u8> {
    let mut object = InMemDicomObject::new_empty();
    let mut put = |tag, vr, value: &str| object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    put(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
    put(tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.156.1.{series}.{number}"));
    put(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.156.1");
    put(tags::SERIES_INSTANCE_UID, VR::UI, &format!("1.2.156.1.{series}"));
    put(tags::STUDY_DATE, VR::DA, "20261127");
    put(tags::STUDY_TIME, VR::TM, "091500.00");
    put(tags::ACCESSION_NUMBER, VR::SH, "A1");
    put(tags::MODALITY, VR::CS, "CT");
    put(tags::SERIES_NUMBER, VR::IS, &series.to_string());
    put(tags::INSTANCE_NUMBER, VR::IS, &number.to_string());
    put(tags::PATIENT_ID, VR::LO, "B0001");
    put(tags::PATIENT_BIRTH_DATE, VR::DA, "19580302");
    put(tags::PATIENT_SEX, VR::CS, "F");
    put(tags::INSTITUTION_NAME, VR::LO, "County");
    // A place holder of the name's length, replaced below: the writer knows one character set only.
    let length = name.len() + name.len() % 2;
    put(tags::SPECIFIC_CHARACTER_SET, VR::CS, set);
    put(tags::PATIENT_NAME, VR::PN, &"#".repeat(length));
    let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let object = object.with_meta(meta).expect("meta");
    let mut bytes = Vec::new();
    object.write_all(&mut bytes).expect("written");
    let at = bytes.windows(length).position(|part| part.iter().all(|byte| *byte == b'#')).expect("the place");
    bytes[at..at + name.len()].copy_from_slice(name);
    bytes[at + name.len()..at + length].fill(b' ');
    bytes
}

fn gb() -> Vec<u8> {
    [b"Wang^ShiLi=".as_slice(), &encoding_rs::GB18030.encode("王^示例").0].concat()
}

#[test]
fn chinese_names_come_through_in_every_character_set() {
    let switched = [
        b"Wang^ShiLi=\x1b$)A".as_slice(),
        &encoding_rs::GBK.encode("王").0,
        b"^\x1b$)A",
        &encoding_rs::GBK.encode("示例").0,
    ]
    .concat();
    for (set, name) in [
        ("GB18030", gb()),
        ("GBK", gb()),
        ("ISO_IR 192", "Wang^ShiLi=王^示例".as_bytes().to_vec()),
        ("\\ISO 2022 IR 58", switched),
        // What is missing or wrong is guessed.
        ("ISO 2022 IR 58", gb()),
    ] {
        let understood = study::understand(&[(String::new(), &file(set, &name, 1, 1))]).remove(0);
        let patient = understood.entries.iter().find(|e| e.resource.text("resourceType") == Some("Patient"));
        let patient = &patient.unwrap_or_else(|| panic!("{set}: {:?}", understood.findings)).resource;
        let names: Vec<&str> = patient.items("name").iter().filter_map(|name| name.text("text")).collect();
        assert_eq!(names, ["王示例", "Wang ShiLi"], "{set}");
        for entry in &understood.entries {
            let faults = validate(&entry.resource, &Rules::default());
            assert!(!is_invalid(&faults), "{} {faults:?}", entry.resource);
        }
    }
}

#[test]
fn files_of_a_study_become_one_imaging_study() {
    let files: Vec<Vec<u8>> =
        [(2, 1), (1, 2), (1, 1)].iter().map(|(s, n)| file("GB18030", &gb(), *s, *n)).collect();
    let mut named: Vec<(String, &[u8])> =
        files.iter().map(|bytes| ("x.dcm".to_owned(), bytes.as_slice())).collect();
    named.push(("torn.dcm".to_owned(), &files[0][..200]));
    named.push(("none.dcm".to_owned(), b"no DICOM"));
    let all = study::understand(&named);
    let refused: Vec<&str> =
        all.iter().filter(|u| u.is_refused()).flat_map(|u| &u.findings).map(|f| f.code.as_str()).collect();
    assert_eq!(refused, ["malformed", "not-dicom"]);
    let understood = all.iter().find(|understood| !understood.is_refused()).expect("a study");
    let study = understood.entries.iter().find(|e| e.resource.text("resourceType") == Some("ImagingStudy"));
    let study = &study.expect("an ImagingStudy").resource;
    assert_eq!(study.text("started"), Some("2026-11-27T09:15:00+08:00"));
    let instances: Vec<String> = instances_of(study).into_iter().map(|instance| instance.uid).collect();
    assert_eq!(instances, ["1.2.156.1.1.1", "1.2.156.1.1.2", "1.2.156.1.2.1"]);
    assert_eq!(study.get("numberOfSeries").map(ToString::to_string), Some("2".to_owned()));
}

/// Damaged files: none panics, and each that is refused says why.
#[test]
fn damaged_files_are_refused_or_read() {
    let whole = file("GB18030", &gb(), 1, 1);
    let mut random = tongmai_testkit::Random(7);
    for seed in 0..5_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => drop(bytes.remove(at)),
                2 => bytes[at] = random.next() as u8,
                _ => bytes.insert(at, random.next() as u8),
            }
        }
        for understood in study::understand(&[(String::new(), &bytes)]) {
            for finding in &understood.findings {
                assert!(!finding.path.is_empty() && !finding.repair.is_empty(), "seed {seed}: {finding:?}");
            }
            for entry in &understood.entries {
                assert!(!is_invalid(&validate(&entry.resource, &Rules::default())), "seed {seed}");
            }
        }
    }
}

fn now() -> i64 {
    1_795_742_700_000
}

fn random() -> [u8; 16] {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&NEXT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).to_le_bytes());
    bytes
}

fn open(folder: &Path) -> (DicomWeb, Arc<Access>) {
    let store = Arc::new(tongmai_store::memory::MemoryStore::new([1; 32]));
    let engine = Engine::start(store, Surroundings { now, random }, Validation::Reject).expect("an engine");
    let access = Arc::new(Access::open(Policy::Open, &folder.join("reads"), now).expect("a log"));
    let blobs = Blobs::open(&folder.join("blobs")).expect("blobs");
    (DicomWeb::new(Arc::new(engine), access.clone(), blobs), access)
}

async fn get(web: &DicomWeb, path: &str, query: &[(&str, &str)]) -> Reply {
    let query: Vec<(String, String)> =
        query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let ask = Ask { method: "GET", path, query: &query, content_type: "", body: &[] };
    web.answer(&Requester::local(), ask).await
}

async fn post(web: &DicomWeb, path: &str, files: &[Vec<u8>]) -> Reply {
    let body = multipart::write(files);
    let ask = Ask { method: "POST", path, query: &[], content_type: multipart::MEDIA_TYPE, body: &body };
    web.answer(&Requester::local(), ask).await
}

fn values(reply: &Reply, tag: &str) -> Vec<String> {
    let body = Json::parse(&reply.body).expect("JSON");
    let items = body.as_array().unwrap_or_default().iter();
    let first = |item: &Json<'_>| Some(item.get(tag)?.items("Value").first()?.to_string());
    items.filter_map(first).map(|text| text.trim_matches('"').to_owned()).collect()
}

#[tokio::test]
async fn what_is_stored_is_found_and_comes_back_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let (web, access) = open(folder.path());
    let first = file("GB18030", &gb(), 1, 1);
    let second = file("GB18030", &gb(), 2, 1);
    assert_eq!(post(&web, "/studies", std::slice::from_ref(&first)).await.status, 200);
    // The same again changes nothing; what is no DICOM is refused beside it.
    assert_eq!(
        post(&web, "/studies/1.2.156.1", &[first.clone(), second.clone(), b"x".to_vec()]).await.status,
        202
    );
    assert_eq!(post(&web, "/studies/1.2.3", std::slice::from_ref(&first)).await.status, 409);
    for query in [
        &[][..],
        &[("StudyInstanceUID", "1.2.156.1")],
        &[("PatientID", "B0001")],
        &[("PatientName", "王*")],
        &[("AccessionNumber", "A1")],
        &[("StudyDate", "20261101-20261130"), ("ModalitiesInStudy", "CT")],
    ] {
        let found = get(&web, "/studies", query).await;
        assert_eq!(found.status, 200, "{query:?} {}", String::from_utf8_lossy(&found.body));
        assert_eq!(values(&found, "0020000D"), ["1.2.156.1"], "{query:?}");
        assert_eq!(values(&found, "00201208"), ["2"]);
        assert!(String::from_utf8_lossy(&found.body).contains("\"Ideographic\":\"王示例\""));
    }
    for query in [&[("PatientID", "B0002")][..], &[("StudyDate", "20250101")], &[("limit", "0")]] {
        assert_eq!(get(&web, "/studies", query).await.status, 204, "{query:?}");
    }
    assert_eq!(get(&web, "/studies", &[("Colour", "red")]).await.status, 400);
    assert_eq!(
        values(&get(&web, "/studies/1.2.156.1/series", &[]).await, "0020000E"),
        ["1.2.156.1.1", "1.2.156.1.2"]
    );
    let instances = get(&web, "/studies/1.2.156.1/series/1.2.156.1.2/instances", &[]).await;
    assert_eq!(values(&instances, "00080018"), ["1.2.156.1.2.1"]);
    let before = count(&access);
    let whole = get(&web, "/studies/1.2.156.1/series/1.2.156.1.2/instances/1.2.156.1.2.1", &[]).await;
    assert_eq!(multipart::parts(whole.content_type, &whole.body).expect("parts"), [second.as_slice()]);
    assert_eq!(count(&access), before + 1, "a retrieval stands in the log of reads");
    let study = get(&web, "/studies/1.2.156.1", &[]).await;
    assert_eq!(multipart::parts(study.content_type, &study.body).expect("parts").len(), 2);
    let metadata = get(&web, "/studies/1.2.156.1/metadata", &[]).await;
    assert_eq!(values(&metadata, "00080018"), ["1.2.156.1.1.1", "1.2.156.1.2.1"]);
    for path in ["/studies/9.9", "/studies/1.2.156.1/series/9", "/other", "/studies/1.2.156.1/frames"] {
        assert_eq!(get(&web, path, &[]).await.status, 404, "{path}");
    }
}

fn count(access: &Access) -> usize {
    let mut count = 0;
    access.entries(&mut |_| count += 1).expect("the log");
    count
}
