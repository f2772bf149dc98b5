//! Who lives in the county: households with their members, before anything has
//! a name.

use crate::names::{Ethnicity, Sex};
use crate::place::{self, VILLAGES};
use crate::rng::Rng;
use crate::story;
use crate::uid;

/// Days of an average year, for ages.
pub const YEAR: i64 = 365;

/// A member's place in the household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whose household it is.
    Head,
    /// The head's husband or wife.
    Partner,
    /// A father or mother of the head.
    Parent,
    /// A child of head and partner.
    Child,
}

/// One member of a household.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Place in the household.
    pub role: Role,
    /// Sex.
    pub sex: Sex,
    /// Date of birth, days since 1970-01-01.
    pub birth: i64,
}

/// A household.
#[derive(Debug, Clone)]
pub struct Household {
    /// Number of the household in the county.
    pub index: u64,
    /// Number of its first member among the county's people.
    pub first: u64,
    /// Village of residence.
    pub village: usize,
    /// People (民族).
    pub people: Ethnicity,
    /// Area code of origin for people who moved in; invented as well.
    pub origin: Option<u32>,
    /// Members.
    pub members: Vec<Member>,
    /// Days since 1970-01-01 on which the woman of the couple is due, if she is pregnant.
    pub due: Option<i64>,
    /// Which of the story's households this is.
    pub story: Option<story::House>,
}

impl Household {
    /// The household of this number, without the number of its first member.
    pub fn plan(seed: u64, index: u64, today: i64) -> Household {
        if let Some(house) = story::House::of(index) {
            return house.household(index, today);
        }
        let mut rng = Rng::new(seed, uid::STREAM_HOUSEHOLD, index);
        let village = rng.below(VILLAGES as u64) as usize;
        let people = place::people_of(rng.bits(), place::village(village).0);
        let origin = rng.chance(60).then(|| 990_200 + rng.below(60) as u32);
        let mut house = Household {
            index,
            first: 0,
            village,
            people,
            origin,
            members: Vec::new(),
            due: None,
            story: None,
        };
        match rng.weighted(&[16, 50, 10, 14, 10]) {
            0 => house.elders(&mut rng, today),
            1 => house.family(&mut rng, today, 26, 58),
            2 => house.single(&mut rng, today, 20, 45),
            3 => house.young_family(&mut rng, today),
            _ => house.single(&mut rng, today, 40, 85),
        }
        house
    }

    fn add(&mut self, rng: &mut Rng, role: Role, sex: Sex, today: i64, years: i64) {
        let birth = today - years * YEAR - years / 4 - rng.range(1, YEAR - 1);
        self.members.push(Member { role, sex, birth });
    }

    fn single(&mut self, rng: &mut Rng, today: i64, from: i64, to: i64) {
        let sex = if rng.chance(550) { Sex::Male } else { Sex::Female };
        let age = rng.range(from, to);
        self.add(rng, Role::Head, sex, today, age);
    }

    fn couple(&mut self, rng: &mut Rng, today: i64, age: i64) {
        self.add(rng, Role::Head, Sex::Male, today, age);
        let partner = (age - rng.range(-2, 5)).max(20);
        self.add(rng, Role::Partner, Sex::Female, today, partner);
    }

    fn elders(&mut self, rng: &mut Rng, today: i64) {
        let age = rng.range(60, 86);
        self.couple(rng, today, age);
    }

    fn family(&mut self, rng: &mut Rng, today: i64, from: i64, to: i64) {
        let age = rng.range(from, to);
        self.couple(rng, today, age);
        for _ in 0..rng.weighted(&[20, 45, 30, 5]) {
            let child = age - rng.range(24, 34);
            if (2..=24).contains(&child) {
                let sex = if rng.chance(515) { Sex::Male } else { Sex::Female };
                self.add(rng, Role::Child, sex, today, child);
            }
        }
        for sex in [Sex::Male, Sex::Female] {
            let parent = age + rng.range(22, 32);
            if parent < 92 && rng.chance(if sex == Sex::Male { 220 } else { 280 }) {
                self.add(rng, Role::Parent, sex, today, parent);
            }
        }
        let mother = (today - self.members[1].birth) / YEAR;
        if (20..=38).contains(&mother) && rng.chance(60) {
            self.due = Some(today + rng.range(10, 250));
        }
    }

    /// A couple with a child of less than two years; three in a hundred have twins.
    fn young_family(&mut self, rng: &mut Rng, today: i64) {
        let age = rng.range(23, 36);
        self.couple(rng, today, age);
        let birth = today - rng.range(2, 720);
        let twins = rng.chance(30);
        for _ in 0..=usize::from(twins) {
            let sex = if rng.chance(515) { Sex::Male } else { Sex::Female };
            self.members.push(Member { role: Role::Child, sex, birth });
        }
        if rng.chance(250) {
            let grandmother = age + rng.range(22, 30);
            self.add(rng, Role::Parent, Sex::Female, today, grandmother);
        }
    }

    /// The woman who bears the household's children.
    pub fn mother(&self) -> Option<usize> {
        self.members.iter().position(|m| matches!(m.role, Role::Head | Role::Partner) && m.sex == Sex::Female)
    }

    /// Members born together with this one, itself left out.
    pub fn twins_of(&self, member: usize) -> impl Iterator<Item = usize> + '_ {
        let me = self.members[member];
        (0..self.members.len()).filter(move |&other| {
            let it = self.members[other];
            other != member && it.role == Role::Child && me.role == Role::Child && it.birth == me.birth
        })
    }
}
