//! One person one vote over three channels, nothing lost, nothing that joins a person and a vote.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use tongmai_ballots::{BATCH_TOKENS, Blinding, Cast, Office, Token, Trouble};
use tongmai_engagement::ballot::Channel;
use tongmai_engagement::random::Random;

const SECRET: [u8; 32] = [9; 32];

fn person(number: usize) -> String {
    format!("99012319610308{number:04}")
}

/// A voter with what they wanted.
struct Voter {
    token: Token,
    channel: Channel,
    votes: BTreeMap<u32, i8>,
}

/// A third online with blinding of their own, a third on paper in the hall, a third through a proxy.
async fn voters(office: &Office, people: usize, random: &mut Random) -> (Vec<Voter>, Vec<Vec<u8>>) {
    let room = office.room("hall").expect("a room");
    let (mut voters, mut transcript) = (Vec::new(), Vec::new());
    let list: Vec<String> = (people / 3..people).map(person).collect();
    for sheet in room.print(&list).await.expect("sheets") {
        let token = room.token_of(&sheet.code.to_lowercase()).expect("the sheet's token");
        let channel = if voters.len() % 2 == 0 { Channel::Paper } else { Channel::Proxy };
        voters.push(Voter { token, channel, votes: BTreeMap::new() });
    }
    for number in 0..people / 3 {
        let mut serial = [0; 16];
        serial[..8].copy_from_slice(&random.bits().to_le_bytes());
        serial[8..].copy_from_slice(&random.bits().to_le_bytes());
        let blinding = Blinding::new(room.public_key(), "hall", serial).expect("blinded");
        transcript.push(blinding.blinded().to_vec());
        let signed = room.issue(&person(number), blinding.blinded()).await.expect("signed");
        // The line broke: the same question has the same answer.
        assert_eq!(room.issue(&person(number), blinding.blinded()).await.expect("signed again"), signed);
        let again = Blinding::from_secret(&blinding.secret(), "hall").expect("kept");
        let token = again.finish(room.public_key(), &signed).expect("a token");
        assert_eq!(Token::from_text(&token.to_text()), Some(token.clone()));
        voters.push(Voter { token, channel: Channel::Online, votes: BTreeMap::new() });
    }
    (voters, transcript)
}

#[tokio::test]
async fn mixed_ballots_are_counted_once_and_tell_nothing_of_anybody() {
    let people = 90;
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::new(folder.path(), SECRET);
    let mut random = Random::new(4);
    let (mut voters, transcript) = voters(&office, people, &mut random).await;
    assert_eq!(voters.len(), people);
    let room = office.room("hall").expect("a room");
    // Nobody has a second one, whichever way they ask.
    for number in [0, people / 2] {
        assert!(matches!(room.issue_here(&person(number)).await, Err(Trouble::Issued)));
        assert_eq!(room.print(&[person(number)]).await.expect("sheets"), []);
    }
    let mut order: Vec<usize> = (0..people).flat_map(|v| [v; 12]).collect();
    random.shuffle(&mut order);
    let (mut handed, mut spent) = (0, 0);
    for (n, v) in order.into_iter().enumerate() {
        let (statement, vote) = (random.below(8) as u32, random.below(3) as i8 - 1);
        let voter = &mut voters[v];
        // Whoever votes twice does it on another channel: the token is what counts.
        let channel = if random.below(4) == 0 { Channel::Paper } else { voter.channel };
        handed += 1;
        match room.cast(&voter.token, &[(statement, vote)], channel).expect("taken in")[0] {
            Cast::Taken => assert_eq!(voter.votes.insert(statement, vote), None),
            Cast::Spent => {
                spent += 1;
                assert!(voter.votes.contains_key(&statement));
            }
            Cast::Forged => panic!("a genuine token"),
        }
        if n % 200 == 199 {
            room.count(false).await.expect("counted");
        }
    }
    room.count(true).await.expect("counted");
    let counted = room.counted();
    assert_eq!(counted.len() + spent, handed);
    let mut seen = HashSet::new();
    for ballot in &counted {
        assert!(seen.insert((ballot.serial, ballot.statement)), "counted twice");
    }
    for voter in &voters {
        assert_eq!(room.votes_of(&voter.token), voter.votes);
    }
    not_linkable(folder.path(), &voters, &transcript, people);
    // A restart finds everything as it was.
    let figures = room.figures();
    assert_eq!((figures.issued, figures.counted, figures.waiting), (people, counted.len(), 0));
    drop(room);
    drop(office);
    let office = Office::new(folder.path(), SECRET);
    let room = office.room("hall").expect("the room");
    assert_eq!(room.counted(), counted);
    assert_eq!(room.figures(), figures);
    assert_eq!(room.cast(&voters[0].token, &[(99, 1)], Channel::Online).expect("cast"), [Cast::Taken]);
    let forged = Token { signature: vec![7; 256], ..voters[0].token.clone() };
    assert_eq!(room.cast(&forged, &[(98, 1)], Channel::Online).expect("cast"), [Cast::Forged]);
    let elsewhere = office.room("another").expect("a room");
    assert_eq!(elsewhere.cast(&voters[0].token, &[(1, 1)], Channel::Online).expect("cast"), [Cast::Forged]);
}

