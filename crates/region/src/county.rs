//! The county: everything by its seed, person by person.

use crate::catalogue::system;
use crate::illness::{self, Outbreak};
use crate::names::{self, Ethnicity, Name, Sex};
use crate::number;
use crate::person::{Marital, Mother, Person, Record, Variant};
use crate::place::{self, Directory};
use crate::population::{Household, Role};
use crate::rng::{Rng, key, mix};
use crate::uid;

/// A county of so many people.
pub struct County {
    /// The seed from which everything follows.
    pub seed: u64,
    /// Number of people.
    pub people: u64,
    /// The present day; its morning until [`County::now`] has been lived.
    pub today: i64,
    /// Organisations and staff.
    pub directory: Directory,
    /// Planted outbreaks.
    pub outbreaks: Vec<Outbreak>,
    /// Number of the first member of each household.
    first_members: Vec<u64>,
    /// The sequence part of each person's identity number.
    sequences: Vec<u16>,
}

/// Earliest date of birth for which numbers are given out.
const FIRST_BIRTH: i64 = -25_567;

impl County {
    /// A county with this seed and so many people, on this day (days since
    /// 1970-01-01). The people of the story come first, then everyone else; a county
    /// of 1,000 people is the beginning of one of 100,000.
    pub fn new(seed: u64, people: usize, today: i64) -> County {
        let mut county = County {
            seed,
            people: people as u64,
            today,
            directory: Directory::new(seed),
            outbreaks: Outbreak::plan(seed, today),
            first_members: Vec::new(),
            sequences: Vec::with_capacity(people),
        };
        // Numbers are given out per date of birth and sex, one after the other, as
        // an office does; twins get neighbouring ones.
        let mut given = vec![0_u16; 2 * (today - FIRST_BIRTH + 1).max(0) as usize];
        while (county.sequences.len() as u64) < county.people {
            county.first_members.push(county.sequences.len() as u64);
            let household = Household::plan(seed, county.first_members.len() as u64 - 1, today);
            for member in household.members {
                let slot =
                    2 * (member.birth - FIRST_BIRTH).max(0) as usize + usize::from(member.sex == Sex::Male);
                county.sequences.push(given[slot]);
                given[slot] += 1;
            }
        }
        county
    }

    /// The present in minutes since 1970-01-01T00:00 on a clock in China: half past eight,
    /// when the story's live part begins.
    pub fn now(&self) -> i64 {
        self.today * 1_440 + 8 * 60 + 30
    }

    /// Number of households.
    pub fn households(&self) -> u64 {
        self.first_members.len() as u64
    }

    /// The people of a household; fewer than live there in the county's last one.
    pub fn household(&self, index: u64) -> Vec<Person> {
        let Some(&first) = self.first_members.get(index as usize) else { return Vec::new() };
        let mut household = Household::plan(self.seed, index, self.today);
        household.first = first;
        household.members.truncate((self.people - first) as usize);
        let identities = self.identities(&household);
        let mut people = Vec::with_capacity(identities.len());
        for (member, identity) in identities.iter().enumerate() {
            let mut person = identity.person(self, &household, member);
            let mother =
                household.mother().filter(|_| person.age(self.today) < 6 && person.role == Role::Child);
            person.mother = mother.map(|m| identities[m].as_mother(household.first + m as u64));
            people.push(illness::live(self, &household, member, person));
        }
        people
    }

