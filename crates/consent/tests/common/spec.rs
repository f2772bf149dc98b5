//! The executable specification: a table of what must hold for a *yes*, and nothing else.
//!
//! It is written against the texts of the packs as words, not as masks, and shares no code with the
//! engine: a line of [`TABLE`] is one way to a yes, and names every condition of it. A case is
//! permitted if and only if all conditions of some line hold. Conditions are looked up one by one
//! and say what they mean over plain lists.

use std::collections::{BTreeMap, BTreeSet};

use tongmai_consent::{Action, Effect, Grant, Purpose, Role, builtin_packs, builtin_roles};

use super::Case;

/// Every way to a yes.
const TABLE: &str = "
law-in-force token-now kind-in-scope record-in-scope role-may member assessed : nobodys directory
law-in-force token-now kind-in-scope record-in-scope role-may : as-resident nobodys directory
law-in-force token-now kind-in-scope record-in-scope role-may : as-resident own
law-in-force token-now kind-in-scope record-in-scope role-may : as-proxy guardian not-told-in-confidence
law-in-force token-now kind-in-scope record-in-scope role-may member assessed : view made-it keeps-for stays unlimited
law-in-force token-now kind-in-scope record-in-scope role-may member assessed : somebodys duty-purpose duty-kind stays
law-in-force token-now kind-in-scope record-in-scope role-may member assessed : emergency-purpose glass stays-or-emergency
law-in-force token-now kind-in-scope record-in-scope role-may member assessed : care-action care-purpose cared-truly stays unlimited unrefused released
law-in-force token-now kind-in-scope record-in-scope role-may member assessed : default-law view treating default-member has-joined cared-or-present stays unlimited unrefused released
law-in-force token-now kind-in-scope record-in-scope role-may member assessed : agreed agreed-everywhere agreed-to-notice need-to-know stays unlimited unrefused released
law-in-force token-now kind-in-scope record-in-scope role-may member assessed : joining-law for-an-organisation deposit has-joined stays unlimited unrefused
law-in-force token-now kind-in-scope record-in-scope role-may : as-proxy agreed agreed-everywhere agreed-to-notice need-to-know stays unlimited unrefused released
law-in-force token-now kind-in-scope record-in-scope role-may : as-resident agreed agreed-everywhere agreed-to-notice need-to-know stays unlimited unrefused released
";

/// The words of a pack, by key.
type Words = BTreeMap<String, Vec<String>>;

pub struct Specification {
    laws: Vec<Words>,
    roles: BTreeMap<String, [BTreeSet<String>; 3]>,
    table: Vec<Vec<&'static str>>,
}

impl Specification {
    pub fn new() -> Specification {
        let laws = builtin_packs().iter().map(|(_, text)| words(text)).collect();
        let mut roles = BTreeMap::new();
        for line in builtin_roles().lines().filter(|line| line.contains('|') && !line.starts_with('#')) {
            let part: Vec<&str> = line.split('|').collect();
            let purposes = part[1].split_whitespace().map(str::to_owned).collect();
            roles.insert(part[0].trim().to_owned(), [purposes, kinds(part[2]), kinds(part[3])]);
        }
        let table = TABLE.lines().filter(|line| !line.is_empty());
        let table = table.map(|line| line.split_whitespace().filter(|word| *word != ":").collect()).collect();
        Specification { laws, roles, table }
    }

    /// Whether the case is permitted.
    pub fn permits(&self, case: &Case) -> bool {
        self.table.iter().any(|line| line.iter().all(|word| self.holds(word, case)))
    }

    fn says(&self, case: &Case, key: &str, word: &str) -> bool {
        self.laws[case.pack].get(key).is_some_and(|words| words.iter().any(|one| one == word))
    }

    fn number(&self, case: &Case, key: &str) -> i64 {
        self.laws[case.pack][key][0].parse().expect(key)
    }

