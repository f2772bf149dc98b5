//! Every page of every role, in the demo as it is served: under the rules of a law, over a socket.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Client, Got, Server, links};

/// Pages that are walked for a role at most.
const WALKED: usize = 90;

/// The word of a refusal for each language of the test.
const CLOSED: &str = "这一页供以下岗位使用";
const UNSEEN: &str = "没有这份记录，或者它不对您开放";

/// The menu of a page, without what stands in it.
fn menu(page: &str) -> Vec<String> {
    let nav = page.split("<nav").nth(1).and_then(|rest| rest.split("</nav>").next()).unwrap_or("");
    links(nav, "href")
}

fn main_of(page: &str) -> &str {
    page.split("<main").nth(1).and_then(|rest| rest.split("</main>").next()).unwrap_or("")
}

fn get(client: &mut Client, path: &str) -> Got {
    client
        .ask("GET", path, &[("accept-language", "zh-CN")], b"")
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Follows redirections on this server.
fn followed(client: &mut Client, path: &str) -> Got {
    let mut got = get(client, path);
    for _ in 0..4 {
        if !matches!(got.status, 302 | 303) {
            break;
        }
        let next = got.header("location").to_owned();
        got = get(client, &next);
    }
    got
}

/// Walks the pages of somebody from their home; gives the pages that answered, and what is wrong.
fn walk(client: &mut Client, who: &str) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut pages, mut faults) = (BTreeMap::new(), Vec::new());
    let home = followed(client, "/home");
    if home.status != 200 {
        return (pages, vec![format!("{who}: home answers {}", home.status)]);
    }
    let home = home.text();
    let own: Vec<String> = menu(&home).into_iter().chain(links(main_of(&home), "href")).collect();
    for address in &own {
        let got = followed(client, address);
        if got.status != 200 || main_of(&got.text()).len() < 60 {
            faults.push(format!("{who}: {address} of the menu answers {}", got.status));
        }
        pages.insert(address.clone(), got.text());
    }
    let mut waiting: Vec<String> = pages.values().flat_map(|page| links(main_of(page), "href")).collect();
    let mut known: BTreeSet<String> = own.into_iter().collect();
    // One of each kind of page first: ids and words of an address make no other kind.
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(address) = waiting.pop() {
        if pages.len() >= WALKED
            || address.starts_with("/assets")
            || address.starts_with("/surveillance/live")
        {
            continue;
        }
        let kind: Vec<&str> = address.split(['?', '=']).next().unwrap_or("").split('/').collect();
        let kind =
            kind.iter().map(|part| if part.len() > 14 { "*" } else { part }).collect::<Vec<_>>().join("/");
        let times = kinds.entry(kind).or_default();
        if *times >= 3 || !known.insert(address.clone()) {
            continue;
        }
        *times += 1;
        let got = followed(client, &address);
        let text = got.text();
        match got.status {
            200 | 410 => {}
            403 if text.contains(CLOSED) => {}
            404 if text.contains(UNSEEN) => {}
            // The contents of another desk are said to be so by their page.
            403 if address.contains("/lines") => {}
            status => faults.push(format!(
                "{who}: {address} answers {status}: {}",
                main_of(&text).get(..300).unwrap_or("")
            )),
        }
        waiting.extend(links(main_of(&text), "href").into_iter().rev());
        pages.insert(address, text);
    }
    (pages, faults)
}

/// How many of a type a role finds over the API, by the session of its pages.
fn total(client: &mut Client, search: &str) -> i64 {
    let got = get(client, &format!("/fhir/{search}"));
    assert_eq!(got.status, 200, "{search}: {}", got.text());
    let json: serde_json::Value = serde_json::from_slice(&got.body).expect("JSON");
    json["total"].as_i64().unwrap_or_else(|| panic!("{search}: no total in {json}"))
}

/// The first id that a search finds for somebody.
fn first(client: &mut Client, search: &str) -> Option<String> {
    let got = get(client, &format!("/fhir/{search}"));
    let json: serde_json::Value = serde_json::from_slice(&got.body).expect("JSON");
    json["entry"][0]["resource"]["id"].as_str().map(str::to_owned)
}

