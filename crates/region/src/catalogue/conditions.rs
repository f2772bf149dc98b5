//! Diagnoses, and the kinds of visit in which they are made.

use super::{Term, system};

/// A diagnosis: ICD-10 with its Chinese name, and SNOMED CT with its English one.
#[derive(Debug)]
pub struct Diagnosis {
    /// ICD-10 code with the point.
    pub icd: &'static str,
    /// Chinese name.
    pub chinese: &'static str,
    /// SNOMED CT code.
    pub snomed: &'static str,
    /// English name.
    pub english: &'static str,
}

macro_rules! diagnoses {
    ($($name:ident $icd:literal $chinese:literal $snomed:literal $english:literal;)*) => {
        $(#[doc = $english] pub static $name: Diagnosis =
            Diagnosis { icd: $icd, chinese: $chinese, snomed: $snomed, english: $english };)*
    };
}

diagnoses! {
    HYPERTENSION "I10" "原发性高血压" "59621000" "Essential hypertension";
    DIABETES "E11.9" "2型糖尿病" "44054006" "Diabetes mellitus type 2";
    DIABETIC_FOOT "E11.5" "2型糖尿病伴周围循环并发症（糖尿病足）" "280137006" "Diabetic foot";
    DYSLIPIDAEMIA "E78.5" "高脂血症" "55822004" "Hyperlipidemia";
    KIDNEY_DISEASE "N18.3" "慢性肾脏病3期" "433144002" "Chronic kidney disease stage 3";
    STROKE "I63.9" "脑梗死" "432504007" "Cerebral infarction";
    CORONARY "I25.1" "动脉硬化性心脏病" "53741008" "Coronary arteriosclerosis";
    DEPRESSION "F32.1" "中度抑郁发作" "310496002" "Moderate depression";
    INFLUENZA_CONFIRMED "J10.1" "流行性感冒伴其他呼吸道表现，已标明流感病毒" "6142004" "Influenza";
    INFLUENZA_CLINICAL "J11.1" "流行性感冒伴其他呼吸道表现，病毒未标明" "719590007" "Influenza caused by seasonal influenza virus";
    INFLUENZA_PNEUMONIA "J10.0" "流行性感冒伴肺炎，已标明流感病毒" "195878008" "Pneumonia and influenza";
    PNEUMONIA "J18.9" "肺炎" "233604007" "Pneumonia";
    COLD "J06.9" "急性上呼吸道感染" "54150009" "Upper respiratory infection";
    BRONCHITIS "J20.9" "急性支气管炎" "10509002" "Acute bronchitis";
    GASTROENTERITIS "A09" "感染性胃肠炎" "25374005" "Gastroenteritis";
    GASTRITIS "K29.5" "慢性胃炎" "8493009" "Chronic gastritis";
    BACK_PAIN "M54.5" "下背痛" "279039007" "Low back pain";
    KNEE_ARTHROSIS "M17.9" "膝关节病" "239873007" "Osteoarthritis of knee";
    CARIES "K02.9" "龋病" "80967001" "Dental caries";
    URINARY_INFECTION "N39.0" "泌尿道感染" "68566005" "Urinary tract infectious disease";
    APPENDICITIS "K35.8" "急性阑尾炎" "85189001" "Acute appendicitis";
    FOREARM_FRACTURE "S52.5" "桡骨远端骨折" "263102004" "Fracture subluxation of wrist";
    LUNG_DISEASE "J44.9" "慢性阻塞性肺病" "13645005" "Chronic obstructive lung disease";
    ANAEMIA "D50.9" "缺铁性贫血" "87522002" "Iron deficiency anemia";
    PREGNANCY "Z34.9" "正常妊娠监督" "72892002" "Normal pregnancy";
    TWIN_PREGNANCY "O30.0" "双胎妊娠" "65147003" "Twin pregnancy";
    GESTATIONAL_HYPERTENSION "O13" "妊娠期高血压" "48194001" "Pregnancy-induced hypertension";
    GESTATIONAL_DIABETES "O24.4" "妊娠期糖尿病" "11687002" "Gestational diabetes mellitus";
    NORMAL_DELIVERY "O80.0" "头位自然分娩" "48782003" "Delivery normal";
    CAESAREAN_DELIVERY "O82.0" "经选择性剖宫产术分娩" "200144004" "Deliveries by cesarean";
    LIVEBORN "Z38.0" "单胎活产，在医院内出生" "281050002" "Livebirth";
    LIVEBORN_TWIN "Z38.3" "双胎活产，在医院内出生" "169828005" "Twins - both live born";
    PRETERM "P07.3" "早产儿" "395507008" "Premature infant";
    HEART_FAILURE "I50.9" "心力衰竭" "84114007" "Heart failure";
    MYOCARDIAL_INFARCTION "I21.9" "急性心肌梗死" "57054005" "Acute myocardial infarction";
    ATRIAL_FIBRILLATION "I48.9" "心房颤动" "49436004" "Atrial fibrillation";
    CEREBRAL_HAEMORRHAGE "I61.9" "脑出血" "274100004" "Cerebral hemorrhage";
    LUNG_EXACERBATION "J44.1" "慢性阻塞性肺病伴急性加重" "195951007" "Acute exacerbation of chronic obstructive airways disease";
    GALLSTONE "K80.2" "胆囊结石" "235919008" "Gallbladder calculus";
    INGUINAL_HERNIA "K40.9" "单侧腹股沟疝" "396232000" "Inguinal hernia";
    GASTROINTESTINAL_BLEEDING "K92.2" "胃肠道出血" "74474003" "Gastrointestinal hemorrhage";
    HIP_FRACTURE "S72.0" "股骨颈骨折" "5913000" "Fracture of neck of femur";
    CATARACT "H26.9" "白内障" "193570009" "Cataract";
    SEPSIS "A41.9" "脓毒症" "91302008" "Sepsis";
    RESPIRATORY_FAILURE "J96.0" "急性呼吸衰竭" "65710008" "Acute respiratory failure";
    KIDNEY_INJURY "N17.9" "急性肾衰竭" "14669001" "Acute renal failure syndrome";
    HYPOKALAEMIA "E87.6" "低钾血症" "43339004" "Hypokalemia";
    JAUNDICE "P59.9" "新生儿黄疸" "387712008" "Neonatal jaundice";
}

