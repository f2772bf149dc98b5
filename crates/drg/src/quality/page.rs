//! The front page as its checks see it: the case, its dates, and what else the record shows.

use crate::case::Case;
use std::borrow::Cow;

/// A laboratory result or measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<'a> {
    /// LOINC code.
    pub code: Cow<'a, str>,
    /// The number in the unit of the rules (g/L, mmol/L, µmol/L, 10^9/L, %); `None` for a coded result.
    pub value: Option<f64>,
    /// A coded result is positive.
    pub positive: bool,
}

/// Diagnoses and operations of a settlement list.
pub type SettlementCodes<'a> = (Vec<Cow<'a, str>>, Vec<Cow<'a, str>>);

/// A front page with the evidence beside it. Days count from 1970-01-01.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FrontPage<'a> {
    /// What grouping reads.
    pub case: Case<'a>,
    /// Date of birth.
    pub born: Option<i64>,
    /// Day of admission.
    pub admitted: Option<i64>,
    /// Day of discharge.
    pub discharged: Option<i64>,
    /// Day of each procedure.
    pub procedure_days: Vec<Option<i64>>,
    /// 入院病情 of each diagnosis: 1 present, 2 uncertain, 3 unknown, 4 not present.
    pub present: Vec<Cow<'a, str>>,
    /// Total cost in fen.
    pub cost: Option<i64>,
    /// Results; empty when the record has none, and then nothing is said about missing evidence.
    pub results: Vec<Reading<'a>>,
    /// The settlement list (结算清单), when it is at hand.
    pub settlement: Option<SettlementCodes<'a>>,
    /// Cost as a multiple of the mean of its group.
    pub ratio: Option<f64>,
}

impl FrontPage<'_> {
    /// Whether a field of the page says nothing.
    pub fn lacks(&self, field: Field) -> bool {
        use crate::case::Number;
        let missing = |number: Number| number == Number::Missing;
        match field {
            Field::Sex => missing(self.case.sex),
            Field::Age => missing(self.case.age),
            Field::AgeDays => missing(self.case.age_days),
            Field::BirthWeight => missing(self.case.birth_weight),
            Field::Birth => self.born.is_none(),
            Field::Admitted => self.admitted.is_none(),
            Field::Discharged => self.discharged.is_none(),
            Field::Discharge => self.case.discharge.trim().is_empty(),
            Field::Department => self.case.department.trim().is_empty(),
            Field::Stay => missing(self.case.stay),
            Field::Cost => self.cost.is_none(),
            Field::Principal => self.case.diagnoses.first().is_none_or(|code| code.trim().is_empty()),
            Field::ProcedureDay => {
                let stated = |at: usize| self.procedure_days.get(at).is_some_and(Option::is_some);
                !self.procedure_days.is_empty() && (0..self.case.procedures.len()).any(|at| !stated(at))
            }
            Field::Present => {
                !self.present.is_empty() && self.present.iter().any(|code| code.trim().is_empty())
            }
        }
    }
}

/// A field that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// 性别.
    Sex,
    /// 年龄.
    Age,
    /// 年龄不足1周岁的天数.
    AgeDays,
    /// 新生儿出生体重.
    BirthWeight,
    /// 出生日期.
    Birth,
    /// 入院时间.
    Admitted,
    /// 出院时间.
    Discharged,
    /// 离院方式.
    Discharge,
    /// 科别.
    Department,
    /// 实际住院天数.
    Stay,
    /// 总费用.
    Cost,
    /// 主要诊断.
    Principal,
    /// 手术及操作日期.
    ProcedureDay,
    /// 入院病情.
    Present,
}

/// The fields by the word that rules use.
pub const FIELDS: [(&str, Field); 14] = [
    ("sex", Field::Sex),
    ("age", Field::Age),
    ("age-days", Field::AgeDays),
    ("birth-weight", Field::BirthWeight),
    ("birth", Field::Birth),
    ("admitted", Field::Admitted),
    ("discharged", Field::Discharged),
    ("discharge", Field::Discharge),
    ("department", Field::Department),
    ("stay", Field::Stay),
    ("cost", Field::Cost),
    ("principal", Field::Principal),
    ("procedure-day", Field::ProcedureDay),
    ("present", Field::Present),
];