/// An attacker with the whole disk, the secret and the transcript of every issue.
fn not_linkable(folder: &Path, voters: &[Voter], transcript: &[Vec<u8>], people: usize) {
    let bytes = |name: &str| {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder.join("hall").join(name)).expect("a journal").flatten() {
            all.extend(std::fs::read(entry.path()).expect("a file"));
        }
        all
    };
    let (issued, counted) = (bytes("issued"), bytes("counted"));
    let holds = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).any(|window| window == needle);
    for voter in voters {
        // What the issuer wrote down holds no token, and what was counted holds no person and no request.
        assert!(!holds(&issued, &voter.token.serial) && !holds(&issued, &voter.token.signature[..16]));
    }
    for number in 0..people {
        assert!(!holds(&counted, person(number).as_bytes()) && !holds(&issued, person(number).as_bytes()));
    }
    for blinded in transcript {
        assert!(!holds(&counted, &blinded[..16]));
    }
    // Guessing by order: does the n-th to be issued stand n-th among the online tokens of the log?
    let online: Vec<[u8; 16]> =
        voters.iter().filter(|v| v.channel == Channel::Online).map(|v| v.token.serial).collect();
    let mut sorted = online.clone();
    sorted.sort_unstable();
    let place: HashMap<[u8; 16], usize> = sorted.iter().enumerate().map(|(i, s)| (*s, i)).collect();
    let right = online.iter().enumerate().filter(|(i, serial)| place[*serial] == *i).count();
    // One right guess is what chance gives; six or more would happen once in 600 times.
    assert!(right < 6, "{right} of {} guessed", online.len());
}

#[tokio::test]
async fn few_ballots_wait_and_survive_a_power_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::new(folder.path(), SECRET);
    let room = office.room("village").expect("a room");
    let mut tokens = Vec::new();
    for number in 0..BATCH_TOKENS {
        tokens.push(room.issue_here(&person(number)).await.expect("a token"));
    }
    for token in &tokens[1..] {
        assert_eq!(room.cast(token, &[(0, 1), (1, 0)], Channel::Online).expect("cast"), [Cast::Taken; 2]);
    }
    // One too few for a batch: nothing is counted, and a page can show nothing.
    assert_eq!(room.count(false).await.expect("asked"), 0);
    assert_eq!((room.figures().waiting, room.matrix(2, true)), (20, None));
    // The power goes; nothing was closed in order.
    std::mem::forget(room);
    std::mem::forget(office);
    let office = Office::new(folder.path(), SECRET);
    let room = office.room("village").expect("the room");
    assert_eq!(room.figures().waiting, 20);
    assert_eq!(room.cast(&tokens[1], &[(0, -1)], Channel::Paper).expect("cast"), [Cast::Spent]);
    room.cast(&tokens[0], &[(0, -1)], Channel::Proxy).expect("cast");
    assert_eq!(room.count(false).await.expect("counted"), 21);
    let matrix = room.matrix(2, true).expect("eleven rows");
    // Statement 1 has ten votes: its column would show somebody.
    assert_eq!(matrix.lines().next(), Some("participant,0"));
    assert_eq!(matrix.lines().count(), 12);
    assert_eq!(room.matrix(2, false), None);
    assert_eq!(room.tally(true)[&0].disagree, 1);
    assert!(office.room("../etc").is_err() && office.room("").is_err());
    assert!(matches!(room.issue("x", &[1; 3]).await, Err(Trouble::Malformed(_))));
}
