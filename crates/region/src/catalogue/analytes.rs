//! Vital signs, laboratory analytes and panels.

use super::{Term, system};

/// What kind of observation: its category and whether it needs an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Vital signs, `http://hl7.org/fhir/StructureDefinition/vitalsigns`.
    Vital,
    /// Measured on a person, outside the vital-signs profile.
    Exam,
    /// Measured on a specimen.
    Laboratory,
    /// A scored questionnaire.
    Survey,
    /// A habit.
    Social,
}

/// A quantity or finding that can be observed. Values are whole numbers of
/// 10^-`places` units.
#[derive(Debug)]
pub struct Analyte {
    /// LOINC code.
    pub loinc: &'static str,
    /// LOINC's long or common English name.
    pub english: &'static str,
    /// Chinese name.
    pub chinese: &'static str,
    /// UCUM code; empty for a coded finding.
    pub ucum: &'static str,
    /// Decimal places.
    pub places: u32,
    /// Reference range of men and, where there is only one, of everyone.
    pub range: Option<(i64, i64)>,
    /// Reference range of women where it differs.
    pub range_women: Option<(i64, i64)>,
    /// Kind of observation.
    pub group: Group,
}

macro_rules! analytes {
    ($($name:ident $group:ident $loinc:literal $english:literal $chinese:literal $ucum:literal $places:literal $range:expr, $women:expr;)*) => {
        $(#[doc = $english] pub static $name: Analyte = Analyte {
            loinc: $loinc, english: $english, chinese: $chinese, ucum: $ucum, places: $places,
            range: $range, range_women: $women, group: Group::$group,
        };)*
    };
}