    /// Everyone, one after the other.
    pub fn everyone(&self) -> impl Iterator<Item = Person> + '_ {
        (0..self.households()).flat_map(|index| self.household(index))
    }

    fn identities(&self, household: &Household) -> Vec<Identity> {
        let mut rng = Rng::new(self.seed, uid::STREAM_PERSON, household.index);
        let family = match household.people {
            Ethnicity::Yi => names::yi_family(&mut rng),
            _ => names::surname(&mut rng),
        };
        let shared_phone = number::phone(rng.bits());
        let mut identities = Vec::with_capacity(household.members.len());
        for (index, member) in household.members.iter().enumerate() {
            let own = matches!(member.role, Role::Partner)
                || (member.role == Role::Parent && member.sex == Sex::Female);
            let age = (self.today - member.birth) / 365;
            let name = match household.people {
                Ethnicity::Han if own => place::name_of(&mut rng, Ethnicity::Han, member.sex),
                Ethnicity::Han => names::han(&mut rng, family, member.sex),
                Ethnicity::Yi if own => place::name_of(&mut rng, Ethnicity::Yi, member.sex),
                Ethnicity::Yi => names::yi(&mut rng, family, member.sex),
                Ethnicity::Tibetan => names::tibetan(&mut rng, member.sex),
            };
            let phone = match age {
                0..12 => Some(shared_phone.clone()),
                _ if rng.chance(60) => None,
                _ if age > 65 && rng.chance(400) => Some(shared_phone.clone()),
                _ => Some(number::phone(rng.bits())),
            };
            let numbered = age > 0 || self.today - member.birth > 30;
            let sequence = self.sequences[household.first as usize + index];
            identities.push(Identity {
                name: household.story.and_then(|s| s.name(index)).unwrap_or(name),
                identity_number: numbered.then(|| identity_number(household, member, u32::from(sequence))),
                phone,
            });
        }
        // A child without a number carries the mother's name: 王芳之子.
        let mother = household.mother().map(|m| identities[m].name.clone());
        for (identity, member) in identities.iter_mut().zip(&household.members) {
            if let (None, Some(mother)) = (&identity.identity_number, &mother) {
                identity.name = placeholder(mother, member.sex);
            }
        }
        identities
    }

    /// Registers a person at the providers they go to: the township clinic keeps the
    /// resident health record; some are registered a second and third time elsewhere,
    /// with the mistakes that desks make.
    pub(crate) fn register(&self, rng: &mut Rng, household: &Household, person: &mut Person) {
        let clinic = place::TOWNSHIP_CLINIC + person.village / 5;
        let first = self.record(person, clinic, 0);
        person.records.push(first);
        if household.story.is_some() {
            return;
        }
        let mut providers: Vec<usize> = Vec::new();
        for visit in &person.visits {
            let kind = self.directory.providers[visit.provider].kind;
            let own_desk = matches!(
                kind,
                place::ProviderKind::CountyHospital
                    | place::ProviderKind::PrivateHospital
                    | place::ProviderKind::PrivateClinic
            );
            if own_desk && !providers.contains(&visit.provider) {
                providers.push(visit.provider);
            }
        }
        for provider in providers {
            if !rng.chance(450) {
                continue;
            }
            let mut record = self.record(person, provider, person.records.len());
            vary(rng, person, &mut record);
            let at = person.records.len();
            for visit in person.visits.iter_mut().filter(|v| v.provider == provider) {
                visit.record = at;
            }
            person.records.push(record);
        }
    }

    fn record(&self, person: &Person, provider: usize, place: usize) -> Record {
        let registration = mix(person.key ^ place as u64) % 10_000_000;
        Record {
            id: uid::of(person.key, uid::PERSON, place as u64),
            provider,
            number: format!("{}{registration:07}{:05}", 10 + provider, person.index % 100_000),
            name: person.name.clone(),
            identity_number: person.identity_number.clone(),
            birth: person.birth,
            phone: person.phone.clone(),
            variants: Vec::new(),
        }
    }
}

/// Puts one or two mistakes into a registration; about a third have none.
fn vary(rng: &mut Rng, person: &Person, record: &mut Record) {
    if rng.chance(300) {
        return;
    }
    let mother = person.mother.as_ref().filter(|_| rng.chance(500));
    if let Some(mother) = mother {
        record.name = placeholder(&mother.name, person.sex);
        record.identity_number = None;
        record.phone = mother.phone.clone();
        record.variants.push(Variant::Placeholder);
        return;
    }
    for _ in 0..=rng.below(2) {
        match rng.below(9) {
            0 | 1 => {
                if let Some(old) = record.identity_number.as_deref().and_then(number::legacy) {
                    record.identity_number = Some(old);
                    record.variants.push(Variant::LegacyNumber);
                }
            }
            2 | 3 => {
                if let Some(name) = names::homophone(rng, &record.name) {
                    record.name = name;
                    record.variants.push(Variant::Homophone);
                }
            }
            4 => {
                if let Some(wrong) = record.identity_number.as_deref().and_then(|n| mistyped(rng, n)) {
                    record.identity_number = Some(wrong);
                    record.variants.push(Variant::NumberTypo);
                }
            }
            5 => {
                let (year, month, day) = tongmai_base::time::civil_from_days(record.birth);
                if day <= 12 && day != month && !record.variants.contains(&Variant::SwappedBirth) {
                    record.birth = tongmai_base::time::days_from_civil(year, day, month);
                    record.variants.push(Variant::SwappedBirth);
                }
            }
            6 if record.phone.is_some() => {
                record.phone = None;
                record.variants.push(Variant::MissingPhone);
            }
            7 if record.identity_number.is_some() => {
                record.identity_number = None;
                record.variants.push(Variant::MissingNumber);
            }
            _ => {
                if let Some(name) = names::repunctuated(&record.name) {
                    record.name = name;
                    record.variants.push(Variant::Punctuation);
                } else if let Some(name) = names::traditional(&record.name) {
                    record.name = name;
                    record.variants.push(Variant::Traditional);
                }
            }
        }
    }
}

