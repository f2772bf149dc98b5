//! The rules in force: list of diseases, case rules and syndromes, with what names them.

use std::sync::{Arc, OnceLock};

use tongmai_base::Finding;
use tongmai_surveillance::notifiable::{self, Disease, Pack};
use tongmai_surveillance::rules::{self, CaseRules};
use tongmai_surveillance::syndrome::{self, Syndromes};

/// What the names of counts begin with that are visits by syndrome.
const SYNDROME: &str = "syndrome-";

/// The name under which the visits with a syndrome are counted.
pub fn counted_as(syndrome: &str) -> String {
    format!("{SYNDROME}{syndrome}")
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Rules {
    /// Diseases.
    pub pack: Pack,
    /// Episodes and medicines.
    pub case: CaseRules,
    /// Syndromes that visits are counted by.
    pub syndromes: Syndromes,
    /// Changes with every change of a rule: a state that other rules made is folded anew.
    pub version: u64,
}

impl Rules {
    /// Rules of two texts.
    pub fn parse(pack: &str, case: &str) -> (Rules, Vec<Finding>) {
        let (parsed, mut findings) = Pack::parse(pack);
        let (case_rules, more) = CaseRules::parse(case);
        findings.extend(more);
        let (syndromes, more) = Syndromes::parse(syndrome::SHIPPED);
        findings.extend(more);
        // FNV-1a: only to notice a change.
        let texts = [pack, case, syndrome::SHIPPED].into_iter().flat_map(|text| text.bytes().chain([0]));
        let version = texts.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (Rules { pack: parsed, case: case_rules, syndromes, version }, findings)
    }

    /// The rules that ship with the platform.
    pub fn shipped() -> Arc<Rules> {
        static SHIPPED: OnceLock<Arc<Rules>> = OnceLock::new();
        SHIPPED.get_or_init(|| Arc::new(Rules::parse(notifiable::SHIPPED, rules::SHIPPED).0)).clone()
    }

    /// A disease by its code on a day; the last row of the list when it was not in force then.
    pub fn disease(&self, code: &str, day: i64) -> Option<&Disease> {
        let known = |disease: &&Disease| disease.code == code;
        self.pack.on(day).find(known).or_else(|| self.pack.diseases.iter().rfind(known))
    }

    /// The name of a syndrome under which visits are counted ([`counted_as`]).
    pub fn syndrome(&self, counted: &str) -> Option<&syndrome::Syndrome> {
        self.syndromes.by_code(counted.strip_prefix(SYNDROME)?)
    }

    /// Whether a single case of a disease is an alarm: class A, managed as such, or not on the list at
    /// all, as an unexplained disease.
    pub fn is_class_a(&self, code: &str, hours: u32, day: i64) -> bool {
        hours <= 2 || self.disease(code, day).is_none_or(|disease| disease.as_class_a)
    }
}
