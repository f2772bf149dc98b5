//! Random cases: one that is near a *yes* by some basis, then spoilt at no, one or two places, so that
//! every rule decides often.

use tongmai_consent::{
    Action, Agreement, BreakGlass, Category, Effect, FOR_EVER, Grant, Item, Jurisdiction, Purpose, Relation,
    Request, Role, Scope, Side, Ward,
};
use tongmai_testkit::random::Random;

use super::Case;

const NOW: i64 = 1_795_222_800_000;
const HOUR: i64 = 3_600_000;
const MAINLAND: usize = 0;
const HONGKONG: usize = 1;
const HIPAA: usize = 2;

fn all_purposes() -> u16 {
    (1 << Purpose::ALL.len()) - 1
}

/// A case in which a physician of organisation 1 may ask, and nothing is known of the person.
pub fn plain(pack: usize) -> Case {
    let agreement = Agreement {
        purposes: all_purposes(),
        categories: u16::MAX,
        default_in: false,
        notice: 0,
        from: 0,
        until: FOR_EVER,
    };
    let request = Request {
        action: Action::View,
        purpose: Purpose::Treatment,
        role: Role::Physician,
        account: 7,
        organisation: 1,
        agreement: Some(agreement),
        scope: Scope { view: u16::MAX, deposit: u16::MAX, record: None, from: 0, until: FOR_EVER },
        own: Vec::new(),
        wards: Vec::new(),
        break_glass: None,
        assessed: false,
        destination: [Jurisdiction::Mainland, Jurisdiction::HongKong, Jurisdiction::Elsewhere][pack],
        transfer: false,
        now: NOW,
    };
    let item = Item { category: Category::Laboratory, sensitivities: 0, depositor: 2 };
    let side = Side { record: 10, ..Side::default() };
    Case { pack, request, item, sides: vec![side], confirmed: true }
}

/// A consent to organisation 1 to view everything.
pub fn permit() -> Grant {
    Grant {
        effect: Effect::Permit,
        actions: Action::View.bit(),
        organisation: 1,
        account: 0,
        purposes: all_purposes(),
        categories: u16::MAX,
        sensitivities: 0,
        border: false,
        presence: false,
        notice: 0,
        from: NOW - 100 * HOUR,
        until: NOW + 1_000 * HOUR,
    }
}

/// A visit at organisation 1 now.
pub fn visit() -> Relation {
    Relation { organisation: 1, by: 0, corroborated: true, from: NOW - HOUR, until: NOW + HOUR }
}

fn alone(case: &mut Case, role: Role, purpose: Purpose) {
    (case.request.role, case.request.purpose) = (role, purpose);
    (case.request.organisation, case.request.agreement) = (0, None);
}

/// A case that a basis opens.
fn opened(random: &mut Random) -> Case {
    let mut case = plain(random.below(3));
    let (request, side) = (&mut case.request, &mut case.sides[0]);
    match random.below(18) {
        0 => {
            alone(&mut case, Role::Resident, Purpose::PatientRequest);
            case.request.own.push(10);
        }
        1 | 12 => {
            side.birth = Some((NOW / 86_400_000) as i32 - 366 * (1 + random.below(12) as i32));
            alone(&mut case, Role::Proxy, Purpose::FamilyRequest);
            let incapable = random.below(3) == 0;
            case.request.wards.push(Ward { record: 10, incapable, from: 0, until: NOW + HOUR });
        }
        2 => case.item.depositor = 1,
        3 => {
            (request.role, request.purpose) = (Role::Epidemiologist, Purpose::PublicHealth);
        }
        4 => {
            request.purpose = Purpose::Emergency;
            let from =
                NOW - HOUR * random.below(2) as i64 + HOUR / 4 * i64::from(random.below(2) == 0) - HOUR / 4;
            request.break_glass = Some(BreakGlass { record: 10, from, reason: true });
        }
        5 | 6 => {
            case.pack = [HIPAA, MAINLAND][random.below(2)];
            case.request.destination = plain(case.pack).request.destination;
            if case.pack == MAINLAND {
                case.request.action = Action::Deposit;
            }
            side.relations.push(visit());
        }
        7 | 8 => {
            case.pack = HONGKONG;
            request.destination = Jurisdiction::HongKong;
            if let Some(agreement) = &mut request.agreement {
                agreement.default_in = true;
            }
            side.joined = Some(NOW - 50 * HOUR);
            side.relations.push(visit());
        }
        9 => {
            case.pack = HONGKONG;
            request.destination = Jurisdiction::HongKong;
            request.action = Action::Deposit;
            side.joined = Some(NOW - 50 * HOUR);
        }
        10 => {
            case.sides.clear();
            case.item.category = Category::Directory;
        }
        11 => {
            (request.role, request.purpose) = (Role::Researcher, Purpose::Research);
            request.assessed = true;
            side.grants.push(permit());
        }
        _ => {
            case.pack = [MAINLAND, HONGKONG][random.below(2)];
            case.request.destination = plain(case.pack).request.destination;
            side.grants.push(permit());
            side.relations.push(visit());
        }
    }
    case
}