analytes! {
    BLOOD_PRESSURE Vital "85354-9" "Blood pressure panel with all children optional" "血压" "" 0 None, None;
    SYSTOLIC Vital "8480-6" "Systolic blood pressure" "收缩压" "mm[Hg]" 0 Some((90, 139)), None;
    DIASTOLIC Vital "8462-4" "Diastolic blood pressure" "舒张压" "mm[Hg]" 0 Some((60, 89)), None;
    HEART_RATE Vital "8867-4" "Heart rate" "心率" "/min" 0 Some((60, 100)), None;
    TEMPERATURE Vital "8310-5" "Body temperature" "体温" "Cel" 1 Some((360, 373)), None;
    RESPIRATION Vital "9279-1" "Respiratory rate" "呼吸频率" "/min" 0 Some((12, 20)), None;
    SATURATION Vital "2708-6" "Oxygen saturation in Arterial blood" "血氧饱和度" "%" 0 Some((94, 100)), None;
    WEIGHT Vital "29463-7" "Body weight" "体重" "kg" 1 None, None;
    HEIGHT Vital "8302-2" "Body height" "身高" "cm" 1 None, None;
    BODY_MASS_INDEX Vital "39156-5" "Body mass index (BMI) [Ratio]" "体质指数" "kg/m2" 1 Some((185, 239)), None;
    HEAD Vital "9843-4" "Head Occipital-frontal circumference" "头围" "cm" 1 None, None;
    WAIST Exam "8280-0" "Waist Circumference at umbilicus by Tape measure" "腰围" "cm" 1 Some((600, 900)), Some((600, 850));
    FUNDAL_HEIGHT Exam "11881-0" "Uterus Fundal height Tape measure" "宫高" "cm" 0 None, None;
    FETAL_HEART Exam "55283-6" "Fetal Heart rate" "胎心率" "/min" 0 Some((110, 160)), None;
    GESTATION Exam "11884-4" "Gestational age Estimated" "孕周" "wk" 0 None, None;
    APGAR_1 Survey "9272-6" "1 minute Apgar Score" "1分钟阿氏评分" "{score}" 0 Some((8, 10)), None;
    APGAR_5 Survey "9274-2" "5 minute Apgar Score" "5分钟阿氏评分" "{score}" 0 Some((8, 10)), None;
    PHQ_9 Survey "44261-6" "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]" "抑郁症筛查量表PHQ-9总分" "{score}" 0 Some((0, 4)), None;
    SMOKING Social "72166-2" "Tobacco smoking status" "吸烟状况" "" 0 None, None;
    HEMOGLOBIN Laboratory "718-7" "Hemoglobin [Mass/volume] in Blood" "血红蛋白" "g/L" 0 Some((130, 175)), Some((115, 150));
    LEUKOCYTES Laboratory "6690-2" "Leukocytes [#/volume] in Blood by Automated count" "白细胞计数" "10*9/L" 2 Some((350, 950)), None;
    ERYTHROCYTES Laboratory "789-8" "Erythrocytes [#/volume] in Blood by Automated count" "红细胞计数" "10*12/L" 2 Some((430, 580)), Some((380, 510));
    PLATELETS Laboratory "777-3" "Platelets [#/volume] in Blood by Automated count" "血小板计数" "10*9/L" 0 Some((125, 350)), None;
    NEUTROPHILS Laboratory "770-8" "Neutrophils/100 leukocytes in Blood by Automated count" "中性粒细胞百分比" "%" 1 Some((400, 750)), None;
    LYMPHOCYTES Laboratory "736-9" "Lymphocytes/100 leukocytes in Blood by Automated count" "淋巴细胞百分比" "%" 1 Some((200, 500)), None;
    C_REACTIVE Laboratory "1988-5" "C reactive protein [Mass/volume] in Serum or Plasma" "C反应蛋白" "mg/L" 1 Some((0, 100)), None;
    GLUCOSE Laboratory "14771-0" "Fasting glucose [Moles/volume] in Serum or Plasma" "空腹血糖" "mmol/L" 1 Some((39, 61)), None;
    HBA1C Laboratory "4548-4" "Hemoglobin A1c/Hemoglobin.total in Blood" "糖化血红蛋白" "%" 1 Some((40, 60)), None;
    CREATININE Laboratory "14682-9" "Creatinine [Moles/volume] in Serum or Plasma" "肌酐" "umol/L" 0 Some((57, 111)), Some((41, 81));
    EGFR Laboratory "98979-8" "Glomerular filtration rate/1.73 sq M.predicted [Volume Rate/Area] in Serum, Plasma or Blood by Creatinine-based formula (CKD-EPI 2021)" "估算肾小球滤过率" "mL/min/{1.73_m2}" 0 Some((90, 140)), None;
    UREA Laboratory "22664-7" "Urea [Moles/volume] in Serum or Plasma" "尿素" "mmol/L" 1 Some((31, 80)), None;
    URATE Laboratory "14933-6" "Urate [Moles/volume] in Serum or Plasma" "尿酸" "umol/L" 0 Some((208, 428)), Some((155, 357));
    POTASSIUM Laboratory "2823-3" "Potassium [Moles/volume] in Serum or Plasma" "钾" "mmol/L" 2 Some((350, 530)), None;
    SODIUM Laboratory "2951-2" "Sodium [Moles/volume] in Serum or Plasma" "钠" "mmol/L" 0 Some((137, 147)), None;
    CHOLESTEROL Laboratory "14647-2" "Cholesterol [Moles/volume] in Serum or Plasma" "总胆固醇" "mmol/L" 2 Some((280, 520)), None;
    TRIGLYCERIDE Laboratory "14927-8" "Triglyceride [Moles/volume] in Serum or Plasma" "甘油三酯" "mmol/L" 2 Some((40, 170)), None;
    HDL Laboratory "14646-4" "Cholesterol in HDL [Moles/volume] in Serum or Plasma" "高密度脂蛋白胆固醇" "mmol/L" 2 Some((100, 220)), None;
    LDL Laboratory "39469-2" "Cholesterol in LDL [Moles/volume] in Serum or Plasma by calculation" "低密度脂蛋白胆固醇" "mmol/L" 2 Some((130, 340)), None;
    ALT Laboratory "1742-6" "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma" "丙氨酸氨基转移酶" "U/L" 0 Some((9, 50)), Some((7, 40));
    AST Laboratory "1920-8" "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma" "天门冬氨酸氨基转移酶" "U/L" 0 Some((15, 40)), Some((13, 35));
    BILIRUBIN Laboratory "14631-6" "Bilirubin.total [Moles/volume] in Serum or Plasma" "总胆红素" "umol/L" 1 Some((0, 230)), None;
    ALBUMIN_CREATININE Laboratory "14959-1" "Microalbumin/Creatinine [Mass Ratio] in Urine" "尿微量白蛋白/肌酐" "mg/g" 1 Some((0, 300)), None;
    URINE_PROTEIN Laboratory "20454-5" "Protein [Presence] in Urine by Test strip" "尿蛋白定性" "" 0 None, None;
    URINE_GLUCOSE Laboratory "25428-4" "Glucose [Presence] in Urine by Test strip" "尿糖定性" "" 0 None, None;
    INFLUENZA_A Laboratory "80382-5" "Influenza virus A Ag [Presence] in Upper respiratory specimen by Rapid immunoassay" "甲型流感病毒抗原" "" 0 None, None;
    INFLUENZA_B Laboratory "80383-3" "Influenza virus B Ag [Presence] in Upper respiratory specimen by Rapid immunoassay" "乙型流感病毒抗原" "" 0 None, None;
    HEPATITIS_B Laboratory "5196-1" "Hepatitis B virus surface Ag [Presence] in Serum or Plasma by Immunoassay" "乙型肝炎表面抗原" "" 0 None, None;
    BLOOD_GROUP Laboratory "882-1" "ABO and Rh group [Type] in Blood" "ABO及Rh血型" "" 0 None, None;
}

