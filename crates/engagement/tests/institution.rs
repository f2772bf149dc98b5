//! Gates, answers, ballots, disclosure and donations over random histories.

use proptest::prelude::*;
use tongmai_engagement::answer::{self, Answer, Event as Said, Standing, Statement};
use tongmai_engagement::ballot::{Ballot, Channel, Log, Refusal};
use tongmai_engagement::disclosure::Cell;
use tongmai_engagement::gate::{Event, Evidence, Exception, Pack, Participation, Project, Stage};
use tongmai_engagement::ledger::{Entry, Ledger, disclosure_days};
use tongmai_engagement::random::Random;

const KINDS: [&str; 4] = ["policy", "service_change", "research", "drug_development"];

fn evidence(random: &mut Random, pack: &Pack) -> Evidence {
    let heard = random.below(50) as u64;
    let quarter = heard / 4;
    let first = random.below(100) as i64;
    let odds = |random: &mut Random| random.below(8) > 0;
    Evidence {
        kind: pack.requirements[random.below(pack.requirements.len())].evidence.clone(),
        gathered: (first, first + random.below(40) as i64 - 1),
        affected: if odds(random) { 1000 } else { 10 },
        heard,
        rural: odds(random).then_some(quarter),
        ages: odds(random).then_some([
            quarter,
            quarter,
            quarter,
            heard - 3 * quarter + u64::from(!odds(random)),
        ]),
        dissent: odds(random).then(String::new),
        source: if odds(random) { "minutes".into() } else { String::new() },
        participation: if odds(random) { Participation::Involve } else { Participation::Inform },
    }
}

/// The rule in the words, written anew: what must lie there when a major project leaves a stage.
fn lawful(kind: &str, stage: Stage, day: i64, decided: Option<i64>, history: &[Event], pack: &Pack) -> bool {
    pack.requirements.iter().filter(|r| r.kind == kind && r.stage == stage).all(|r| {
        history.iter().any(|event| match event {
            Event::Evidence(e) => {
                let before = match decided {
                    Some(decision) if stage <= Stage::Decision => e.gathered.1 <= decision,
                    _ => true,
                };
                let comment = r.evidence != "public_comment" || e.gathered.1 - e.gathered.0 + 1 >= 30;
                let heard = e.heard >= 1
                    && e.heard <= e.affected
                    && e.rural.is_some_and(|r| r <= e.heard)
                    && e.ages.is_some_and(|a| a.iter().sum::<u64>() == e.heard)
                    && e.dissent.is_some();
                // A step of the procedure names its document; everything else names whom it heard.
                let procedure = [
                    "pack",
                    "argument",
                    "assessment",
                    "review",
                    "collective",
                    "outcome_indicator",
                    "outcome_report",
                ];
                let is_procedure =
                    procedure.iter().any(|p| r.evidence.contains(p)) && r.evidence != "burden_review";
                e.kind == r.evidence
                    && e.gathered.0 <= e.gathered.1
                    && e.gathered.1 <= day
                    && before
                    && comment
                    && (if is_procedure { !e.source.is_empty() } else { heard })
                    && e.participation >= r.least
            }
            Event::Exception(x) => {
                x.stage == stage
                    && x.evidence == r.evidence
                    && !x.person.is_empty()
                    && !x.reason.is_empty()
                    && x.published.is_some_and(|p| p <= day)
            }
            Event::Advance { .. } => false,
        })
    })
}

