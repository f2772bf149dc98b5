//! Triggers of a report card: from coded diagnoses, laboratory results and
//! running text, each with its evidence. Text is read clause by clause, so that
//! an exclusion 排除, a denial 否认, a history 既往, a relative 家族 or a vaccine
//! does not make a case, while "cannot be excluded" 不能排除 does.

use crate::notifiable::{Disease, Listed, Pack, longest_prefix_of};

/// What the trigger rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A coded diagnosis.
    Code(String),
    /// A laboratory result: name and value.
    Laboratory(String, String),
    /// A clause of text.
    Text(String),
}

/// How sure the record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// 疑似: considered, not excluded.
    Suspected,
    /// 临床诊断: diagnosed.
    Diagnosed,
    /// The agent was found.
    Laboratory,
}

/// A disease that should be reported, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger<'a> {
    /// Disease, part and deadline.
    pub listed: Listed<'a>,
    /// Certainty.
    pub certainty: Certainty,
    /// Evidence.
    pub evidence: Evidence,
}

/// A coded diagnosis.
#[derive(Debug, Clone, Copy)]
pub struct Diagnosis<'a> {
    /// Code of ICD-10, international or national.
    pub code: &'a str,
    /// Marked as suspected.
    pub suspected: bool,
    /// Marked as a former illness.
    pub history: bool,
}

/// A laboratory result.
#[derive(Debug, Clone, Copy)]
pub struct LaboratoryResult<'a> {
    /// What was looked for.
    pub name: &'a str,
    /// Value or words of the result.
    pub value: &'a str,
}

/// What one encounter holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Record<'a> {
    /// Coded diagnoses.
    pub diagnoses: &'a [Diagnosis<'a>],
    /// Laboratory results.
    pub results: &'a [LaboratoryResult<'a>],
    /// Running text.
    pub texts: &'a [&'a str],
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

/// After a name these words make it a vaccine, a contact, a test or a precaution.
const NOT_A_CASE_AFTER: &[&str] = &[
    "疫苗",
    "预防",
    "接触史",
    "患者接触",
    "病人接触",
    "病例接触",
    "筛查",
    "宣教",
    "抗体",
    "免疫球蛋白",
    "流行病学史",
    "疫区",
    "暴露",
    "知识",
    "样皮疹",
    "样症状",
    "鉴别",
    "流行季节",
    "流行期",
    "流行区",
    "高发",
];
/// Before a name, in its clause.
const NOT_A_CASE_BEFORE: &[&str] = &[
    "接触",
    "预防",
    "接种",
    "筛查",
    "宣教",
    "警惕",
    "防治",
    "注射",
    "如出现",
    "若出现",
    "如患",
    "易与",
    "鉴别",
    "区别于",
    "要求查",
    "排查",
    "咨询",
];
const RELATIVES: &[&str] = &[
    "父亲", "母亲", "父母", "丈夫", "妻子", "配偶", "爱人", "哥哥", "姐姐", "弟弟", "妹妹", "兄弟", "姐妹",
    "儿子", "女儿", "祖父", "祖母", "外公", "外婆", "爷爷", "奶奶", "家族", "家属", "家人", "同学", "同事",
    "邻居", "室友", "其父", "其母", "其夫", "其妻", "其子", "其女", "其兄", "其弟", "其姐", "其妹", "之父",
    "之母", "之子", "之女", "岳父", "岳母", "公公", "婆婆", "孙子", "孙女",
];
const DENIALS: &[&str] = &[
    "否认",
    "无",
    "未见",
    "未发现",
    "未患",
    "没有",
    "未闻",
    "不考虑",
    "不支持",
    "未提示",
    "不符合",
    "非",
    "并非",
    "排除",
    "除外",
    "不似",
    "不像",
];
const DENIALS_AFTER: &[&str] = &[
    "已排除",
    "可排除",
    "排除",
    "除外",
    "不支持",
    "不考虑",
    "依据不足",
    "证据不足",
    "可能性小",
    "可能性不大",
    "阴性",
    "(-)",
    "（-）",
    "（－）",
    "未检出",
];
/// These hold a word of denial and mean the opposite.
const NOT_EXCLUDED: &[&str] = &[
    "不能排除",
    "不排除",
    "未排除",
    "尚未排除",
    "难以排除",
    "无法排除",
    "不能除外",
    "不除外",
    "未除外",
    "待排除",
    "待排",
    "待除外",
    "需排除",
    "需除外",
    "排除后再",
    "无法除外",
];
const SUSPICIONS: &[&str] =
    &["疑似", "疑诊", "考虑", "可能", "待查", "拟诊", "？", "?", "可疑", "怀疑", "疑"];
