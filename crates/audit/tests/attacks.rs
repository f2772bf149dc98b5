//! What somebody does who can write the log's files, and even holds its key: and who notices.

use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use tongmai_audit::head::public_key;
use tongmai_audit::log::Read;
use tongmai_audit::tree::{Hash, includes};
use tongmai_audit::witness::{Alarm, Watched};
use tongmai_audit::{Cosignature, Fault, Leaf, Log, Profile, SignedHead, Witnesses, entry};

const SECRET: [u8; 32] = [9; 32];
const PROFILE: Profile = Profile::Sha256;

fn pair() -> Ed25519KeyPair {
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
    Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key")
}

fn read(n: u64) -> Read {
    Read {
        time: 1_000 + n as i64,
        actor: format!("dr-{}", n % 3),
        purpose: "TREAT".into(),
        operation: 5,
        shown: vec![(1 + n % 5, vec![n, n + 1]), (7, vec![2 * n])],
    }
}

fn leaves(count: u64) -> Vec<Leaf> {
    let mut log = Log::new(PROFILE, SECRET);
    (0..count).map(|n| log.append(&read(n))).collect()
}

/// A log read back from its leaves, and what was wrong with them.
fn again(leaves: &[Leaf]) -> (Log, Vec<Fault>) {
    let mut log = Log::new(PROFILE, SECRET);
    let faults = leaves.iter().flat_map(|leaf| log.take(leaf)).collect();
    (log, faults)
}

fn signed(log: &Log, key: &Ed25519KeyPair, time: i64) -> SignedHead {
    let head = log.head("county", time);
    SignedHead { signature: Cosignature::sign(key, &head), head, witnesses: Vec::new() }
}

/// An attack on the files, without the log's key: which check notices.
fn noticed(leaves: &[Leaf]) -> Vec<Fault> {
    let key = pair();
    let whole = again(&self::leaves(20)).0;
    let head = signed(&whole, &key, 5_000);
    let (log, mut faults) = again(leaves);
    faults.extend(log.check(&head, &public_key(&key)));
    faults
}

#[test]
fn a_whole_log_has_no_faults() {
    assert_eq!(noticed(&leaves(20)), []);
}

#[test]
fn an_edit_is_noticed() {
    for at in 0..20 {
        let mut edited = leaves(20);
        edited[at].entries[0].actor = "somebody else".into();
        assert_eq!(noticed(&edited), [Fault::Changed { head: 20 }]);
        let mut edited = leaves(20);
        edited[at].entries[1].shown.pop();
        assert_eq!(noticed(&edited), [Fault::Changed { head: 20 }]);
        let mut edited = leaves(20);
        edited[at].time += 1;
        assert_eq!(noticed(&edited), [Fault::Changed { head: 20 }]);
    }
}

#[test]
fn a_deletion_is_noticed_even_when_all_is_numbered_anew() {
    for at in 0..20 {
        let mut shorter = leaves(20);
        shorter.remove(at);
        assert!(!noticed(&shorter).is_empty());
        for (index, leaf) in shorter.iter_mut().enumerate() {
            leaf.index = index as u64;
        }
        // The person's own counter has a gap, and the tree is too short.
        let faults = noticed(&shorter);
        assert!(faults.contains(&Fault::Truncated { leaves: 19, head: 20 }));
        assert!(
            at == 19 || faults.iter().any(|fault| matches!(fault, Fault::Counter { record: 7, .. })),
            "{at}"
        );
        // An entry of one record alone.
        let mut without = leaves(20);
        without[at].entries.remove(1);
        assert!(noticed(&without).contains(&Fault::Changed { head: 20 }));
    }
}

#[test]
fn a_reorder_is_noticed() {
    for at in 0..19 {
        let mut swapped = leaves(20);
        swapped.swap(at, at + 1);
        assert!(noticed(&swapped).iter().any(|fault| matches!(fault, Fault::Order { .. })));
        for (index, leaf) in swapped.iter_mut().enumerate() {
            leaf.index = index as u64;
        }
        assert!(noticed(&swapped).contains(&Fault::Changed { head: 20 }));
    }
}

#[test]
fn a_truncation_is_noticed() {
    for left in 0..20 {
        assert_eq!(noticed(&leaves(20)[..left]), [Fault::Truncated { leaves: left as u64, head: 20 }]);
    }
}

#[test]
fn a_head_of_another_key_is_noticed() {
    let log = again(&leaves(5)).0;
    let forged = signed(&log, &pair(), 1);
    assert_eq!(log.check(&forged, &public_key(&pair())), Some(Fault::Unsigned { head: 5 }));
}

struct Watch {
    log_key: Ed25519KeyPair,
    own: Ed25519KeyPair,
    watched: Watched,
}

impl Watch {
    fn new() -> Watch {
        let log_key = pair();
        let watched = Watched { log_key: public_key(&log_key), seen: None };
        Watch { log_key, own: pair(), watched }
    }

    fn see(&mut self, log: &Log, time: i64) -> Result<Cosignature, Alarm> {
        let old = self.watched.seen.as_ref().map_or(0, |head| head.size);
        let proof = if old == 0 { Some(Vec::new()) } else { log.tree().consistency(old, log.tree().size()) };
        let head = signed(log, &self.log_key, time);
        self.watched.cosign(&head, &proof.unwrap_or_default(), &self.own)
    }
}