#[test]
fn every_page_of_every_role_answers_under_the_rules() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::demo(folder.path(), 150);
    let mut faults = Vec::new();
    let mut walked: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for login in &server.logins {
        let mut client = server.login(&login.id);
        let (pages, wrong) = walk(&mut client, &login.id);
        eprintln!("{}: {} pages", login.id, pages.len());
        faults.extend(wrong);
        walked.insert(login.id.clone(), pages);
    }
    assert_eq!(walked.len(), 13);
    assert!(faults.is_empty(), "{}", faults.join("\n"));

    // Who finds how many people: the privacy officer answers for all, a doctor for those of the own place.
    let (mut privacy, mut doctor) = (server.login("privacy-he"), server.login("dr-li"));
    let (mut village, mut coder) = (server.login("dr-tashi"), server.login("coder-zhou"));
    let everybody = "Patient?_summary=count&_total=accurate";
    let all = total(&mut privacy, everybody);
    let (of_doctor, of_village) = (total(&mut doctor, everybody), total(&mut village, everybody));
    eprintln!("patients: all {all}, hospital {of_doctor}, village {of_village}");
    assert!(0 < of_village && of_village < all && 0 < of_doctor && of_doctor < all);
    assert_eq!(total(&mut privacy, "Condition?_summary=count&_total=accurate"), 0, "not the content");
    assert!(total(&mut coder, "Condition?_summary=count&_total=accurate") > 0);
    assert_eq!(total(&mut coder, "Observation?_summary=count&_total=accurate"), 0, "not for payment");

    // The page of a patient of one's own care, and of another's.
    let own = first(&mut doctor, "Patient?_count=1").expect("a patient of the hospital");
    let page = get(&mut doctor, &format!("/person/{own}"));
    assert_eq!(page.status, 200);
    let seen: BTreeSet<String> = ids(&mut doctor, "Patient?_count=1000");
    let other = ids(&mut privacy, "Patient?_count=1000").into_iter().find(|id| !seen.contains(id));
    let other = other.expect("somebody who was never at the hospital");
    let page = get(&mut doctor, &format!("/person/{other}"));
    assert!(page.status == 404 && page.text().contains(UNSEEN), "{}", page.status);
    assert!(page.text().contains(&format!("/emergency?patient={other}")), "what would change it is offered");
    let nobody = get(&mut doctor, "/person/no-such-person");
    let same = |text: String, id: &str| text.replace(id, "");
    assert_eq!(
        same(page.text(), &other),
        same(nobody.text(), "no-such-person"),
        "whether it is there is not said"
    );

    // The insurer counts and sees no single stay; the coder sees those of the own hospital.
    let mut insurer = server.login("insurer-gao");
    let stays = get(&mut coder, "/drg").text();
    // A stay with results among its evidence is not open for payment, and in a small county there may be no other.
    if let Some(stay) = links(&stays, "href").into_iter().find(|link| link.starts_with("/drg/case/")) {
        assert_eq!(get(&mut coder, &stay).status, 200);
        assert_eq!(get(&mut insurer, &stay).status, 404);
    }
    let worklist = get(&mut insurer, "/drg").text();
    assert!(!worklist.contains("/drg/case/") && worklist.contains("class=\"figures\""));
    let counted = get(&mut insurer, "/drg/indicators").text();
    assert!(counted.contains("清禾县人民医院"), "sums of each hospital");

    // The epidemiologist sees the cards of the own county, and counts alone anywhere else.
    let mut epidemiologist = server.login("epi-sun");
    let cards = get(&mut epidemiologist, "/surveillance/cards?state=all").text();
    let card = links(&cards, "href").into_iter().find(|link| link.starts_with("/surveillance/card/"));
    if let Some(card) = card {
        assert_eq!(get(&mut epidemiologist, &card).status, 200);
        assert!(matches!(get(&mut insurer, &card).status, 403 | 404));
    }
    let lines = get(&mut epidemiologist, "/surveillance/lines");
    let above = get(&mut epidemiologist, "/surveillance/lines?desk=above");
    assert_eq!((lines.status, above.status), (200, 403));
    assert!(!above.text().contains("/surveillance/card/"));

    // A refusal says whose page it is; measures are for who keeps the machines running.
    let closed = get(&mut insurer, "/people");
    assert!(closed.status == 403 && closed.text().contains("医生"), "{}", closed.text());
    assert_eq!(get(&mut insurer, "/metrics").status, 403);
    assert_eq!(get(&mut server.login("system-lu"), "/metrics").status, 200);
    // A resident's own record, and nobody else's.
    let mut resident = server.login("zhuoma");
    let me = get(&mut resident, "/me").text();
    let record = links(&me, "href").into_iter().find(|link| link.starts_with("/person/")).expect("a record");
    let page = get(&mut resident, &record);
    assert!(page.status == 200 && page.text().contains("卓玛"));
    assert_eq!(get(&mut resident, &format!("/person/{other}")).status, 404);
}

#[test]
fn retention_travels_in_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let mut command = common::tongmai();
        let done = command.args(arguments).arg("--data").arg(folder.path()).output().expect("it runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    run(&["demo", "--no-serve", "--people", "12"]);
    let today = run(&["retention"]);
    let last = today.lines().last().expect("a sum").to_owned();
    assert!(last.contains(" 0 records are over their term"), "{last}");
    let due = |day: &str| {
        run(&["retention", "--on", day]).lines().filter(|line| line.starts_with("Patient/")).count()
    };
    let (soon, later, end) = (due("2040-01-01"), due("2045-01-01"), due("2060-01-01"));
    assert!(soon <= later && later <= end && end > 0, "{soon} {later} {end}");
    let all = run(&["retention", "--on", "2060-01-01"]);
    assert!(all.contains(" 0 are kept"), "everything is over its term in the end");
}

fn ids(client: &mut Client, search: &str) -> BTreeSet<String> {
    let got = get(client, &format!("/fhir/{search}"));
    let json: serde_json::Value = serde_json::from_slice(&got.body).expect("JSON");
    let entries = json["entry"].as_array().cloned().unwrap_or_default();
    entries.iter().filter_map(|entry| entry["resource"]["id"].as_str().map(str::to_owned)).collect()
}