/// The kind of a visit: SNOMED CT, Chinese name, consultation fee in fen.
#[derive(Debug)]
pub struct Service {
    /// What the encounter's type says.
    pub term: Term,
    /// Consultation fee, or the fee of a hospital day.
    pub fen: i64,
}

macro_rules! services {
    ($($name:ident $code:literal $english:literal $chinese:literal $fen:literal;)*) => {
        $(#[doc = $english] pub static $name: Service = Service {
            term: Term { system: system::SNOMED, code: $code, english: $english, chinese: $chinese }, fen: $fen,
        };)*
    };
}

services! {
    CONSULTATION "185345009" "Encounter for symptom" "门诊诊察" 1_200;
    FOLLOW_UP "390906007" "Follow-up encounter" "随访" 600;
    CHECK_UP "185349003" "Encounter for check up" "健康体检" 0;
    EMERGENCY "50849002" "Emergency room admission" "急诊" 2_500;
    ADMISSION "183452005" "Emergency hospital admission" "急诊入院" 4_800;
    PLANNED_ADMISSION "32485007" "Hospital admission" "住院" 4_800;
    TREATMENT "32485007" "Hospital admission" "住院诊疗" 42_600;
    ANTENATAL_VISIT "424441002" "Prenatal initial visit" "产前检查" 1_500;
    POSTNATAL_VISIT "169762003" "Postnatal visit" "产后访视" 0;
    CHILD_VISIT "410620009" "Well child visit" "儿童健康检查" 0;
    VACCINATION "127785005" "Administration of substance to produce immunity, either active or passive" "预防接种" 0;
    MENTAL_HEALTH "88848003" "Psychiatric follow-up" "心理门诊" 3_000;
    HOME_VISIT "439708006" "Home visit" "家庭访视" 0;
}
