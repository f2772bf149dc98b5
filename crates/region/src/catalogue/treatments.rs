//! Medicines, procedures, vaccines and allergens.

use super::{Term, system};

/// A medicine: ATC class, Chinese product, its usual dose and price.
#[derive(Debug)]
pub struct Medicine {
    /// ATC code; empty for a Chinese patent medicine that ATC does not know.
    pub atc: &'static str,
    /// English substance name.
    pub english: &'static str,
    /// Chinese name with form and strength.
    pub chinese: &'static str,
    /// Dose as a whole number of 10^-`places` units.
    pub dose: i64,
    /// Decimal places of the dose.
    pub places: u32,
    /// UCUM unit of the dose.
    pub unit: &'static str,
    /// Doses a day.
    pub daily: i64,
    /// Route of administration.
    pub route: &'static Term,
    /// Price of one dose in fen.
    pub fen: i64,
}

macro_rules! medicines {
    ($($name:ident $atc:literal $english:literal $chinese:literal $dose:literal $places:literal $unit:literal $daily:literal $route:ident $fen:literal;)*) => {
        $(#[doc = $english] pub static $name: Medicine = Medicine {
            atc: $atc, english: $english, chinese: $chinese, dose: $dose, places: $places, unit: $unit,
            daily: $daily, route: &$route, fen: $fen,
        };)*
    };
}

medicines! {
    AMLODIPINE "C08CA01" "amlodipine" "苯磺酸氨氯地平片 5mg" 5 0 "mg" 1 ORAL 38;
    NIFEDIPINE "C08CA05" "nifedipine" "硝苯地平控释片 30mg" 30 0 "mg" 1 ORAL 152;
    VALSARTAN "C09CA03" "valsartan" "缬沙坦胶囊 80mg" 80 0 "mg" 1 ORAL 96;
    ENALAPRIL "C09AA02" "enalapril" "马来酸依那普利片 10mg" 10 0 "mg" 1 ORAL 45;
    HYDROCHLOROTHIAZIDE "C03AA03" "hydrochlorothiazide" "氢氯噻嗪片 12.5mg" 125 1 "mg" 1 ORAL 9;
    METOPROLOL "C07AB02" "metoprolol" "琥珀酸美托洛尔缓释片 47.5mg" 475 1 "mg" 1 ORAL 117;
    METFORMIN "A10BA02" "metformin" "盐酸二甲双胍片 0.5g" 5 1 "g" 2 ORAL 21;
    GLICLAZIDE "A10BB09" "gliclazide" "格列齐特缓释片 30mg" 30 0 "mg" 1 ORAL 63;
    INSULIN_GLARGINE "A10AE04" "insulin glargine" "甘精胰岛素注射液 300U/3ml" 14 0 "[iU]" 1 SUBCUTANEOUS 331;
    ATORVASTATIN "C10AA05" "atorvastatin" "阿托伐他汀钙片 20mg" 20 0 "mg" 1 ORAL 54;
    ASPIRIN "B01AC06" "acetylsalicylic acid" "阿司匹林肠溶片 100mg" 100 0 "mg" 1 ORAL 27;
    CLOPIDOGREL "B01AC04" "clopidogrel" "硫酸氢氯吡格雷片 75mg" 75 0 "mg" 1 ORAL 269;
    OSELTAMIVIR "J05AH02" "oseltamivir" "磷酸奥司他韦胶囊 75mg" 75 0 "mg" 2 ORAL 498;
    PARACETAMOL "N02BE01" "paracetamol" "对乙酰氨基酚片 0.5g" 5 1 "g" 3 ORAL 16;
    IBUPROFEN "M01AE01" "ibuprofen" "布洛芬缓释胶囊 0.3g" 3 1 "g" 2 ORAL 58;
    AMOXICILLIN "J01CA04" "amoxicillin" "阿莫西林胶囊 0.5g" 5 1 "g" 3 ORAL 33;
    CEFTRIAXONE "J01DD04" "ceftriaxone" "注射用头孢曲松钠 2.0g" 2 0 "g" 1 INTRAVENOUS 1_260;
    AZITHROMYCIN "J01FA10" "azithromycin" "阿奇霉素片 0.25g" 25 2 "g" 1 ORAL 212;
    LEVOFLOXACIN "J01MA12" "levofloxacin" "左氧氟沙星片 0.5g" 5 1 "g" 1 ORAL 184;
    OMEPRAZOLE "A02BC01" "omeprazole" "奥美拉唑肠溶胶囊 20mg" 20 0 "mg" 1 ORAL 47;
    SMECTITE "A07BC05" "diosmectite" "蒙脱石散 3g" 3 0 "g" 3 ORAL 86;
    AMBROXOL "R05CB06" "ambroxol" "盐酸氨溴索片 30mg" 30 0 "mg" 3 ORAL 29;
    SALBUTAMOL "R03AC02" "salbutamol" "硫酸沙丁胺醇吸入气雾剂 100μg" 200 0 "ug" 4 INHALATION 74;
    FOLIC_ACID "B03BB01" "folic acid" "叶酸片 0.4mg" 4 1 "mg" 1 ORAL 12;
    IRON "B03AA06" "ferrous succinate" "琥珀酸亚铁片 0.1g" 1 1 "g" 2 ORAL 68;
    OXYTOCIN "H01BB02" "oxytocin" "缩宫素注射液 10U" 10 0 "[iU]" 1 INTRAVENOUS 560;
    VITAMIN_K "B02BA01" "phytomenadione" "维生素K1注射液 10mg" 1 0 "mg" 1 INTRAMUSCULAR 215;
    SERTRALINE "N06AB06" "sertraline" "盐酸舍曲林片 50mg" 50 0 "mg" 1 ORAL 343;
    LIANHUA "" "Lianhua Qingwen capsule" "连花清瘟胶囊 0.35g" 14 1 "g" 3 ORAL 104;
    BANLANGEN "" "Banlangen granules" "板蓝根颗粒 10g" 10 0 "g" 3 ORAL 52;
}