#[test]
fn a_witness_cosigns_what_grows() {
    let mut watch = Watch::new();
    for (size, time) in [(0, 10), (1, 20), (7, 30), (7, 40), (20, 50)] {
        let log = again(&leaves(20)[..size]).0;
        let cosignature = watch.see(&log, 5_000 + time).expect("an extension");
        assert!(cosignature.is_of(&signed(&log, &watch.log_key, 5_000 + time).head));
    }
}

#[test]
fn a_witness_notices_an_operator_with_all_keys() {
    let fork = |at: u64| {
        let mut log = Log::new(PROFILE, SECRET);
        for n in 0..20 {
            let mut one = read(n);
            if n == at {
                one.actor = "nobody".into();
            }
            log.append(&one);
        }
        log
    };
    let (ten, twenty) = (again(&leaves(10)).0, again(&leaves(20)).0);
    // The history that the witness saw is written anew, with proper heads and counters.
    for at in 0..10 {
        let mut watch = Watch::new();
        watch.see(&ten, 5_000).expect("seen");
        assert_eq!(watch.see(&fork(at), 6_000), Err(Alarm::Forked), "{at}");
        assert!(watch.see(&twenty, 6_000).is_ok(), "the true log goes on being cosigned");
    }
    // Two logs for two people: whichever the witness sees first is the one.
    let mut watch = Watch::new();
    watch.see(&twenty, 5_000).expect("seen");
    assert_eq!(watch.see(&fork(15), 6_000), Err(Alarm::Forked), "of the same length");
    // A roll back, a clock that goes back, another name, another key.
    assert_eq!(watch.see(&ten, 6_000), Err(Alarm::RolledBack));
    assert_eq!(watch.see(&twenty, 4_000), Err(Alarm::ClockBack));
    let mut head = signed(&twenty, &watch.log_key, 6_000);
    head.head.log = "another".into();
    assert_eq!(watch.watched.cosign(&head, &[], &watch.own), Err(Alarm::Unsigned));
    head.signature = Cosignature::sign(&watch.log_key, &head.head);
    assert_eq!(watch.watched.cosign(&head, &[], &watch.own), Err(Alarm::OtherLog));
    let other = signed(&twenty, &pair(), 6_000);
    assert_eq!(watch.watched.cosign(&other, &[], &watch.own), Err(Alarm::Unsigned));
}

#[test]
fn k_of_n_witnesses_are_needed() {
    let log = again(&leaves(5)).0;
    let mut head = signed(&log, &pair(), 1);
    let (patients, university, stranger) = (pair(), pair(), pair());
    let known = vec![
        ("patients".to_owned(), public_key(&patients)),
        ("university".to_owned(), public_key(&university)),
    ];
    let witnesses = Witnesses { needed: 2, known };
    assert!(!witnesses.is_witnessed(&head));
    head.witnesses.push(Cosignature::sign(&patients, &head.head));
    head.witnesses.push(Cosignature::sign(&stranger, &head.head));
    head.witnesses.push(Cosignature::sign(&patients, &head.head));
    assert_eq!(witnesses.of(&head), ["patients"]);
    assert!(!witnesses.is_witnessed(&head), "one twice, and a stranger, are not two");
    let mut other = head.head.clone();
    other.size += 1;
    head.witnesses.push(Cosignature::sign(&university, &other));
    assert!(!witnesses.is_witnessed(&head), "a signature over another head");
    head.witnesses.push(Cosignature::sign(&university, &head.head));
    assert!(witnesses.is_witnessed(&head));
    assert!(!Witnesses::default().is_witnessed(&head), "without witnesses nothing is witnessed");
}

/// What a resident does with the parts of a proof.
#[test]
fn a_resident_checks_an_entry_and_learns_nothing_of_others() {
    let mut log = Log::new(PROFILE, SECRET);
    let leaves: Vec<Leaf> = (0..20).map(|n| log.append(&read(n))).collect();
    let (size, root) = (20, log.tree().root(20).expect("a head"));
    for leaf in &leaves {
        let own = leaf.entries.iter().find(|entry| entry.record == 7).expect("an entry");
        let salt = entry::salt(&SECRET, own);
        let commitments = leaf.commitments(PROFILE, &SECRET);
        let proves = |text: &str, salt: &Hash| {
            let commitment = entry::commitment(PROFILE, salt, text);
            let data = entry::leaf_data(leaf.index, leaf.time, &commitments);
            let path = log.tree().inclusion(leaf.index, size).expect("a path");
            commitments.contains(&commitment)
                && includes(PROFILE, &PROFILE.leaf(data.as_bytes()), leaf.index, size, &path, &root)
        };
        assert!(proves(&own.text(), &salt));
        assert!(!proves(&own.text().replace("TREAT", "HRESCH"), &salt));
        // Without its salt, the entry of another cannot be tried out.
        let other = leaf.entries.iter().find(|entry| entry.record != 7).expect("another");
        assert!(!proves(&other.text(), &salt));
        assert_ne!(entry::salt(&SECRET, other), salt);
    }
    // The counter of a record runs without a gap.
    let counts: Vec<u64> =
        leaves.iter().filter_map(|leaf| leaf.entries.last()).map(|entry| entry.count).collect();
    assert_eq!(counts, (1..=20).collect::<Vec<u64>>());
}
