//! The decision.

use tongmai_base::time::{civil_from_days, days_from_civil};

use crate::pack::{Pack, Roles};
use crate::request::{Action, Category, Item, Purpose, Request, Role, Sensitivity};
use crate::rule::{BASES, Rule, Rules};
use crate::subject::{Effect, Grant, Subject};
use crate::{Time, within};

/// An answer with the rule that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decision {
    /// Yes or no.
    pub permit: bool,
    /// A basis for a yes; for a no the gate or refusal that stood in the way, or [`Rule::NoBasis`].
    pub rule: Rule,
}

impl Decision {
    /// The decision in words: rule, clause of the law, and what would change it.
    pub fn explain(&self, pack: &Pack) -> String {
        let answer = if self.permit { "permitted" } else { "denied" };
        let (clause, words) = pack.clause(self.rule);
        let (rule, repair) = (self.rule.code(), self.rule.repair());
        format!("{answer} by '{rule}' ({clause}: {words}); to change it: {repair}")
    }
}

/// May this be done?
pub fn decide(pack: &Pack, roles: &Roles, request: &Request, item: &Item, subject: &Subject<'_>) -> Decision {
    decide_with(Rules::ALL, pack, roles, request, item, subject)
}

/// As [`decide`], with some rules left out: only for tests that must notice that.
pub fn decide_with(
    rules: Rules,
    pack: &Pack,
    roles: &Roles,
    request: &Request,
    item: &Item,
    subject: &Subject<'_>,
) -> Decision {
    let case = Case { rules, pack, roles, request, item, subject };
    if let Some(rule) = case.closed_gate() {
        return Decision { permit: false, rule };
    }
    let mut refused = None;
    for basis in BASES {
        if !rules.has(basis) || !case.holds(basis) {
            continue;
        }
        match case.refusal(basis) {
            None => return Decision { permit: true, rule: basis },
            Some(rule) => refused = refused.or(Some(rule)),
        }
    }
    Decision { permit: false, rule: refused.unwrap_or(Rule::NoBasis) }
}

struct Case<'a> {
    rules: Rules,
    pack: &'a Pack,
    roles: &'a Roles,
    request: &'a Request,
    item: &'a Item,
    subject: &'a Subject<'a>,
}