macro_rules! snomed {
    ($($name:ident $code:literal $english:literal $chinese:literal;)*) => {
        $(#[doc = $english] pub static $name: Term = Term {
            system: system::SNOMED, code: $code, english: $english, chinese: $chinese,
        };)*
    };
}

snomed! {
    ORAL "26643006" "Oral route" "口服";
    INTRAVENOUS "47625008" "Intravenous route" "静脉滴注";
    INTRAMUSCULAR "78421000" "Intramuscular route" "肌内注射";
    SUBCUTANEOUS "34206005" "Subcutaneous route" "皮下注射";
    INHALATION "447694001" "Respiratory tract route" "吸入";
    PENICILLIN "764146007" "Penicillin" "青霉素类";
    SULFONAMIDE "387406002" "Sulfonamide" "磺胺类";
    PEANUT "762952008" "Peanut" "花生";
    POLLEN "256277009" "Grass pollen" "花粉";
    RASH "271807003" "Eruption of skin" "皮疹";
    ANAPHYLAXIS "39579001" "Anaphylaxis" "过敏性休克";
    SNEEZING "162367006" "Sneezing symptom" "喷嚏";
    LOW_SALT "386619000" "Low sodium diet" "低盐饮食指导";
    DIABETIC_DIET "160670007" "Diabetic diet" "糖尿病饮食";
    EXERCISE "229065009" "Exercise therapy" "运动疗法";
    HOME_PRESSURE "413153004" "Blood pressure recorded by patient at home" "家庭自测血压";
    FOOT_CARE "" "Foot care education" "足部护理指导";
    REHABILITATION "52052004" "Rehabilitation therapy" "康复治疗";
}

/// Something done to a person.
#[derive(Debug)]
pub struct Intervention {
    /// SNOMED CT code, or none, and English name.
    pub term: Term,
    /// ICD-9-CM-3 code; empty where it is not coded on a front page.
    pub icd9: &'static str,
    /// How long it takes, in minutes.
    pub minutes: i64,
    /// Price in fen.
    pub fen: i64,
}

macro_rules! interventions {
    ($($name:ident $code:literal $icd9:literal $english:literal $chinese:literal $minutes:literal $fen:literal;)*) => {
        $(#[doc = $english] pub static $name: Intervention = Intervention {
            term: Term { system: system::SNOMED, code: $code, english: $english, chinese: $chinese },
            icd9: $icd9, minutes: $minutes, fen: $fen,
        };)*
    };
}

