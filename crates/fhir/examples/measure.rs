//! Measures reading, validation and extraction over real records, and what the tables cost:
//! `cargo run --release -p tongmai-fhir --example measure`.

use std::hint::black_box;
use std::time::Duration;

use tongmai_fhir::json::Json;
use tongmai_fhir::validate::{Options, validate};
use tongmai_fhir::{compartment, definition, search};

/// The resources of all bundles, as text, each with its type.
fn resources() -> Vec<(u16, String)> {
    let folder = tongmai_testkit::data_root().expect("the data folder").join("synthea");
    let mut all = Vec::new();
    for file in std::fs::read_dir(folder).expect("folder") {
        let bytes = tongmai_testkit::read(&file.expect("file").path());
        let bundle = Json::parse(&bytes).expect("JSON");
        for entry in bundle.items("entry") {
            let resource = entry.get("resource").expect("resource");
            let name = resource.text("resourceType").expect("type");
            all.push((definition::resource_type_id(name).expect("type"), resource.to_string()));
        }
    }
    all
}

/// Resident memory that is no file, in kB.
fn anonymous_memory() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// Time that this process has spent on a processor: the clock on the wall also counts what
/// others do on a busy machine.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

/// The best of five runs.
fn best(mut run: impl FnMut()) -> Duration {
    let time = |run: &mut dyn FnMut()| {
        let start = processor_time();
        run();
        processor_time() - start
    };
    (0..5).map(|_| time(&mut run)).min().unwrap_or_default()
}

fn main() {
    let (start, before) = (processor_time(), anonymous_memory());
    black_box(definition::resource_type_id("Patient"));
    let definitions = processor_time() - start;
    black_box(search::all());
    let parameters = processor_time() - start;
    for id in 0..definition::resource_types().len() as u16 {
        let empty = Json::Object(Vec::new());
        black_box(search::extract(&empty, id));
        black_box(check(&empty));
    }
    let everything = processor_time() - start;
    println!(
        "tables: elements {definitions:?}, with parameters {parameters:?}, with all paths {everything:?}"
    );
    println!("tables: {} kB of memory", anonymous_memory() - before);

    let all = resources();
    let bytes: usize = all.iter().map(|(_, text)| text.len()).sum();
    println!("{} resources, mean {} bytes", all.len(), bytes / all.len());
    let per = |time: Duration| time.as_secs_f64() * 1e6 / all.len() as f64;

    let parse = best(|| all.iter().for_each(|(_, text)| drop(black_box(Json::parse_str(text)))));
    println!(
        "parse    {:.2} µs a resource, {:.0} MB/s",
        per(parse),
        bytes as f64 / parse.as_secs_f64() / 1e6
    );

    let trees: Vec<(u16, Json<'_>)> =
        all.iter().map(|(id, text)| (*id, Json::parse_str(text).expect("JSON"))).collect();
    let time = best(|| trees.iter().for_each(|(_, tree)| drop(black_box(check(tree)))));
    println!("validate {:.2} µs a resource", per(time));

    let mut count = 0;
    let time =
        best(|| count = trees.iter().map(|(id, tree)| black_box(search::extract(tree, *id)).len()).sum());
    println!("extract  {:.2} µs a resource, {:.1} values", per(time), count as f64 / all.len() as f64);

    let time = best(|| {
        trees.iter().for_each(|(id, tree)| drop(black_box(compartment::patient_references(tree, *id))))
    });
    println!("patients {:.2} µs a resource", per(time));
}

fn check(resource: &Json<'_>) -> Vec<tongmai_base::Finding> {
    validate(resource, &Options::default())
}