/// A panel that is ordered and reported as one.
#[derive(Debug)]
pub struct Panel {
    /// The order's and the report's code.
    pub term: Term,
    /// Price in fen.
    pub fen: i64,
}

macro_rules! panels {
    ($($name:ident $loinc:literal $english:literal $chinese:literal $fen:literal;)*) => {
        $(#[doc = $english] pub static $name: Panel = Panel {
            term: Term { system: system::LOINC, code: $loinc, english: $english, chinese: $chinese }, fen: $fen,
        };)*
    };
}

panels! {
    BLOOD_COUNT "58410-2" "CBC panel - Blood by Automated count" "血常规" 2_000;
    KIDNEY "24362-6" "Renal function 2000 panel - Serum or Plasma" "肾功能及电解质" 4_650;
    LIPIDS "57698-3" "Lipid panel with direct LDL - Serum or Plasma" "血脂四项" 3_820;
    LIVER "24325-3" "Hepatic function 2000 panel - Serum or Plasma" "肝功能" 4_205;
    GLYCAEMIA "55399-0" "Diabetes tracking panel" "血糖及糖化血红蛋白" 6_275;
    URINALYSIS "24356-8" "Urinalysis complete panel - Urine" "尿常规" 1_200;
    INFLUENZA_ANTIGEN "80381-7" "Influenza virus A and B Ag panel - Upper respiratory specimen by Rapid immunoassay" "甲乙型流感病毒抗原检测" 5_560;
    ANTENATAL "24364-2" "Obstetric 1996 panel - Serum and Blood" "产前检查组套" 9_840;
}

macro_rules! findings {
    ($($name:ident $code:literal $english:literal $chinese:literal;)*) => {
        $(#[doc = $english] pub static $name: Term = Term {
            system: system::SNOMED, code: $code, english: $english, chinese: $chinese,
        };)*
    };
}

findings! {
    POSITIVE "10828004" "Positive" "阳性";
    NEGATIVE "260385009" "Negative" "阴性";
    NEVER_SMOKER "266919005" "Never smoked tobacco" "从不吸烟";
    FORMER_SMOKER "8517006" "Ex-smoker" "已戒烟";
    SMOKER "449868002" "Smokes tobacco daily" "每日吸烟";
    GROUP_A "278149003" "Blood group A Rh(D) positive" "A型RhD阳性";
    GROUP_B "278150003" "Blood group B Rh(D) positive" "B型RhD阳性";
    GROUP_O "278147001" "Blood group O Rh(D) positive" "O型RhD阳性";
    GROUP_AB "278151004" "Blood group AB Rh(D) positive" "AB型RhD阳性";
}
