//! What a clinical note asserts of the diseases it names: that the patient has one, may have it, does not, had
//! it, or that it is a topic only.
//!
//! The method is ConText (Harkema, Dowling, Thornblade, Chapman 2009, doi:10.1016/j.jbi.2009.05.002) on Chinese
//! clauses: cues of [`cues`] act forward or backward within their clause, later cues end earlier ones, names
//! joined by 、 share what is said of any of them, a section's heading and a supposition reach to the end of the
//! sentence, and a clause without a name of its own comments on the one before it. The last word of a note on
//! a disease stands: what was suspected and is denied later is no case.

mod cues;

use crate::notifiable::Disease;
use crate::trigger::{Certainty, is_positive};
use cues::{Cue, Found};

/// A disease that a note asserts, with the clause that does.
pub(crate) struct Asserted<'a, 't> {
    pub disease: &'a Disease,
    pub term: &'a str,
    pub certainty: Certainty,
    pub clause: &'t str,
}

/// Words that hold the name of a disease and mean another thing.
const OTHER_WORDS: &[&str] = &[
    "荨麻疹",
    "丛林斑疹伤寒",
    "恙虫病",
    "风疹块",
    "麻疹样",
    "猩红热样",
    "类百日咳",
    "百日咳样",
    "流感嗜血杆菌",
    "副流感",
    "流感样",
    "水痘-带状疱疹",
    "水痘带状疱疹",
    "流感疫苗",
    "陈旧性肺结核",
    "霍乱样",
    "登革热样",
    "伤寒样",
    "痢疾样",
    "非淋病",
    "非淋菌性",
    "麻风树",
    "狂犬病暴露",
    "狂犬病疫苗",
    "伤寒玛丽",
    "类白喉",
    "肺结核防治",
    "疟疾防治",
    "梅毒螺旋体抗体",
    "禽流感防控",
    "伤寒论",
    "伤寒杂病论",
    "肝炎后肝硬化",
    "化脓性腮腺炎",
    "细菌性腮腺炎",
    "慢性腮腺炎",
    "复发性腮腺炎",
    "阻塞性腮腺炎",
];

/// What follows a name and makes it the name of a test.
const TESTS: &[&str] = &[
    "弧菌",
    "杆菌",
    "病毒",
    "抗体",
    "核酸",
    "抗原",
    "IgM",
    "IgG",
    "NS1",
    "检测",
    "检查",
    "检验",
    "试验",
    "培养",
    "快检",
    "初筛",
    "标志物",
    "五项",
    "四项",
    "三项",
    "两对半",
    "送检",
    "采样",
    "F1",
    "RDT",
    "血清学",
    "毒素",
];

/// Headings whose clauses, to the end of the sentence, say nothing of an illness of the patient now.
const SECTIONS: &[(Section, &[&str])] = &[
    (Section::Former, &["既往史", "传染病史", "个人史", "婚育史", "手术史", "病史"]),
    (
        Section::Topic,
        &[
            "家族史",
            "流行病学史",
            "预防接种史",
            "接种史",
            "免疫史",
            "接触史",
            "健康宣教",
            "宣教",
            "健康教育",
            "健康处方",
            "出院指导",
            "培训",
        ],
    ),
    (Section::Compare, &["鉴别诊断", "鉴别"]),
];

/// How close before a backward cue a name must stand, in characters.
const REACH: usize = 8;
/// From how many different diseases on a list is a form and no finding.
const FORM: usize = 3;
/// How long a clause is that comments on the one before it, in characters.
const COMMENT: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Former,
    Topic,
    Compare,
}

/// How a clause stands to a disease it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Case(Certainty),
    /// Denied by name.
    Denied,
    /// Formerly, another's, a test without result, a topic.
    NoCase,
}