#[test]
fn no_major_project_passes_a_stage_without_its_evidence() {
    let pack = Pack::mainland_china();
    let mut random = Random::new(7);
    let (mut passed, mut refused) = (0, 0);
    for _ in 0..4000 {
        let kind = KINDS[random.below(4)];
        let mut project = Project::new(kind, true);
        let mut history = Vec::new();
        for step in 0..120 {
            let event = match random.below(10) {
                0..6 => Event::Evidence(evidence(&mut random, &pack)),
                6 => Event::Exception(Exception {
                    stage: Stage::ALL[random.below(6)],
                    evidence: pack.requirements[random.below(pack.requirements.len())].evidence.clone(),
                    person: ["", "Tashi"][random.below(2)].into(),
                    reason: ["", "flood"][random.below(2)].into(),
                    published: (random.below(2) == 0).then_some(random.below(140) as i64),
                }),
                _ => Event::Advance { day: step + 20 },
            };
            let before = (project.stage, project.decided);
            let result = project.apply(event.clone(), &pack);
            if let (Event::Advance { day }, Some(stage)) = (&event, before.0) {
                let allowed = lawful(kind, stage, *day, before.1, &history, &pack);
                assert_eq!(result.is_ok(), allowed, "{kind} {stage:?} {result:?}");
                assert_eq!(project.stage != before.0, allowed);
                passed += u32::from(allowed);
                refused += u32::from(!allowed);
            }
            history.push(event);
        }
    }
    assert!(passed > 1000 && refused > 1000, "{passed} passed, {refused} refused");
    let mut minor = Project::new("policy", false);
    assert!(minor.apply(Event::Advance { day: 0 }, &pack).is_ok());
    assert!(Project::new("festival", true).apply(Event::Advance { day: 0 }, &pack).is_err());
}

#[test]
fn every_statement_of_a_year_ends_in_an_answer_state() {
    let mut random = Random::new(11);
    let mut statements: Vec<Statement> = Vec::new();
    for day in 0..365 + 60 {
        if day < 365 {
            for _ in 0..random.below(6) {
                statements.push(Statement::new(statements.len() as u64, day));
            }
        }
        // The office works off what is nearest to being late; some answers are sent back.
        let made = statements.len();
        for (i, statement) in statements.iter_mut().enumerate() {
            let age = day - statement.day;
            let event = match &statement.standing {
                Standing::Received => match random.below(20) {
                    0 => Said::Refuse { clause: "3".into() },
                    1 if made > 1 => Said::Merge { into: ((i + 1) % made) as u64 },
                    _ => Said::Accept,
                },
                Standing::Open | Standing::NotAnswered(_) if age > 5 + random.below(24) as i64 => {
                    Said::Answer(Answer {
                        changed: random.below(3) == 0,
                        why: "w".into(),
                        who: "o".into(),
                        day,
                    })
                }
                Standing::Answered(_) if random.below(400) == 0 && age < 30 => Said::Dispute,
                _ => continue,
            };
            statement.apply(event).unwrap();
        }
    }
    assert!(statements.iter().all(Statement::is_settled));
    assert!(statements.iter().all(|s| s.days_late(500) == 0));
    let rates = answer::rates(&statements);
    assert_eq!(rates.answered, 1.0);
    assert!(rates.disputed > 0.0 && rates.changed > 0.2 && rates.median_days.unwrap() <= 30);
    let mut one = Statement::new(1, 10);
    assert!(one.apply(Said::Refuse { clause: String::new() }).is_err());
    one.apply(Said::Accept).unwrap();
    assert_eq!(one.days_late(41), 1);
    let hollow = Answer { changed: false, why: String::new(), who: "o".into(), day: 12 };
    assert!(one.apply(Said::Answer(hollow)).is_err());
}