/// The number with two neighbouring different digits of its sequence or date swapped.
fn mistyped(rng: &mut Rng, number: &str) -> Option<String> {
    let mut bytes = number.as_bytes().to_vec();
    let place = rng.range(8, 15) as usize;
    if bytes.len() != 18 || bytes[place] == bytes[place + 1] {
        return None;
    }
    bytes.swap(place, place + 1);
    String::from_utf8(bytes).ok()
}

/// "Mother's name + son" or "daughter", as a newborn is registered before it has a name.
fn placeholder(mother: &Name, sex: Sex) -> Name {
    let (hanzi, latin) = if sex == Sex::Male { ("之子", "zhi zi") } else { ("之女", "zhi nü") };
    Name {
        given: format!("{}{hanzi}", mother.given),
        latin_given: format!("{} {latin}", mother.latin_given),
        script: String::new(),
        ..mother.clone()
    }
}

/// The number of a member, in the area where the household comes from.
fn identity_number(household: &Household, member: &crate::population::Member, sequence: u32) -> String {
    let man = member.sex == Sex::Male;
    // Each date and sex begins somewhere of its own; 500 numbers are there for each.
    let start = key(0, member.birth as u64, u64::from(man)) % 500;
    let place = (start + u64::from(sequence)) % 500;
    let area = household.origin.unwrap_or(number::COUNTY_AREA) + sequence / 500 * 100;
    number::identity_number(area, member.birth, place as u32 * 2 + u32::from(man))
}

/// Married with a partner in the house; widowed with children or parenthood and without one.
fn marital(household: &Household, member: usize, today: i64) -> Marital {
    let it = household.members[member];
    let same = |role| household.members.iter().filter(|m| m.role == role).count();
    match it.role {
        Role::Partner => Marital::Married,
        Role::Head if same(Role::Partner) > 0 => Marital::Married,
        Role::Parent if same(Role::Parent) > 1 => Marital::Married,
        Role::Parent => Marital::Widowed,
        Role::Head if same(Role::Child) > 0 || (today - it.birth) / 365 > 70 => Marital::Widowed,
        _ => Marital::Single,
    }
}

/// What a member is called and can be reached at.
struct Identity {
    name: Name,
    identity_number: Option<String>,
    phone: Option<String>,
}

impl Identity {
    fn as_mother(&self, index: u64) -> Mother {
        Mother {
            index,
            name: self.name.clone(),
            identity_number: self.identity_number.clone(),
            phone: self.phone.clone(),
        }
    }

    fn person(&self, county: &County, household: &Household, member: usize) -> Person {
        let it = household.members[member];
        let index = household.first + member as u64;
        let own = key(county.seed, uid::PERSON, index);
        let adult = (county.today - it.birth) / 365 >= 20;
        Person {
            index,
            household: household.index,
            role: it.role,
            village: household.village,
            house: (mix(household.index ^ county.seed) % 240 + 1) as i64,
            people: household.people,
            sex: it.sex,
            birth: it.birth,
            died: None,
            name: self.name.clone(),
            identity_number: self.identity_number.clone(),
            phone: self.phone.clone(),
            migrant: household.origin.is_some(),
            marital: marital(household, member, county.today),
            employee: adult && mix(own).is_multiple_of(5),
            mother: None,
            twins: household.twins_of(member).map(|t| household.first + t as u64).collect(),
            key: own,
            records: Vec::new(),
            allergy: None,
            conditions: Vec::new(),
            visits: Vec::new(),
            plans: Vec::new(),
            outbreaks: Vec::new(),
        }
    }
}

/// The system of a provider's own patient numbers.
pub fn patient_system(code: &str) -> String {
    format!("{}{code}", system::PATIENT)
}