/// Reads a note. `terms` are names of diseases, the longest first.
pub(crate) fn read<'a, 't>(text: &'t str, terms: &[(&'a str, &'a Disease)]) -> Vec<Asserted<'a, 't>> {
    let mut found: Vec<Asserted> = Vec::new();
    for sentence in text.split(['。', '；', ';', '\n', '！']) {
        let clauses: Vec<Clause> = sentence.split(['，', ',']).map(|text| Clause::new(text, terms)).collect();
        let mut carried = Carried::default();
        for (at, clause) in clauses.iter().enumerate() {
            carried.enter(clause);
            let comment = clauses.get(at + 1).filter(|next| next.comments());
            for group in clause.groups() {
                let standing = clause.judge(group, &carried, comment);
                for &(_, _, term, disease) in group {
                    match standing {
                        Standing::Case(certainty) => {
                            found.push(Asserted { disease, term, certainty, clause: clause.text.trim() })
                        }
                        Standing::Denied => found.retain(|earlier| {
                            earlier.disease.code != disease.code || earlier.certainty > Certainty::Suspected
                        }),
                        Standing::NoCase => {}
                    }
                }
            }
        }
    }
    found
}

/// Whether a clause stands under a heading: it begins with it, or has it before a colon. The history of the present
/// illness 现病史 is none.
fn heads(clause: &str, heading: &str) -> bool {
    let before_colon = |(at, _): (usize, &str)| {
        clause[at + heading.len()..].starts_with(['：', ':']) && !clause[..at].ends_with('现')
    };
    clause.trim_start().starts_with(heading) || clause.match_indices(heading).any(before_colon)
}

/// A name with its place.
type Name<'a> = (usize, usize, &'a str, &'a Disease);

/// A clause with its names and cues.
struct Clause<'a, 't> {
    text: &'t str,
    names: Vec<Name<'a>>,
    cues: Vec<Found>,
}

/// What a clause hands on to the next ones of its sentence.
#[derive(Default)]
struct Carried {
    section: Option<Section>,
    denied: bool,
    supposed: bool,
}

impl Carried {
    fn enter(&mut self, clause: &Clause) {
        if clause.has(Cue::Now) {
            *self = Carried::default();
        }
        let section = SECTIONS.iter().find(|(_, words)| words.iter().any(|word| heads(clause.text, word)));
        let section = section.map(|(section, _)| *section);
        let former = clause.text.contains("既往").then_some(Section::Former);
        self.section = section.or(self.section).or(former);
        let speaks = ["有", "考虑", "诊断", "确诊", "提示", "示", "见", "疑"];
        let speaks = speaks.iter().any(|word| clause.text.contains(word));
        self.denied = clause.text.contains("否认") || (self.denied && !speaks);
        self.supposed |= clause.has(Cue::Suppose)
            || clause.text.trim_start().starts_with('如') && {
                clause.cues.first().is_none_or(|first| first.cue != Cue::Nothing || first.start > 0)
            };
    }
}

impl<'a, 't> Clause<'a, 't> {
    fn new(text: &'t str, terms: &[(&'a str, &'a Disease)]) -> Clause<'a, 't> {
        let mut taken = vec![false; text.len()];
        for word in OTHER_WORDS {
            for (start, found) in text.match_indices(word) {
                taken[start..start + found.len()].fill(true);
            }
        }
        let mut names = Vec::new();
        for &(term, disease) in terms {
            for (start, found) in text.match_indices(term) {
                let end = start + found.len();
                if !taken[start..end].contains(&true) {
                    taken[start..end].fill(true);
                    names.push((start, end, term, disease));
                }
            }
        }
        names.sort_by_key(|name| name.0);
        let cues = cues::find(text, &taken);
        Clause { text, names, cues }
    }

    fn has(&self, cue: Cue) -> bool {
        self.cues.iter().any(|found| found.cue == cue)
    }