impl Case<'_> {
    fn closed_gate(&self) -> Option<Rule> {
        let (request, item) = (self.request, self.item);
        let closed = |rule: Rule| match rule {
            Rule::Regime => !within(request.now, self.pack.from, self.pack.until),
            Rule::Token => !within(request.now, request.scope.from, request.scope.until),
            Rule::Scope => {
                let covered = match request.action {
                    Action::View => request.scope.view,
                    Action::Deposit => request.scope.deposit,
                };
                let of_another = match (request.scope.record, self.subject.record()) {
                    (Some(only), Some(record)) => only != record,
                    _ => false,
                };
                covered & item.category.bit() == 0 || of_another
            }
            Rule::Role => !self.roles.may(request.role, request.purpose, request.action, item.category),
            Rule::Agreement => {
                let acts_alone = matches!(request.role, Role::Resident | Role::Proxy);
                !acts_alone
                    && request.agreement.is_none_or(|agreement| {
                        !within(request.now, agreement.from, agreement.until)
                            || agreement.purposes & request.purpose.bit() == 0
                            || agreement.categories & item.category.bit() == 0
                    })
            }
            Rule::Assessment => self.pack.assessed_purposes & request.purpose.bit() != 0 && !request.assessed,
            _ => false,
        };
        const GATES: [Rule; 6] =
            [Rule::Regime, Rule::Token, Rule::Scope, Rule::Role, Rule::Agreement, Rule::Assessment];
        GATES.into_iter().find(|rule| self.rules.has(*rule) && closed(*rule))
    }

    fn holds(&self, basis: Rule) -> bool {
        let (request, item, subject) = (self.request, self.item, self.subject);
        let Some(record) = subject.record() else {
            return basis == Rule::Impersonal && item.category == Category::Directory;
        };
        let views = request.action == Action::View;
        match basis {
            Rule::Own => request.role == Role::Resident && request.own.contains(&record),
            Rule::Proxy => request.role == Role::Proxy && self.is_ward(record),
            Rule::Depositor => {
                let keeps = Purpose::Treatment.bit()
                    | Purpose::Payment.bit()
                    | Purpose::Operations.bit()
                    | Purpose::Legal.bit();
                views
                    && request.organisation != 0
                    && item.depositor == request.organisation
                    && keeps & request.purpose.bit() != 0
            }
            Rule::Statutory => {
                self.pack.statutory_purposes & request.purpose.bit() != 0
                    && self.pack.statutory_categories & item.category.bit() != 0
            }
            Rule::Emergency => {
                request.purpose == Purpose::Emergency
                    && request.break_glass.is_some_and(|glass| {
                        glass.record == record
                            && glass.reason
                            && within(request.now, glass.from, glass.from + self.pack.break_glass)
                    })
            }
            Rule::Care => {
                self.pack.care_actions & request.action.bit() != 0
                    && self.pack.care_purposes & request.purpose.bit() != 0
                    && (self.opens_a_visit() || subject.relations().any(|relation| relation.holds(request)))
            }
            Rule::DefaultIn => {
                self.pack.default_in
                    && views
                    && request.purpose == Purpose::Treatment
                    && request.agreement.is_some_and(|agreement| agreement.default_in)
                    && subject.has_joined(request.now)
            }
            Rule::Consent => subject.grants().any(|grant| grant.permits(request, item)),
            Rule::Joined => {
                self.pack.joining && !views && request.organisation != 0 && subject.has_joined(request.now)
            }
            _ => false,
        }
    }

    /// A mandate in force, for somebody too young to decide or who cannot.
    fn is_ward(&self, record: u64) -> bool {
        let now = self.request.now;
        self.request.wards.iter().any(|ward| {
            ward.record == record
                && within(now, ward.from, ward.until)
                && (ward.incapable || self.is_minor(now))
        })
    }

    fn is_minor(&self, now: Time) -> bool {
        let birth = self.subject.sides.first().and_then(|side| side.birth);
        birth.is_some_and(|birth| {
            let (year, month, day) = civil_from_days(i64::from(birth));
            // Who was born on 29 February comes of age on 1 March of a common year.
            let of_age = days_from_civil(year + i64::from(self.pack.age_of_decision), month, day);
            let today = (now + tongmai_base::time::CHINA_OFFSET_MINUTES * 60_000).div_euclid(86_400_000);
            today < of_age
        })
    }

    /// The first refusal that stands against a basis.
    fn refusal(&self, basis: Rule) -> Option<Rule> {
        const REFUSALS: [Rule; 9] = [
            Rule::Restriction,
            Rule::Refusal,
            Rule::Youth,
            Rule::Border,
            Rule::Relationship,
            Rule::Corroboration,
            Rule::Link,
            Rule::Notice,
            Rule::Release,
        ];
        REFUSALS.into_iter().find(|rule| {
            self.rules.has(*rule) && applies(*rule, basis, self.request.action) && self.stands(*rule, basis)
        })
    }

    fn stands(&self, refusal: Rule, basis: Rule) -> bool {
        let (request, item, subject) = (self.request, self.item, self.subject);
        match refusal {
            Rule::Restriction => subject.sides.iter().any(|side| side.restricted),
            Rule::Refusal => subject.grants().any(|grant| grant.refuses(request, item)),
            Rule::Youth => {
                item.sensitivities & (Sensitivity::Adolescent.bit() | Sensitivity::Abuse.bit()) != 0
            }
            Rule::Border => self.crosses_unlawfully(basis),
            Rule::Relationship => {
                basis != Rule::Care
                    && request.purpose == Purpose::Treatment
                    && !subject.relations().any(|relation| relation.holds(request))
                    && !self.is_present()
            }
            Rule::Corroboration => {
                let mut relations = subject.relations().filter(|relation| relation.holds(request)).peekable();
                (basis == Rule::Care || request.purpose == Purpose::Treatment)
                    && !self.opens_a_visit()
                    && relations.peek().is_some()
                    && !relations.any(|relation| relation.is_corroborated(request))
                    && !self.is_present()
            }
            Rule::Link => {
                !subject.confirmed
                    && !subject
                        .every_side(|side| side.grants.iter().any(|grant| grant.permits(request, item)))
            }
            Rule::Notice => {
                let wanted = request.agreement.map_or(0, |agreement| agreement.notice);
                wanted != 0
                    && !subject.grants().any(|grant| grant.permits(request, item) && grant.notice == wanted)
            }
            Rule::Release => self.unreleased() != 0,
            _ => false,
        }
    }

    /// To register a person and a visit is how care begins: it cannot rest on a visit before it.
    fn opens_a_visit(&self) -> bool {
        self.request.organisation != 0
            && self.request.action == Action::Deposit
            && matches!(self.item.category, Category::Demographics | Category::Encounter)
    }

    /// The person gave a permit in presence: that is a relation with corroboration.
    fn is_present(&self) -> bool {
        self.subject.grants().any(|grant| grant.presence && grant.permits(self.request, self.item))
    }

    fn crosses_unlawfully(&self, basis: Rule) -> bool {
        let (request, item) = (self.request, self.item);
        let agreed =
            |grant: &Grant| grant.effect == Effect::Permit && grant.border && grant.is_about(request, item);
        self.pack.border
            && request.destination != self.pack.home
            && !(basis == Rule::Emergency && self.pack.emergency_crosses)
            && !(request.transfer && self.subject.grants().any(agreed))
    }

    /// Sensitivities of the item that the law wants released each time, and that are not.
    fn unreleased(&self) -> u8 {
        let (request, item) = (self.request, self.item);
        let mut open = item.sensitivities & self.pack.released_each_time;
        for grant in self.subject.grants() {
            let short = grant.until.saturating_sub(grant.from) <= self.pack.release_window;
            if open != 0 && short && grant.organisation != 0 && grant.permits(request, item) {
                open &= !grant.sensitivities;
            }
        }
        open
    }
}

/// Which refusals a basis is open to.
fn applies(refusal: Rule, basis: Rule, action: Action) -> bool {
    let by_the_person = matches!(basis, Rule::Impersonal | Rule::Own | Rule::Proxy);
    let by_law = matches!(basis, Rule::Statutory | Rule::Emergency);
    let by_agreement = matches!(basis, Rule::Care | Rule::DefaultIn | Rule::Consent | Rule::Joined);
    match refusal {
        Rule::Youth => basis == Rule::Proxy,
        Rule::Border => !by_the_person,
        Rule::Restriction => !by_the_person && !by_law,
        Rule::Refusal => by_agreement,
        Rule::Release => action == Action::View && by_agreement,
        Rule::Relationship => matches!(basis, Rule::DefaultIn | Rule::Consent),
        Rule::Corroboration => matches!(basis, Rule::Care | Rule::DefaultIn | Rule::Consent),
        Rule::Link | Rule::Notice => basis == Rule::Consent,
        _ => false,
    }
}
