//! Documents a second to FHIR and back, beside the XML parsers alone in the same run. A second is one of
//! processor time of one core, so that other work on the machine does not count.
//!
//! `cargo bench -p tongmai-gateway --bench wst500`

use std::hint::black_box;
use std::time::Duration;

use quick_xml::Reader;
use quick_xml::events::Event;
use tongmai_gateway::{wst500, xml};

/// Processor time of each round.
const ROUND: Duration = Duration::from_secs(1);
/// Rounds of each measure; the best counts.
const ROUNDS: usize = 3;

fn measure(name: &str, documents: &[String], work: impl Fn(&str) -> usize) {
    let bytes: usize = documents.iter().map(String::len).sum();
    let best = (0..ROUNDS).map(|_| round(documents, &work)).fold(0.0, f64::max);
    let megabytes = best * bytes as f64 / documents.len() as f64 / 1e6;
    println!("{name:<36} {best:>9.0} documents/s of one core {megabytes:>8.1} MB/s");
}

/// Documents a second of processor time.
fn round(documents: &[String], work: &impl Fn(&str) -> usize) -> f64 {
    let (start, mut done) = (processor_time(), 0);
    while processor_time() - start < ROUND {
        for document in documents {
            black_box(work(black_box(document)));
        }
        done += documents.len();
    }
    done as f64 / (processor_time() - start).as_secs_f64()
}

/// Time that this thread has had a processor.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells processor time");
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number of nanoseconds"))
}

fn events(text: &str) -> usize {
    let mut reader = Reader::from_str(text);
    let mut seen = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Eof) | Err(_) => return seen,
            Ok(Event::Start(start) | Event::Empty(start)) => seen += start.attributes().count(),
            Ok(_) => seen += 1,
        }
    }
}

fn main() {
    let documents: Vec<String> = wst500::types().filter_map(|(code, _)| wst500::example::xml(code)).collect();
    let bytes: usize = documents.iter().map(String::len).sum();
    println!("{} documents, one of each type, mean {} bytes", documents.len(), bytes / documents.len());
    measure("quick-xml events alone", &documents, events);
    measure("this project's tree of it", &documents, |text| {
        xml::read(text, &mut Vec::new()).map_or(0, |root| root.children.len())
    });
    measure("to FHIR, every resource validated", &documents, |text| {
        wst500::read(text.as_bytes()).entries.len()
    });
    measure("to FHIR and back to XML", &documents, |text| {
        let understood = wst500::read(text.as_bytes());
        let resources = understood.entries.iter().map(|entry| (entry.full_url.clone(), &entry.resource));
        wst500::write(resources, &understood.source.kind).map_or(0, |(text, _)| text.len())
    });
}