const HISTORY: &[&str] = &[
    "既往",
    "曾患",
    "曾有",
    "曾诊断",
    "病史",
    "年前",
    "幼时",
    "小时候",
    "儿时",
    "已治愈",
    "治愈",
    "陈旧",
    "史",
];
const PRESENT: &[&str] =
    &["现", "本次", "此次", "入院诊断", "目前", "今", "再次", "复发", "复治", "诊断：", "诊断为", "初步诊断"];

impl Pack {
    /// Everything in a record that should be reported on a day.
    pub fn triggers<'a>(&'a self, record: &Record, day: i64) -> Vec<Trigger<'a>> {
        let mut found = Vec::new();
        self.add_codes(record.diagnoses, day, &mut found);
        for result in record.results {
            self.add_laboratory(result, day, &mut found);
        }
        for text in record.texts {
            self.add_text(text, day, &mut found);
        }
        found
    }

    fn add_codes<'a>(&'a self, diagnoses: &[Diagnosis], day: i64, found: &mut Vec<Trigger<'a>>) {
        let current = || diagnoses.iter().filter(|diagnosis| !diagnosis.history);
        for diagnosis in current() {
            let Some(listed) = self.by_code(diagnosis.code, day) else { continue };
            let superfluous =
                current().any(|other| longest_prefix_of(other.code, &listed.disease.exclude).is_some());
            if superfluous {
                continue;
            }
            let certainty = if diagnosis.suspected { Certainty::Suspected } else { Certainty::Diagnosed };
            found.push(Trigger { listed, certainty, evidence: Evidence::Code(diagnosis.code.into()) });
        }
    }

    fn add_laboratory<'a>(&'a self, result: &LaboratoryResult, day: i64, found: &mut Vec<Trigger<'a>>) {
        if !is_positive(result.value) {
            return;
        }
        let whole = format!("{} {}", result.name, result.value);
        let longest = self
            .on(day)
            .flat_map(|disease| disease.laboratory.iter().map(move |target| (target, disease)))
            .filter(|(target, _)| whole.contains(target.as_str()))
            .max_by_key(|(target, _)| target.len());
        if let Some((target, disease)) = longest {
            // A screening antibody asks for a confirmation.
            let screening = disease.code == "hiv" && !whole.contains("确证") && !whole.contains("核酸");
            let certainty = if screening { Certainty::Suspected } else { Certainty::Laboratory };
            let evidence = Evidence::Laboratory(result.name.into(), result.value.into());
            found.push(Trigger { listed: disease.listed_as(target), certainty, evidence });
        }
    }

    fn add_text<'a>(&'a self, text: &str, day: i64, found: &mut Vec<Trigger<'a>>) {
        let terms = self.terms(day);
        for sentence in text.split(['。', '；', ';', '\n', '！']) {
            let mut carried = Carried::default();
            let clauses: Vec<&str> = sentence.split(['，', ',']).collect();
            for (at, clause) in clauses.iter().enumerate() {
                carried.enter(clause);
                let open_later = clauses.get(at + 1).is_some_and(|next| is_left_open(next));
                for (start, term, disease) in names_in(clause, &terms) {
                    if let Some(certainty) = judge(clause, start, term, &carried, open_later) {
                        let evidence = Evidence::Text(clause.trim().into());
                        found.push(Trigger { listed: disease.listed_as(term), certainty, evidence });
                    }
                }
            }
        }
    }

    /// Names of diseases on the list, longest first.
    fn terms(&self, day: i64) -> Vec<(&str, &Disease)> {
        let mut terms: Vec<(&str, &Disease)> = self
            .on(day)
            .flat_map(|disease| disease.terms.iter().map(move |term| (term.as_str(), disease)))
            .collect();
        terms.sort_by_key(|(term, _)| std::cmp::Reverse(term.len()));
        terms
    }
}