    /// Names that share what is said of one of them: "麻疹、风疹抗体阴性".
    fn groups(&self) -> Vec<&[Name<'a>]> {
        let joined = |left: &Name, right: &Name| {
            let between = &self.text[left.1..right.0];
            between.chars().count() <= 4
                && between.chars().all(|it| "、/及和与或以 （）()甲乙丙丁戊型".contains(it))
        };
        self.names.chunk_by(joined).collect()
    }

    /// Whether the clause names nothing and says of the one before that it is open, denied or over.
    fn comments(&self) -> bool {
        self.names.is_empty() && self.text.trim().chars().count() <= COMMENT && {
            let first = self.cues.iter().find(|found| found.cue != Cue::Now && found.cue != Cue::Nothing);
            first.is_some_and(|first| matches!(first.cue, Cue::Open | Cue::DenyBoth | Cue::FormerAfter))
                || self.cues.iter().any(|found| {
                    found.cue == Cue::DenyAfter && ["依据不足", "证据不足"].contains(&self.word(found))
                })
        }
    }

    fn word(&self, found: &Found) -> &str {
        &self.text[found.start..found.end]
    }

    fn judge(&self, group: &[Name], carried: &Carried, comment: Option<&Clause>) -> Standing {
        let (start, end) = (group[0].0, group[group.len() - 1].1);
        let after = &self.text[end..];
        let near = |found: &Found| self.text[end..found.start].chars().count() < REACH;
        let before = || self.cues.iter().filter(move |found| found.end <= start);
        let follows = |kinds: &[Cue]| {
            self.cues.iter().any(|found| found.start >= end && near(found) && kinds.contains(&found.cue))
        };
        let commented = |cue: Cue| comment.is_some_and(|comment| comment.has(cue));
        let open = self.has(Cue::Open) || commented(Cue::Open);
        if let Some(positive) = tested(after) {
            if !positive {
                return Standing::NoCase;
            }
        } else if carried.supposed || self.is_of_another(start, end) || self.is_a_form(group) {
            return Standing::NoCase;
        }
        let governing = governing(before());
        let warned = governing.is_some_and(|cue| cue == Cue::Topic);
        let compared = self.has(Cue::Compare) || carried.section == Some(Section::Compare);
        if follows(&[Cue::TopicAfter]) || carried.section == Some(Section::Topic) {
            return Standing::NoCase;
        }
        if (warned || compared && !self.has(Cue::Claim)) && !open {
            return Standing::NoCase;
        }
        let listed_negative = after.trim_end().ends_with("阴性") && !after.contains("阳性");
        let denied_after = follows(&[Cue::DenyAfter, Cue::DenyBoth]) && !self.another_follows(end);
        if !open
            && (governing == Some(Cue::Deny) || denied_after || commented(Cue::DenyBoth) || listed_negative)
        {
            return Standing::Denied;
        }
        if !open && (carried.denied || commented(Cue::DenyAfter)) {
            return Standing::NoCase;
        }
        let former = carried.section == Some(Section::Former)
            || before().any(|found| matches!(found.cue, Cue::Former | Cue::FormerAfter))
            || follows(&[Cue::FormerAfter])
            || commented(Cue::FormerAfter);
        if former && !self.has(Cue::Now) {
            return Standing::NoCase;
        }
        let doubtful = open || self.has(Cue::Doubt) || self.has(Cue::Consider);
        Standing::Case(if doubtful { Certainty::Suspected } else { Certainty::Diagnosed })
    }

    /// Whether a further name stands right after a cue that may look both ways: "排除" in "麻疹可能排除风疹".
    fn another_follows(&self, end: usize) -> bool {
        let both = self.cues.iter().find(|found| found.start >= end && found.cue == Cue::DenyBoth);
        both.is_some_and(|both| self.names.iter().any(|name| name.0 == both.end))
    }