/// Changes one thing of a case.
fn spoil(case: &mut Case, random: &mut Random) {
    // The last ones again, since they matter to few of the bases.
    const AGAIN: [usize; 26] = [
        25, 26, 26, 26, 26, 23, 22, 34, 23, 23, 23, 22, 22, 22, 34, 34, 34, 34, 34, 15, 20, 35, 35, 35, 35,
        35,
    ];
    let pick = match random.below(36 + AGAIN.len()) {
        last if last >= 36 => AGAIN[last - 36],
        pick => pick,
    };
    let request = &mut case.request;
    match pick {
        0 => {
            // Before the first of the laws was in force.
            let shift = 30 * 365 * 24 * HOUR;
            request.now -= shift;
        }
        1 => request.scope.until = request.now - (random.below(2) as i64),
        2 => request.scope.from = request.now + (random.below(2) as i64),
        3 => {
            request.scope.view &= !case.item.category.bit();
            request.scope.deposit &= !case.item.category.bit();
        }
        4 => request.scope.record = Some(10 + random.below(3) as u64),
        5 => request.role = Role::ALL[random.below(Role::ALL.len())],
        6 => request.purpose = Purpose::ALL[random.below(Purpose::ALL.len())],
        7 => request.agreement = None,
        8 => {
            if let Some(agreement) = &mut request.agreement {
                match random.below(3) {
                    0 => agreement.purposes &= !request.purpose.bit(),
                    1 => agreement.categories &= !case.item.category.bit(),
                    _ => agreement.until = request.now,
                }
            }
        }
        9 => {
            (request.role, request.purpose) = (Role::Researcher, Purpose::Research);
            request.assessed = false;
        }
        10 => request.action = Action::ALL[random.below(2)],
        11 => case.item.category = Category::ALL[random.below(Category::ALL.len())],
        12..=14 => case.item.sensitivities = 1 << random.below(8) | 1 << random.below(8),
        15 => {
            if let Some(side) = random_side(case, random) {
                side.restricted = true;
            }
        }
        16..=17 => {
            let mut grant = random_grant(random);
            grant.effect = Effect::Refuse;
            if let Some(side) = random_side(case, random) {
                side.grants.push(grant);
            }
        }
        18..=19 => {
            let grant = random_grant(random);
            if let Some(side) = random_side(case, random) {
                side.grants.push(grant);
            }
        }
        20 => request.destination = Jurisdiction::ALL[random.below(4)],
        21 => {
            request.destination = Jurisdiction::ALL[random.below(4)];
            request.transfer = true;
            if let Some(side) = random_side(case, random) {
                side.grants.push(Grant { border: true, ..permit() });
            }
        }
        22 => {
            if let Some(agreement) = &mut request.agreement {
                agreement.notice = 1 + random.below(2) as u64;
            }
            if let Some(side) = random_side(case, random) {
                side.grants.iter_mut().for_each(|grant| grant.notice = random.below(3) as u64);
            }
        }
        23..=24 => {
            case.confirmed = random.below(3) == 0;
            let mut other = Side { record: 11, ..Side::default() };
            if random.below(2) == 0 {
                other.grants.push(random_grant(random));
            }
            if random.below(2) == 0 {
                other.relations.push(visit());
            }
            if !case.sides.is_empty() {
                case.sides.push(other);
                if random.below(4) == 0 {
                    case.sides[0].grants.clear();
                }
            }
        }
        25 => {
            if let Some(side) = random_side(case, random) {
                side.relations.clear();
            }
        }
        26 => {
            for side in &mut case.sides {
                side.relations.iter_mut().for_each(|visit| match random.below(3) {
                    0 => visit.by = 7,
                    1 => visit.by = 8,
                    _ => visit.corroborated = false,
                });
            }
        }
        27 => {
            if let Some(side) = case.sides.first_mut() {
                let years = 5 + random.below(15) as i32;
                side.birth =
                    Some((NOW / 86_400_000) as i32 - years * 365 - years / 4 - 1 + random.below(3) as i32);
            }
        }
        28 => {
            if let Some(side) = case.sides.first_mut() {
                side.joined = [None, Some(NOW - 1), Some(NOW), Some(NOW + 1)][random.below(4)];
            }
        }
        29 => {
            request.break_glass = [
                None,
                Some(BreakGlass { record: 10, from: NOW - 4 * HOUR, reason: true }),
                Some(BreakGlass { record: 11, from: NOW - 1, reason: true }),
                Some(BreakGlass { record: 10, from: NOW - 1, reason: false }),
                Some(BreakGlass { record: 10, from: NOW - HOUR, reason: true }),
            ][random.below(5)];
        }
        30 => case.item.depositor = random.below(3) as u32,
        31 => {
            let (organisation, account) = (random.below(3) as u32, 7 + random.below(2) as u32);
            (request.organisation, request.account) = (organisation, account);
        }
        32 => {
            request.wards.push(Ward {
                record: 10 + random.below(2) as u64,
                incapable: random.below(2) == 0,
                from: NOW - random.below(2) as i64,
                until: NOW + random.below(2) as i64,
            });
        }
        35 => {
            let organisation = random.below(3) as u32;
            if let Some(side) = random_side(case, random) {
                side.grants.push(Grant { effect: Effect::Refuse, organisation, actions: 3, ..permit() });
            }
        }
        34 => {
            let kinds = [tongmai_consent::Sensitivity::Adolescent, tongmai_consent::Sensitivity::Abuse];
            case.item.sensitivities = kinds[random.below(2)].bit();
        }
        _ => {
            request.own = vec![10 + random.below(2) as u64];
            if random.below(2) == 0 {
                case.item.sensitivities = tongmai_consent::Sensitivity::Adolescent.bit();
            }
        }
    }
}