#[test]
fn a_hundred_thousand_mixed_ballots() {
    let mut random = Random::new(3);
    let voters = 20_000u32;
    let serial = |voter: u32| {
        let mut bytes = [0u8; 16];
        let mut hidden = Random::new(u64::from(voter) + 99);
        bytes[..8].copy_from_slice(&hidden.bits().to_le_bytes());
        bytes[8..].copy_from_slice(&hidden.bits().to_le_bytes());
        bytes
    };
    let genuine = |_: &[u8; 16], signature: &[u8]| signature == b"issuer";
    let mut ballots = Vec::new();
    let mut wanted = std::collections::HashSet::new();
    for _ in 0..100_000 {
        let (voter, statement) = (random.below(voters as usize) as u32, random.below(5) as u32);
        let channel = [Channel::Online, Channel::Paper, Channel::Proxy][random.below(3)];
        let forged = random.below(50) == 0;
        if !forged {
            wanted.insert((voter, statement));
        }
        let signature = if forged { b"forger".to_vec() } else { b"issuer".to_vec() };
        let vote = random.below(3) as i8 - 1;
        ballots.push(Ballot { serial: serial(voter), statement, vote, channel, signature });
    }
    let run = |order: &[Ballot]| {
        let mut log = Log::default();
        for batch in order.chunks(10_000) {
            log.redeem(batch.to_vec(), genuine);
        }
        log
    };
    let log = run(&ballots);
    // Every voter who cast a genuine ballot counts exactly once a statement; nothing is lost.
    assert_eq!(log.counted().len(), wanted.len());
    assert!(wanted.iter().all(|(voter, statement)| log.find(&serial(*voter), *statement).is_some()));
    let refused: u64 = log.refused().values().sum();
    assert_eq!(log.counted().len() as u64 + refused, 100_000);
    assert!(log.refused().contains_key(&Refusal::Forged) && log.refused().contains_key(&Refusal::Spent));
    // The order of arrival within a batch leaves no trace.
    let mut shuffled = ballots.clone();
    shuffled.chunks_mut(10_000).for_each(|batch| random.shuffle(batch));
    assert_eq!(run(&shuffled).counted(), log.counted());
    let sum = |with: bool| log.tally(with).values().map(|t| t.agree + t.disagree + t.pass).sum::<u64>();
    assert_eq!(sum(true), log.counted().len() as u64);
    assert!(sum(false) < sum(true));
}

/// Somebody knows everybody's data but one person's, and asks for counts with and without them.
#[test]
fn ten_thousand_differencing_attempts_reveal_nobody() {
    let mut random = Random::new(5);
    let mut right = 0;
    for _ in 0..10_000 {
        let mut without = Cell::default();
        for _ in 0..11 + random.below(60) {
            without.add(random.bits());
        }
        let inside = random.below(2) == 1;
        let mut with = without;
        if inside {
            with.add(random.bits());
        } else {
            // The person is not in the cell: the question is the same and so is the answer.
            assert_eq!(with.published(), without.published());
            // What the asker can compare instead is a group with somebody else in one's place.
            with = Cell::default();
            (0..11 + random.below(60)).for_each(|_| with.add(random.bits()));
        }
        if let (Some(a), Some(b)) = (with.published(), without.published()) {
            // A difference of exactly one is what an unprotected table would show.
            right += u32::from(inside && a == b + 1);
        }
    }
    // One in nine by chance; no more than that may be read off.
    assert!(right < 5000 / 6, "{right}");
    let mut small = Cell::default();
    for _ in 0..10 {
        assert_eq!(small.published(), None);
        small.add(random.bits());
    }
    assert_eq!(small.published(), None);
}

proptest! {
    #[test]
    fn the_ledger_balances_to_the_fen(
        steps in prop::collection::vec((0u8..3, 0usize..3, 0usize..3, 0u64..1_000_000), 0..200)
    ) {
        let fund = |i: usize| ["skin", "rare", "village"][i].to_owned();
        let mut ledger = Ledger::default();
        for (what, from, to, fen) in steps {
            let entry = match what {
                0 => Entry::Receipt { fund: fund(to), fen },
                1 => Entry::Payment { fund: fund(from), fen },
                _ => Entry::Transfer { from: fund(from), to: fund(to), fen, clause: "§9".into() },
            };
            let before = ledger.totals();
            if ledger.write(entry).is_err() {
                prop_assert_eq!(before, ledger.totals());
            }
            let (received, paid, held) = ledger.totals();
            prop_assert_eq!(received, paid + held);
        }
    }

    #[test]
    fn shards_of_a_count_merge_in_any_order(keys in prop::collection::vec(any::<u64>(), 0..60), cut in 0usize..60) {
        let count = |keys: &[u64]| {
            let mut cell = Cell::default();
            keys.iter().for_each(|k| cell.add(*k));
            cell
        };
        let (a, b) = keys.split_at(cut.min(keys.len()));
        prop_assert_eq!(count(b).merged(count(a)).published(), count(&keys).published());
    }
}

#[test]
fn disclosure_clocks_follow_the_charity_law() {
    assert_eq!(disclosure_days(0, 12, true), [5, 10, 102]);
    assert_eq!(disclosure_days(0, 100, false), [190]);
    assert_eq!(disclosure_days(0, 365, false), [90, 180, 270, 360, 455]);
}