    /// Whether the clause speaks of somebody else's illness.
    fn is_of_another(&self, start: usize, end: usize) -> bool {
        let before = || self.cues.iter().filter(move |found| found.end <= start);
        let last = before().rfind(|found| matches!(found.cue, Cue::Other | Cue::Patient));
        let text = self.text.trim_start();
        let single = ["父", "母", "夫", "妻", "兄", "姐", "弟", "妹"].iter().any(|one| text.starts_with(one))
            && self.text.len() - text.len() < start;
        let group = before().any(|found| found.cue == Cue::Group)
            && ["有", "例", "病人", "患儿", "患者", "停课", "流行", "疫情", "暴发"]
                .iter()
                .any(|it| self.text.contains(it));
        let after = &self.text[end..];
        let persons =
            ["患者", "病人", "患儿", "病例", "感染者", "患病"].iter().any(|it| after.starts_with(it));
        let joined =
            ["与", "被", "有", "和", "名", "例"].iter().any(|it| self.text[..start].trim_end().ends_with(it));
        last.is_some_and(|last| last.cue == Cue::Other)
            || last.is_none() && (single || group)
            || persons && joined
    }

    /// Whether the names are those of a form: many diseases at once, and nothing said of any.
    fn is_a_form(&self, group: &[Name]) -> bool {
        let mut codes: Vec<&str> = group.iter().map(|name| name.3.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        let said = [Cue::Open, Cue::Doubt, Cue::Consider, Cue::Claim].iter().any(|cue| self.has(*cue));
        codes.len() >= FORM && !said
    }
}

/// The last cue before a name that denies or makes it a topic and is not taken back by a later one.
fn governing<'f>(before: impl Iterator<Item = &'f Found>) -> Option<Cue> {
    before.fold(None, |governing, found| match found.cue {
        Cue::Deny | Cue::DenyBoth => Some(Cue::Deny),
        Cue::Topic => Some(Cue::Topic),
        Cue::Claim | Cue::Consider | Cue::Now => None,
        _ => governing,
    })
}

/// For a name of a test: whether its result, in the same clause, says that the disease is there.
fn tested(after: &str) -> Option<bool> {
    let rest = after.trim_start();
    let rest =
        ["表面", "核心", "特异性", "总"].iter().find_map(|word| rest.strip_prefix(word)).unwrap_or(rest);
    let test = TESTS.iter().find(|test| rest.starts_with(**test))?;
    if *test == "病毒" && rest.starts_with("病毒感染") {
        return None;
    }
    // Antibodies that last tell of an illness or a vaccine of former times; early ones, of now.
    let early = ["IgM阳性", "IgM(+)", "IgM（+）", "IgM抗体阳性", "IgM检测阳性"];
    let lasting =
        (rest.contains("IgG") || rest.contains("抗体")) && !early.iter().any(|found| rest.contains(found));
    Some(is_positive(rest) && !lasting)
}

/// Whether a text affirms a word of the patient now: a complaint or sign that no denial governs.
pub(crate) fn affirms(text: &str, word: &str) -> bool {
    if !text.contains(word) {
        return false;
    }
    text.split(['。', '；', ';', '\n', '！']).any(|sentence| {
        let mut carried = Carried::default();
        sentence.split(['，', ',']).any(|text| {
            let mut taken = vec![false; text.len()];
            let places: Vec<usize> = text.match_indices(word).map(|(start, _)| start).collect();
            places.iter().for_each(|start| taken[*start..start + word.len()].fill(true));
            let clause = Clause { text, names: Vec::new(), cues: cues::find(text, &taken) };
            carried.enter(&clause);
            !carried.supposed
                && carried.section.is_none()
                && !carried.denied
                && places.iter().any(|start| clause.affirms_at(*start, start + word.len()))
        })
    })
}

impl Clause<'_, '_> {
    fn affirms_at(&self, start: usize, end: usize) -> bool {
        let before = || self.cues.iter().filter(move |found| found.end <= start);
        let former = before().any(|found| found.cue == Cue::Former) && !self.has(Cue::Now);
        governing(before()).is_none() && !former && !self.is_of_another(start, end)
    }
}