interventions! {
    ELECTROCARDIOGRAM "29303009" "89.52" "Electrocardiographic procedure" "心电图检查" 10 2_800;
    CHEST_RADIOGRAPH "399208008" "87.44" "Plain chest X-ray" "胸部X线检查" 10 6_500;
    OBSTETRIC_ULTRASOUND "268445003" "88.78" "Ultrasound scan - obstetric" "产科超声检查" 20 12_000;
    HEAD_CT "303653007" "87.03" "Computed tomography of head" "头颅CT平扫" 15 21_000;
    FOOT_EXAMINATION "401191002" "" "Diabetic foot examination" "糖尿病足检查" 10 1_500;
    DEBRIDEMENT "36777000" "86.22" "Debridement" "创面清创术" 45 38_650;
    VAGINAL_DELIVERY "177184002" "73.59" "Normal delivery procedure" "手法助产分娩" 360 126_000;
    CAESAREAN "11466000" "74.1" "Cesarean section" "子宫下段剖宫产术" 55 234_500;
    APPENDECTOMY "80146002" "47.01" "Excision of appendix" "腹腔镜下阑尾切除术" 60 287_300;
    FRACTURE_REDUCTION "385691007" "79.02" "Fracture care" "桡骨骨折闭合复位术" 30 46_200;
    PHOTOTHERAPY "" "99.83" "Other phototherapy" "新生儿光照疗法" 720 18_400;
    STENT "415070008" "36.07" "Percutaneous coronary intervention" "冠状动脉药物洗脱支架置入术" 90 1_420_000;
    CHOLECYSTECTOMY "45595009" "51.23" "Laparoscopic cholecystectomy" "腹腔镜下胆囊切除术" 80 468_000;
    HERNIA_REPAIR "44558001" "53.00" "Repair of inguinal hernia" "单侧腹股沟疝修补术" 60 246_000;
    LENS_SURGERY "84149000" "13.41" "Phacoemulsification of cataract" "白内障超声乳化抽吸术" 30 164_000;
    HIP_REPLACEMENT "" "81.52" "Partial hip replacement" "股骨头置换术" 120 1_560_000;
    VENTILATION "40617009" "96.71" "Artificial respiration" "有创机械通气，少于96小时" 1440 486_000;
    DIALYSIS "302497006" "39.95" "Hemodialysis" "血液透析" 240 64_000;
    THROMBOLYSIS "" "99.10" "Injection or infusion of thrombolytic agent" "静脉溶栓治疗" 60 512_600;
}

/// A vaccine of the national programme, or the seasonal influenza vaccine.
#[derive(Debug)]
pub struct Vaccine {
    /// CVX code.
    pub cvx: &'static str,
    /// English name.
    pub english: &'static str,
    /// Chinese name.
    pub chinese: &'static str,
    /// Ages in days at which doses are due.
    pub schedule: &'static [i64],
}

macro_rules! vaccines {
    ($($name:ident $cvx:literal $english:literal $chinese:literal $schedule:expr;)*) => {
        $(#[doc = $english] pub static $name: Vaccine =
            Vaccine { cvx: $cvx, english: $english, chinese: $chinese, schedule: &$schedule };)*
        /// The childhood schedule of the national programme (国家免疫规划疫苗儿童免疫程序, 2021).
        pub static PROGRAMME: &[&Vaccine] = &[$(&$name),*];
    };
}

vaccines! {
    HEPATITIS_B_VACCINE "08" "Hep B, adolescent or pediatric" "重组乙型肝炎疫苗" [0, 30, 183];
    BCG "19" "BCG" "卡介苗" [0];
    POLIO_INACTIVATED "10" "IPV" "脊髓灰质炎灭活疫苗" [61, 91];
    POLIO_ORAL "182" "OPV, bivalent" "二价口服脊髓灰质炎减毒活疫苗" [122, 1461];
    DTAP "20" "DTaP" "百白破疫苗" [91, 122, 152, 548];
    MMR "03" "MMR" "麻腮风疫苗" [244, 548];
    ENCEPHALITIS "129" "Japanese Encephalitis, unspecified formulation" "乙脑减毒活疫苗" [245, 731];
    MENINGOCOCCAL "108" "meningococcal ACWY, unspecified formulation" "A群流脑多糖疫苗" [184, 274];
    HEPATITIS_A "83" "Hep A, ped/adol, 2 dose" "甲肝减毒活疫苗" [549];
}

/// The seasonal influenza vaccine, given each autumn.
pub static INFLUENZA_VACCINE: Vaccine = Vaccine {
    cvx: "141",
    english: "Influenza, split virus, trivalent, injectable, preservative",
    chinese: "流感病毒裂解疫苗",
    schedule: &[],
};

/// What people are allergic to: substance, reaction, category of `AllergyIntolerance`.
pub static ALLERGENS: &[(&Term, &Term, &str)] = &[
    (&PENICILLIN, &RASH, "medication"),
    (&PENICILLIN, &ANAPHYLAXIS, "medication"),
    (&SULFONAMIDE, &RASH, "medication"),
    (&PEANUT, &RASH, "food"),
    (&POLLEN, &SNEEZING, "environment"),
];
