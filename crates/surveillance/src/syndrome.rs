//! Syndromes 症候群: what a visit looks like before anybody has named the disease, from its codes and its words.

use tongmai_base::Finding;

use crate::assertion::affirms;
use crate::notifiable::plain_code;

/// The syndromes that ship with this crate; an operator may load others.
pub const SHIPPED: &str = include_str!("../packs/syndromes.csv");

/// Most syndromes of a list: a visit's syndromes are bits of one number.
pub const MOST: usize = 32;

/// A syndrome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syndrome {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its name in English.
    pub english: String,
    /// Prefixes of ICD-10, in capitals and without dots.
    pub codes: Vec<String>,
    /// Groups of words; a text affirms one word of every group.
    pub words: Vec<Vec<String>>,
}

/// A list of syndromes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Syndromes(Vec<Syndrome>);

impl Syndromes {
    /// Reads a list. A row that breaks a rule is left out, with a finding.
    pub fn parse(text: &str) -> (Syndromes, Vec<Finding>) {
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        let (mut syndromes, mut findings): (Vec<Syndrome>, Vec<Finding>) = (Vec::new(), Vec::new());
        for (index, record) in reader.records().enumerate() {
            let bad = |what: &str| Finding::error(format!("row {}", index + 1), "bad-row", what.to_owned());
            let Ok(record) = record else {
                findings.push(bad("the row cannot be read"));
                continue;
            };
            let cell = |at: usize| record.get(at).unwrap_or("").trim();
            let codes: Vec<String> = cell(3).split_whitespace().map(plain_code).collect();
            let group = |group: &str| -> Vec<String> {
                group.split('|').filter(|word| !word.is_empty()).map(str::to_owned).collect()
            };
            let words: Vec<Vec<String>> =
                cell(4).split('+').map(group).filter(|group| !group.is_empty()).collect();
            if cell(0).is_empty() || cell(1).is_empty() || codes.is_empty() && words.is_empty() {
                findings.push(
                    bad("a syndrome has a code, a name, and codes or words").with_repair("ili,流感样病例,…"),
                );
            } else if syndromes.iter().any(|known| known.code == cell(0)) {
                findings.push(bad("the code of the syndrome stands on the list already"));
            } else if syndromes.len() == MOST {
                findings.push(bad("a list has at most 32 syndromes"));
                break;
            } else {
                let [code, name, english] = [cell(0), cell(1), cell(2)].map(str::to_owned);
                syndromes.push(Syndrome { code, name, english, codes, words });
            }
        }
        (Syndromes(syndromes), findings)
    }

    /// All syndromes, in the order of their bits.
    pub fn all(&self) -> &[Syndrome] {
        &self.0
    }

    /// A syndrome by its code.
    pub fn by_code(&self, code: &str) -> Option<&Syndrome> {
        self.0.iter().find(|syndrome| syndrome.code == code)
    }

    /// The syndromes of a coded diagnosis, as bits.
    pub fn of_code(&self, code: &str) -> u32 {
        let plain = plain_code(code);
        self.bits(|syndrome| syndrome.codes.iter().any(|prefix| plain.starts_with(prefix.as_str())))
    }

    /// The syndromes that a text affirms, as bits.
    pub fn of_text(&self, text: &str) -> u32 {
        let says = |group: &Vec<String>| group.iter().any(|word| affirms(text, word));
        self.bits(|syndrome| !syndrome.words.is_empty() && syndrome.words.iter().all(says))
    }

    fn bits(&self, has: impl Fn(&Syndrome) -> bool) -> u32 {
        let holding = self.0.iter().enumerate().filter(|(_, syndrome)| has(syndrome));
        holding.fold(0, |bits, (at, _)| bits | 1 << at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(bits: u32) -> Vec<String> {
        let (syndromes, findings) = Syndromes::parse(SHIPPED);
        assert_eq!(findings, []);
        let held = syndromes.all().iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        held.map(|(_, syndrome)| syndrome.code.clone()).collect()
    }

    #[test]
    fn codes_and_words_tell_the_syndrome() {
        let (syndromes, _) = Syndromes::parse(SHIPPED);
        let text = |text: &str| named(syndromes.of_text(text));
        assert_eq!(named(syndromes.of_code("j11.1")), ["ili"]);
        assert_eq!(named(syndromes.of_code("B08.400")), ["rash-fever"]);
        assert_eq!(named(syndromes.of_code("I10")), [""; 0]);
        assert_eq!(text("发热、咳嗽2天"), ["ili"]);
        assert_eq!(text("高热3天，躯干皮疹1天，无咳嗽"), ["rash-fever"]);
        assert_eq!(text("咳嗽1周，无发热"), [""; 0]);
        assert_eq!(text("腹泻水样便6次，伴发热"), ["diarrhoea"]);
        assert_eq!(text("否认腹泻、黄疸"), [""; 0]);
        assert_eq!(text("被狗咬伤右小腿，犬咬伤Ⅱ级"), ["bite"]);
    }

    #[test]
    fn a_bad_row_is_named() {
        let (syndromes, findings) =
            Syndromes::parse("code,name,english,codes,words,sources\na,甲,,,,\nb,乙,,J1,,\nb,丙,,J2,,\n");
        assert_eq!((syndromes.all().len(), findings.len()), (1, 2));
    }
}
