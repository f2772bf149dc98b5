//! The judgements that were written from the texts of the laws.

mod common;

use common::{Case, chance, laws, spec::Specification};
use tongmai_consent::{
    Action, BreakGlass, Category, Effect, Grant, Jurisdiction, Purpose, Role, Rule, Sensitivity, Side, Ward,
    decide,
};

const HOUR: i64 = 3_600_000;

fn case(line: &str) -> (Case, bool, Rule) {
    let part: Vec<&str> = line.split('|').map(str::trim).collect();
    let [regime, role, purpose, action, item, facts, verdict, clause, why] = part.as_slice() else {
        panic!("nine parts are wanted: {line}");
    };
    assert!(!clause.is_empty() && !why.is_empty(), "{line}");
    let pack = ["mainland", "hongkong", "hipaa"].iter().position(|name| name == regime).expect("a regime");
    let mut case = chance::plain(pack);
    case.request.role = Role::from_code(role).expect(line);
    case.request.purpose = Purpose::from_code(purpose).expect(line);
    case.request.action = if *action == "view" { Action::View } else { Action::Deposit };
    if matches!(case.request.role, Role::Resident | Role::Proxy) {
        (case.request.organisation, case.request.agreement) = (0, None);
    }
    let mut kinds = item.split('+');
    case.item.category = kinds.next().and_then(Category::from_code).expect(line);
    case.item.sensitivities = mask(kinds);
    for fact in facts.split(';').map(str::trim).filter(|fact| *fact != "-") {
        add(&mut case, fact);
    }
    let (answer, rule) = verdict.split_once(' ').expect(line);
    (case, answer == "yes", Rule::from_code(rule).expect(line))
}

fn mask<'a>(kinds: impl Iterator<Item = &'a str>) -> u8 {
    kinds.map(|kind| Sensitivity::from_code(kind).expect(kind).bit()).sum()
}

fn add(case: &mut Case, fact: &str) {
    let (name, value) = fact.split_once('=').unwrap_or((fact, ""));
    let now = case.request.now;
    let request = &mut case.request;
    if let Some(words) = fact.strip_prefix("permit") {
        return case.sides[0].grants.push(grant(Effect::Permit, words, now));
    }
    if let Some(words) = fact.strip_prefix("refuse") {
        return case.sides[0].grants.push(grant(Effect::Refuse, words, now));
    }
    match (name, value) {
        ("own", _) => request.own.push(10),
        ("nobody", _) => case.sides.clear(),
        ("before", _) => request.now -= 30 * 365 * 24 * HOUR,
        ("age", years) => {
            let today = (now + 8 * HOUR).div_euclid(24 * HOUR);
            let (year, month, day) = tongmai_base::time::civil_from_days(today);
            let years: i64 = years.parse().expect(fact);
            case.sides[0].birth = Some(tongmai_base::time::days_from_civil(year - years, month, day) as i32);
        }
        ("ward", how) => {
            let until = if how == "ended" { now } else { now + HOUR };
            request.wards.push(Ward { record: 10, incapable: how == "incapable", from: 0, until });
        }
        ("token", "ended") => request.scope.until = now,
        ("token", "early") => request.scope.from = now + HOUR,
        ("scope", kind) => {
            let kind = Category::from_code(kind).expect(fact).bit();
            (request.scope.view, request.scope.deposit) = (kind, kind);
        }
        ("scope-record", which) => request.scope.record = Some(if which == "this" { 10 } else { 11 }),
        ("no-agreement", _) => request.agreement = None,
        ("agreement" | "agreed-kinds" | "notice", how) => {
            let agreement = request.agreement.as_mut().expect("an agreement");
            match (name, how) {
                ("notice", hash) => agreement.notice = hash.parse().expect(fact),
                ("agreed-kinds", kind) => agreement.categories = Category::from_code(kind).expect(fact).bit(),
                (_, "default-in") => agreement.default_in = true,
                (_, "ended") => agreement.until = now,
                (_, purpose) => agreement.purposes = Purpose::from_code(purpose).expect(fact).bit(),
            }
        }
        ("care", how) => {
            let mut visit = chance::visit();
            match how {
                "" => {}
                "self" => visit.by = 7,
                "unsure" => visit.corroborated = false,
                "ended" => visit.until = now,
                "other" => visit.organisation = 2,
                _ => panic!("{fact}"),
            }
            case.sides[0].relations.push(visit);
        }
        ("depositor", _) => case.item.depositor = 1,
        ("joined", when) => {
            case.sides[0].joined = Some(if when == "later" { now + HOUR } else { now - HOUR })
        }
        ("restricted", _) => case.sides[0].restricted = true,
        ("glass", how) => {
            let from = if how == "ended" { now - 5 * HOUR } else { now - HOUR / 2 };
            let record = if how == "other" { 11 } else { 10 };
            request.break_glass = Some(BreakGlass { record, from, reason: how != "no-reason" });
        }
        ("abroad", place) => request.destination = Jurisdiction::from_code(place).expect(fact),
        ("transfer", _) => request.transfer = true,
        ("assessed", _) => request.assessed = true,
        ("linked", how) => {
            let mut other = Side { record: 11, ..Side::default() };
            case.confirmed = false;
            for word in how.split('+').filter(|word| !word.is_empty()) {
                match word {
                    "confirmed" => case.confirmed = true,
                    "permit" => other.grants.push(grant(Effect::Permit, "", now)),
                    "refuse" => other.grants.push(grant(Effect::Refuse, "", now)),
                    "restricted" => other.restricted = true,
                    "care" => other.relations.push(chance::visit()),
                    _ => panic!("{fact}"),
                }
            }
            case.sides.push(other);
        }
        _ => panic!("an unknown fact: {fact}"),
    }
}

