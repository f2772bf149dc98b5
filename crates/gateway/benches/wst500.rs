//! Documents a second to FHIR and back, beside the XML parsers alone in the same run.
//!
//! `cargo bench -p tongmai-gateway --bench wst500`

use std::hint::black_box;
use std::time::{Duration, Instant};

use quick_xml::Reader;
use quick_xml::events::Event;
use tongmai_gateway::{wst500, xml};

/// How long each round runs.
const ROUND: Duration = Duration::from_secs(2);
/// Rounds of each measure; the best counts.
const ROUNDS: usize = 3;

fn measure(name: &str, documents: &[String], threads: usize, work: impl Fn(&str) -> usize + Sync) {
    let bytes: usize = documents.iter().map(String::len).sum();
    let best = (0..ROUNDS).map(|_| round(documents, threads, &work)).fold(0.0, f64::max);
    let megabytes = best * bytes as f64 / documents.len() as f64 / 1e6;
    println!("{name:<44} {threads} threads {best:>9.0} documents/s {megabytes:>8.1} MB/s");
}

/// Documents a second.
fn round(documents: &[String], threads: usize, work: &(impl Fn(&str) -> usize + Sync)) -> f64 {
    let start = Instant::now();
    let done: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = 0;
                    while start.elapsed() < ROUND {
                        for document in documents {
                            black_box(work(black_box(document)));
                        }
                        done += documents.len();
                    }
                    done
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or(0)).sum()
    });
    done as f64 / start.elapsed().as_secs_f64()
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
    for threads in [1, 2] {
        measure("quick-xml events alone", &documents, threads, events);
        measure("this project's tree of it", &documents, threads, |text| {
            xml::read(text, &mut Vec::new()).map_or(0, |root| root.children.len())
        });
        measure("to FHIR, every resource validated", &documents, threads, |text| {
            wst500::read(text.as_bytes()).entries.len()
        });
        measure("to FHIR and back to XML", &documents, threads, |text| {
            let understood = wst500::read(text.as_bytes());
            let resources = understood.entries.iter().map(|entry| (entry.full_url.clone(), &entry.resource));
            wst500::write(resources, &understood.source.kind).map_or(0, |(text, _)| text.len())
        });
    }
}