/// What a clause hands on to the next ones of its sentence.
#[derive(Default)]
struct Carried {
    history: bool,
    denied: bool,
}

impl Carried {
    fn enter(&mut self, clause: &str) {
        if holds(clause, PRESENT) {
            *self = Carried::default();
        }
        self.history |= clause.contains("既往") || clause.contains("病史：") || clause.contains("个人史");
        let speaks =
            ["有", "考虑", "诊断", "确诊", "提示", "示", "见", "疑"].iter().any(|word| clause.contains(word));
        self.denied = clause.contains("否认") || (self.denied && !speaks);
    }
}

fn holds(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// Names in a clause with their places, the longest first, none inside
/// another or inside a word that means something else.
fn names_in<'a>(clause: &str, terms: &[(&'a str, &'a Disease)]) -> Vec<(usize, &'a str, &'a Disease)> {
    let mut taken = vec![false; clause.len()];
    for word in OTHER_WORDS {
        for (start, found) in clause.match_indices(word) {
            taken[start..start + found.len()].fill(true);
        }
    }
    let mut names = Vec::new();
    for &(term, disease) in terms {
        for (start, found) in clause.match_indices(term) {
            if !taken[start..start + found.len()].contains(&true) {
                taken[start..start + found.len()].fill(true);
                names.push((start, term, disease));
            }
        }
    }
    names
}

/// Whether the clause says that the patient has the disease now, and how surely.
fn judge(clause: &str, start: usize, term: &str, carried: &Carried, open_later: bool) -> Option<Certainty> {
    let (before, after) = (&clause[..start], &clause[start + term.len()..]);
    let near_after: String = after.chars().take(8).collect();
    let open = open_later || holds(clause, NOT_EXCLUDED);
    let agent = ["弧菌", "杆菌", "病毒"].iter().any(|word| after.starts_with(word));
    if agent && !after.contains("病毒感染") && !is_positive(after) {
        // The agent was looked for, not found.
        return None;
    }
    if agent && after.contains("IgG") && !after.contains("IgM阳性") {
        // Antibodies that last tell of an illness or a vaccine of former times.
        return None;
    }
    let listed_negative = clause.trim_end().ends_with("阴性") && !clause.contains("阳性");
    if holds(&near_after, NOT_A_CASE_AFTER) || holds(before, RELATIVES) || listed_negative {
        return None;
    }
    if holds(before, NOT_A_CASE_BEFORE) && !(open && before.contains("警惕")) {
        return None;
    }
    if !open && (carried.denied || denied_before(before) || holds(&near_after, DENIALS_AFTER)) {
        return None;
    }
    let now = holds(clause, PRESENT);
    let former = carried.history || holds(before, HISTORY) || holds(&near_after, HISTORY);
    if former && !now {
        return None;
    }
    let doubtful = open || holds(clause, SUSPICIONS);
    Some(if doubtful { Certainty::Suspected } else { Certainty::Diagnosed })
}

/// Whether a clause says of the one before that it is not excluded: "需警惕流脑，暂不能排除".
fn is_left_open(clause: &str) -> bool {
    clause.trim().chars().count() <= 10 && holds(clause, NOT_EXCLUDED)
}

/// A denial before the name that no later word takes back: "无发热，诊断麻疹" is
/// two clauses, "无明显诱因出现麻疹" one with a verb between.
fn denied_before(before: &str) -> bool {
    let last = DENIALS.iter().filter_map(|word| before.rfind(word).map(|at| at + word.len())).max();
    last.is_some_and(|end| {
        !holds(&before[end..], &["出现", "诊断", "确诊", "考虑", "发现", "患", "提示", "后", "但"])
    })
}

/// Whether the words or signs of a result say that something was found.
fn is_positive(value: &str) -> bool {
    let value = value.trim();
    let negative =
        ["阴性", "未检出", "未见", "未发现", "未找到", "(-)", "（-）", "neg", "NEG", "Neg", "弱反应性待复查"];
    let positive =
        ["阳性", "检出", "检到", "找到", "查见", "可见", "生长", "(+", "（+", "+", "pos", "POS", "Pos"];
    !holds(value, &negative) && holds(value, &positive)
}