fn grant(effect: Effect, words: &str, now: i64) -> Grant {
    let mut grant = Grant { effect, ..chance::permit() };
    for word in words.split('/').filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let hours = || value.parse::<i64>().expect(word) * HOUR;
        match name {
            "org" => grant.organisation = value.parse().unwrap_or(0),
            "account" => grant.account = value.parse().expect(word),
            "until" => grant.until = now + hours(),
            "from" => grant.from = now + hours(),
            "hours" => (grant.from, grant.until) = (now - HOUR / 2, now - HOUR / 2 + hours()),
            "release" | "kind" => grant.sensitivities = mask(value.split('+')),
            "notice" => grant.notice = value.parse().expect(word),
            "presence" => grant.presence = true,
            "border" => grant.border = true,
            "deposit" => grant.actions = Action::Deposit.bit(),
            _ => match (Purpose::from_code(name), Category::from_code(name)) {
                (Some(purpose), _) => grant.purposes = purpose.bit(),
                (_, Some(category)) => grant.categories = category.bit(),
                _ => panic!("an unknown word of a grant: {word}"),
            },
        }
    }
    grant
}

#[test]
fn the_engine_judges_as_the_laws_were_read() {
    let (laws, specification) = (laws(), Specification::new());
    let (mut count, mut wrong) = (0, Vec::new());
    let text = include_str!("judgements.txt");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (case, permit, rule) = case(line);
        count += 1;
        let pack = &laws.packs[case.pack];
        let decision = decide(pack, &laws.roles, &case.request, &case.item, &case.subject());
        if (decision.permit, decision.rule) != (permit, rule) {
            wrong.push(format!("{line}\n    engine: {}", decision.explain(pack)));
        }
        if specification.permits(&case) != permit {
            wrong.push(format!("{line}\n    specification: {}", !permit));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 200, "{count} judgements");
}

#[test]
fn a_decision_explains_itself() {
    let laws = laws();
    let (case, ..) =
        case("mainland | physician | TREAT | view | laboratory+hiv | care; permit | no release | - | -");
    let decision = decide(&laws.packs[0], &laws.roles, &case.request, &case.item, &case.subject());
    assert_eq!(
        decision.explain(&laws.packs[0]),
        "denied by 'release' (PIPL 29: separate consent for sensitive information); to change it: the person \
         releases this sensitive kind for this occasion"
    );
}