    fn holds(&self, word: &str, case: &Case) -> bool {
        let (request, item, now) = (&case.request, &case.item, case.request.now);
        let record = case.sides.first().map(|side| side.record);
        let kind = item.category.code();
        let purpose = request.purpose.code();
        let action = if request.action == Action::View { "view" } else { "deposit" };
        match word {
            "law-in-force" => now >= midnight(&self.laws[case.pack]["from"][0]),
            "token-now" => request.scope.from <= now && now < request.scope.until,
            "kind-in-scope" => {
                let mask = if action == "view" { request.scope.view } else { request.scope.deposit };
                (mask >> item.category as u16) % 2 == 1
            }
            "record-in-scope" => {
                request.scope.record.is_none() || record.is_none() || request.scope.record == record
            }
            "role-may" => {
                let right = &self.roles[request.role.code()];
                right[0].contains(purpose) && right[if action == "view" { 1 } else { 2 }].contains(kind)
            }
            "member" => match request.agreement {
                None => false,
                Some(agreed) => {
                    let holds = |mask: u16, at: u16| (mask >> at) % 2 == 1;
                    agreed.from <= now
                        && now < agreed.until
                        && holds(agreed.purposes, request.purpose as u16)
                        && holds(agreed.categories, item.category as u16)
                }
            },
            "assessed" => request.assessed || !self.says(case, "assessed-purposes", purpose),
            "nobodys" => case.sides.is_empty(),
            "somebodys" => !case.sides.is_empty(),
            "directory" => kind == "directory",
            "as-resident" => request.role == Role::Resident && self.holds("assessed", case),
            "as-proxy" => request.role == Role::Proxy && self.holds("assessed", case),
            "own" => record.is_some_and(|record| request.own.contains(&record)),
            "guardian" => record.is_some_and(|record| {
                request.wards.iter().any(|ward| {
                    ward.record == record
                        && ward.from <= now
                        && now < ward.until
                        && (ward.incapable || self.is_a_child(case))
                })
            }),
            "not-told-in-confidence" => {
                !sensitive(item.sensitivities).iter().any(|kind| matches!(*kind, "adolescent" | "abuse"))
            }
            "view" | "deposit" => action == word,
            "made-it" => {
                record.is_some() && request.organisation > 0 && item.depositor == request.organisation
            }
            "keeps-for" => ["TREAT", "HPAYMT", "HOPERAT", "HLEGAL"].contains(&purpose),
            "unlimited" => case.sides.iter().all(|side| !side.restricted),
            "stays" => {
                let home = &self.laws[case.pack]["home"][0];
                !self.says(case, "border", "yes")
                    || request.destination.code() == home
                    || request.transfer
                        && grants(case).any(|g| g.effect == Effect::Permit && g.border && speaks(g, case))
            }
            "stays-or-emergency" => self.holds("stays", case) || self.says(case, "emergency-crosses", "yes"),
            "duty-purpose" => self.says(case, "statutory-purposes", purpose),
            "duty-kind" => self.says(case, "statutory-categories", kind),
            "emergency-purpose" => request.purpose == Purpose::Emergency,
            "glass" => request.break_glass.is_some_and(|glass| {
                let end = glass.from + self.number(case, "break-glass-minutes") * 60 * 1000;
                Some(glass.record) == record && glass.reason && glass.from <= now && now < end
            }),
            "care-action" => self.says(case, "care-actions", action),
            "care-purpose" => self.says(case, "care-purposes", purpose),
            "for-an-organisation" => request.organisation > 0,
            "treating" => purpose == "TREAT",
            "cared-truly" => {
                let opening = request.organisation > 0
                    && action == "deposit"
                    && ["demographics", "encounter"].contains(&kind)
                    && record.is_some();
                opening || visits(case, true) || visits(case, false) && in_presence(case)
            }
            "cared-or-present" => visits(case, true) || in_presence(case),
            "need-to-know" => {
                if purpose == "TREAT" {
                    self.holds("cared-or-present", case)
                } else {
                    true
                }
            }
            "default-law" => self.says(case, "default-in", "yes"),
            "joining-law" => self.says(case, "joining", "yes"),
            "default-member" => request.agreement.is_some_and(|agreed| agreed.default_in),
            "has-joined" => case.sides.first().is_some_and(|side| side.joined.is_some_and(|at| at <= now)),
            "unrefused" => !grants(case).any(|g| {
                let kinds = sensitive(item.sensitivities);
                g.effect == Effect::Refuse
                    && speaks(g, case)
                    && (g.sensitivities == 0 || sensitive(g.sensitivities).iter().any(|k| kinds.contains(k)))
            }),
            "agreed" => grants(case).any(|g| opens(g, case)),
            "agreed-everywhere" => {
                case.confirmed || case.sides.iter().all(|side| side.grants.iter().any(|g| opens(g, case)))
            }
            "agreed-to-notice" => match request.agreement {
                Some(agreed) if agreed.notice > 0 => {
                    grants(case).any(|g| opens(g, case) && g.notice == agreed.notice)
                }
                _ => true,
            },
            "released" => {
                let longest = self.number(case, "release-hours") * 60 * 60 * 1000;
                action == "deposit"
                    || sensitive(item.sensitivities).iter().all(|kind| {
                        !self.says(case, "released-each-time", kind)
                            || grants(case).any(|g| {
                                opens(g, case)
                                    && g.organisation > 0
                                    && g.until.saturating_sub(g.from) <= longest
                                    && sensitive(g.sensitivities).contains(kind)
                            })
                    })
            }
            other => panic!("the table has a word without a meaning: {other}"),
        }
    }