fn random_side<'c>(case: &'c mut Case, random: &mut Random) -> Option<&'c mut Side> {
    let at = random.below(case.sides.len());
    case.sides.get_mut(at)
}

fn random_grant(random: &mut Random) -> Grant {
    let mut grant = permit();
    grant.organisation = random.below(3) as u32;
    grant.account = [0, 0, 7, 8][random.below(4)];
    if random.below(3) == 0 {
        grant.purposes = Purpose::ALL[random.below(Purpose::ALL.len())].bit();
    }
    if random.below(3) == 0 {
        grant.categories = random.next() as u16;
    }
    grant.actions = [1, 1, 2, 3][random.below(4)];
    if random.below(2) == 0 {
        grant.sensitivities = random.next() as u8;
        grant.from = NOW - [0, HOUR, 2 * HOUR][random.below(3)];
        grant.until = grant.from + [2, 24, 25][random.below(3)] * HOUR;
    }
    grant.border = random.below(6) == 0;
    grant.presence = random.below(4) == 0;
    grant.notice = random.below(3) as u64;
    if random.below(6) == 0 {
        grant.until = NOW + random.below(2) as i64;
    }
    grant
}

/// A random case.
pub fn case(random: &mut Random) -> Case {
    let mut case = opened(random);
    let changes = [0, 0, 0, 1, 1, 1, 1, 2, 2, 3][random.below(10)];
    for _ in 0..changes {
        spoil(&mut case, random);
    }
    case
}
