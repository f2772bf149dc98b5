//! `cargo run --release -p tongmai-ballots --example mixed_ballots [VOTERS]`: 100,000 ballots over three
//! channels with real keys; what it took.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use tongmai_ballots::{Blinding, Cast, Office, Token};
use tongmai_engagement::ballot::Channel;
use tongmai_engagement::random::Random;

const BALLOTS: usize = 100_000;

fn main() {
    let voters: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(5_000);
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::new(folder.path(), [1; 32]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let began = Instant::now();
    let room = office.room("county").expect("a room");
    println!("key {:.2} s", began.elapsed().as_secs_f64());
    let mut random = Random::new(1);
    let began = Instant::now();
    let mut tokens: Vec<(Token, Channel)> = Vec::new();
    let list: Vec<String> = (0..voters / 2).map(|n| format!("paper {n}")).collect();
    for part in list.chunks(2_000) {
        for sheet in runtime.block_on(room.print(part)).expect("sheets") {
            let channel = if tokens.len().is_multiple_of(3) { Channel::Proxy } else { Channel::Paper };
            tokens.push((room.token_of(&sheet.code).expect("a token"), channel));
        }
    }
    for n in voters / 2..voters {
        let mut serial = [0; 16];
        serial[..8].copy_from_slice(&random.bits().to_le_bytes());
        serial[8..].copy_from_slice(&random.bits().to_le_bytes());
        let blinding = Blinding::new(room.public_key(), "county", serial).expect("blinded");
        let signed =
            runtime.block_on(room.issue(&format!("online {n}"), blinding.blinded())).expect("signed");
        tokens.push((blinding.finish(room.public_key(), &signed).expect("a token"), Channel::Online));
    }
    println!("{voters} tokens in {:.1} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let (mut wanted, mut spent, mut handed) = (BTreeMap::new(), 0u64, 0usize);
    while handed < BALLOTS {
        let (token, channel) = &tokens[random.below(voters)];
        let votes: Vec<(u32, i8)> =
            (0..10).map(|_| (random.below(40) as u32, random.below(3) as i8 - 1)).collect();
        for ((statement, vote), cast) in
            votes.iter().zip(room.cast(token, &votes, *channel).expect("taken in"))
        {
            match cast {
                Cast::Taken => assert_eq!(wanted.insert((token.serial, *statement), *vote), None),
                Cast::Spent => spent += 1,
                Cast::Forged => panic!("a genuine token"),
            }
        }
        handed += votes.len();
        if handed.is_multiple_of(2_000) {
            runtime.block_on(room.count(false)).expect("counted");
        }
    }
    runtime.block_on(room.count(true)).expect("counted");
    let counted = room.counted();
    let keys: HashSet<_> = counted.iter().map(|b| (b.serial, b.statement)).collect();
    assert_eq!(keys.len(), counted.len(), "nobody twice");
    assert_eq!(counted.len() as u64 + spent, handed as u64, "none lost");
    assert!(counted.iter().all(|b| wanted[&(b.serial, b.statement)] == b.vote), "each as it was cast");
    println!(
        "{handed} votes handed in, {} counted, {spent} were second votes, in {:.1} s",
        counted.len(),
        began.elapsed().as_secs_f64()
    );
}