    fn is_a_child(&self, case: &Case) -> bool {
        let Some(birth) = case.sides.first().and_then(|side| side.birth) else { return false };
        // Birthdays are counted, year after year, on a calendar in China.
        let age = self.number(case, "age-of-decision");
        let today = (case.request.now + 8 * 3_600_000).div_euclid(86_400_000);
        let (mut year, month, day) = tongmai_base::time::civil_from_days(i64::from(birth));
        let mut birthdays = 0;
        loop {
            year += 1;
            let leaps = month == 2 && day == 29 && tongmai_base::time::days_in_month(year, 2) == 28;
            let (month, day) = if leaps { (3, 1) } else { (month, day) };
            if tongmai_base::time::days_from_civil(year, month, day) > today || birthdays == age {
                return birthdays < age;
            }
            birthdays += 1;
        }
    }
}

fn words(text: &str) -> Words {
    let mut all = Words::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("rule ")) {
        let mut parts = line.split_whitespace().map(str::to_owned);
        if let Some(key) = parts.next() {
            all.insert(key, parts.collect());
        }
    }
    all
}

fn kinds(text: &str) -> BTreeSet<String> {
    const ALL: &str = "demographics encounter diagnosis allergy medication laboratory imaging observation \
                       procedure immunization document plan billing reported governance directory";
    let mut set = BTreeSet::new();
    for word in text.split_whitespace() {
        match word {
            "*" => set.extend(ALL.split_whitespace().map(str::to_owned)),
            "none" => {}
            _ => match word.strip_prefix('-') {
                Some(away) => drop(set.remove(away)),
                None => drop(set.insert(word.to_owned())),
            },
        }
    }
    set
}

fn sensitive(mask: u8) -> Vec<&'static str> {
    const ALL: [&str; 8] =
        ["mental", "hiv", "reproductive", "substance", "abuse", "genetic", "adolescent", "restricted"];
    ALL.into_iter().enumerate().filter(|(at, _)| (mask >> at) % 2 == 1).map(|(_, kind)| kind).collect()
}

fn midnight(date: &str) -> i64 {
    let part: Vec<i64> = date.split('-').map(|part| part.parse().expect("a date")).collect();
    tongmai_base::time::days_from_civil(part[0], part[1] as u32, part[2] as u32) * 86_400_000 - 8 * 3_600_000
}

fn grants(case: &Case) -> impl Iterator<Item = &Grant> {
    case.sides.iter().flat_map(|side| side.grants.iter())
}

/// The grant's organisation, doctor, purpose, kind, action and time are those of the case.
fn speaks(grant: &Grant, case: &Case) -> bool {
    let request = &case.request;
    let by_name = grant.account > 0 && grant.account == request.account;
    let as_member =
        [0, request.organisation].contains(&grant.organisation) && (grant.account == 0 || by_name);
    let meant = if request.organisation > 0 { as_member } else { by_name };
    meant
        && (grant.purposes >> request.purpose as u16) % 2 == 1
        && (grant.categories >> case.item.category as u16) % 2 == 1
        && (grant.actions >> request.action as u8) % 2 == 1
        && (grant.from..grant.until).contains(&request.now)
}

fn opens(grant: &Grant, case: &Case) -> bool {
    grant.effect == Effect::Permit && !grant.border && speaks(grant, case)
}

/// A visit now at this organisation, of this record or of one that is surely the same person's.
fn visits(case: &Case, confirmed_by_another: bool) -> bool {
    case.sides.iter().enumerate().any(|(at, side)| {
        (at == 0 || case.confirmed)
            && side.relations.iter().any(|visit| {
                visit.organisation == case.request.organisation
                    && visit.organisation > 0
                    && (visit.from..visit.until).contains(&case.request.now)
                    && (!confirmed_by_another
                        || visit.corroborated && ![case.request.account].contains(&visit.by))
            })
    })
}

fn in_presence(case: &Case) -> bool {
    grants(case).any(|grant| grant.presence && opens(grant, case))
}
