//! Damaged documents: nothing panics, what was understood is valid, and each finding says where and
//! how to mend it.
//!
//! The long run: `TONGMAI_MUTANTS=1000000 cargo test --release -p tongmai-gateway --test wst500_mutants`.

mod damage;

use damage::DIRT;
use tongmai_gateway::wst500;
use tongmai_testkit::Random;

/// Mutants of the everyday run.
const MUTANTS: u64 = 20_000;

fn mutant(examples: &[String], random: &mut Random) -> Vec<u8> {
    let mut lines: Vec<String> = examples[random.below(examples.len())].lines().map(str::to_owned).collect();
    for _ in 0..=random.below(4) {
        let at = random.below(lines.len());
        match random.below(9) {
            0 => {
                lines.remove(at);
            }
            1 => lines.insert(at, lines[at].clone()),
            2 => {
                let other = random.below(lines.len());
                lines.swap(at, other);
            }
            3 => lines.truncate(at.max(1)),
            // The value of an attribute.
            4 | 5 => {
                let parts: Vec<&str> = lines[at].split('"').collect();
                if parts.len() > 2 {
                    let which = random.below(parts.len() / 2) * 2 + 1;
                    let mut parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
                    parts[which] = random.of(DIRT).to_owned();
                    lines[at] = parts.join("\"");
                }
            }
            6 => lines[at] = lines[at].replace('甲', random.of(DIRT)),
            7 => lines.insert(
                at,
                format!(
                    "<{0}><{0} value=\"{1}\"/>",
                    random.of(&["observation", "entry", "x", "id"]),
                    random.of(DIRT)
                ),
            ),
            _ => {
                lines[at] =
                    lines[at].replace(random.of(&["/>", "\"", ">", "observation", "value"]), random.of(DIRT))
            }
        }
        if lines.is_empty() {
            lines.push(String::new());
        }
    }
    damage::bytes(lines.join("\n"), 8, random)
}

#[test]
fn damaged_documents_are_read_as_far_as_they_go() {
    let examples: Vec<String> = wst500::types().filter_map(|(code, _)| wst500::example::xml(code)).collect();
    assert_eq!(examples.len(), 53);
    let check = |seed| {
        let understood = wst500::read(&mutant(&examples, &mut Random(seed)));
        damage::judge(&understood).map(|()| understood.is_refused())
    };
    let wanted = damage::wanted(MUTANTS);
    let refused = damage::run("wst500", 0..wanted, &check);
    println!("{wanted} mutants, {refused} refused");
    assert!(refused < wanted / 2, "{refused} of {wanted} were refused");
}

/// Documents that are large in one way: each is read within seconds, and what is left out is named.
#[test]
fn documents_made_to_be_slow_are_not() {
    let text = wst500::example::xml("C0032").expect("a type");
    let many = |part: &str| part.repeat(60_000);
    for (from, to) in [
        ("<structuredBody>", format!("<structuredBody>{}", many("<component><section/></component>"))),
        (
            "<entry typeCode=\"COMP\">",
            format!(
                "<entry typeCode=\"COMP\">{}",
                many("<observation><code code=\"DE04.01.119.00\"/><value>x</value></observation>")
            ),
        ),
        ("<custodian", format!("{}<custodian", many("<authenticator><time value=\"1\"/></authenticator>"))),
        (
            "<patientRole classCode=\"PAT\">",
            format!("<patientRole classCode=\"PAT\">{}", many("<telecom value=\"1\"/>")),
        ),
        (
            "<performer",
            format!("{}<performer", many("<participant><time value=\"20260101\"/></participant>")),
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let started = std::time::Instant::now();
        let understood = wst500::read(text.replacen(from, &to, 1).as_bytes());
        assert!(started.elapsed().as_secs() < 20, "{from} takes {:?}", started.elapsed());
        assert!(understood.entries.len() <= tongmai_base::limits::BUNDLE_ENTRIES + 10, "{from}");
        let limited = understood
            .findings
            .iter()
            .any(|finding| finding.code == "limit" || finding.code == "findings-limit");
        assert!(limited || from == "<structuredBody>", "{from}: {} findings", understood.findings.len());
    }
}
