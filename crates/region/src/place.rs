//! The invented county: townships, villages, providers and their staff.

use crate::names::{self, Ethnicity, Name, Sex};
use crate::rng::Rng;
use crate::uid;

/// A township with its five villages and the share of its peoples.
#[derive(Debug)]
pub struct Township {
    /// Chinese name.
    pub name: &'static str,
    /// English name.
    pub english: &'static str,
    /// Villages, Chinese and English.
    pub villages: [(&'static str, &'static str); 5],
    /// Share of Han, Tibetan and Yi people in 100.
    pub peoples: [u32; 3],
    /// Distance from the county town in km, east and north.
    pub place: (i64, i64),
}

/// The six townships.
pub static TOWNSHIPS: [Township; 6] = [
    Township {
        name: "城关镇",
        english: "Chengguan Town",
        peoples: [92, 4, 4],
        place: (0, 0),
        villages: [
            ("东门村", "Dongmen"),
            ("西河村", "Xihe"),
            ("南桥村", "Nanqiao"),
            ("北塔村", "Beita"),
            ("柳市村", "Liushi"),
        ],
    },
    Township {
        name: "河湾镇",
        english: "Hewan Town",
        peoples: [94, 2, 4],
        place: (14, -6),
        villages: [
            ("渡口村", "Dukou"),
            ("芦滩村", "Lutan"),
            ("石磨村", "Shimo"),
            ("杏园村", "Xingyuan"),
            ("大堰村", "Dayan"),
        ],
    },
    Township {
        name: "松坪镇",
        english: "Songping Town",
        peoples: [80, 8, 12],
        place: (-11, 17),
        villages: [
            ("松林村", "Songlin"),
            ("鹿鸣村", "Luming"),
            ("青石村", "Qingshi"),
            ("茶坡村", "Chapo"),
            ("长岭村", "Changling"),
        ],
    },
    Township {
        name: "云岭乡",
        english: "Yunling Township",
        peoples: [58, 6, 36],
        place: (-23, -12),
        villages: [
            ("云上村", "Yunshang"),
            ("竹箐村", "Zhuqing"),
            ("梯田村", "Titian"),
            ("水磨村", "Shuimo"),
            ("核桃村", "Hetao"),
        ],
    },
    Township {
        name: "雪原藏族乡",
        english: "Xueyuan Tibetan Township",
        peoples: [12, 84, 4],
        place: (-31, 34),
        villages: [
            ("白塔村", "Baita"),
            ("格桑村", "Kelsang"),
            ("海子村", "Haizi"),
            ("牧场村", "Muchang"),
            ("经幡村", "Jingfan"),
        ],
    },
    Township {
        name: "火把彝族乡",
        english: "Huoba Yi Township",
        peoples: [14, 2, 84],
        place: (19, -27),
        villages: [
            ("火把村", "Huoba"),
            ("索玛村", "Suoma"),
            ("苦荞村", "Kuqiao"),
            ("鹰嘴村", "Yingzui"),
            ("毕摩村", "Bimo"),
        ],
    },
];

/// Number of villages.
pub const VILLAGES: usize = 30;

/// One village: its township and its names.
pub fn village(index: usize) -> (&'static Township, &'static str, &'static str) {
    let township = &TOWNSHIPS[index / 5 % TOWNSHIPS.len()];
    let (chinese, english) = township.villages[index % 5];
    (township, chinese, english)
}

/// Where a village lies: km east and north of the county town, with one decimal
/// (tenths of a km). The county is invented, so there are no coordinates on Earth.
pub fn village_place(index: usize) -> (i64, i64) {
    const AROUND: [(i64, i64); 5] = [(0, 0), (31, 12), (-24, 27), (-18, -33), (22, -29)];
    let (township, _, _) = village(index);
    let (east, north) = AROUND[index % 5];
    (township.place.0 * 10 + east, township.place.1 * 10 + north)
}

/// What kind of organisation a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// County people's hospital 县人民医院.
    CountyHospital,
    /// Private hospital 民营医院.
    PrivateHospital,
    /// Private clinic 个体诊所.
    PrivateClinic,
    /// Township health centre 乡镇卫生院.
    TownshipClinic,
    /// Village health room 村卫生室.
    VillageRoom,
    /// Centre for disease control 疾病预防控制中心.
    Cdc,
    /// Medical insurance office 医疗保障经办机构.
    Insurer,
}

/// A department or ward of a provider.
#[derive(Debug)]
pub struct Department {
    /// Code of 医疗卫生机构业务科室分类与代码 (the first level).
    pub code: &'static str,
    /// Chinese name.
    pub name: &'static str,
    /// English name.
    pub english: &'static str,
}

macro_rules! departments {
    ($($name:ident $code:literal $chinese:literal $english:literal;)*) => {
        $(#[doc = $english] pub static $name: Department =
            Department { code: $code, name: $chinese, english: $english };)*
    };
}

departments! {
    INTERNAL "A03" "内科" "Internal medicine";
    CARDIOLOGY "A03.04" "心血管内科" "Cardiology";
    SURGERY "A04" "外科" "General surgery";
    OBSTETRICS "A05" "妇产科" "Obstetrics and gynaecology";
    PAEDIATRICS "A07" "儿科" "Paediatrics";
    MENTAL "A15" "精神科" "Psychiatry";
    EMERGENCY_ROOM "A20" "急诊医学科" "Emergency medicine";
    LABORATORY "A30" "医学检验科" "Clinical laboratory";
    GENERAL "A02" "全科医疗科" "General practice";
    PREVENTION "A01" "预防保健科" "Preventive care";
}

/// A provider: a hospital, clinic or office.
#[derive(Debug)]
pub struct Provider {
    /// Organisation code, the value of the fixed identifier.
    pub code: String,
    /// Chinese name.
    pub name: String,
    /// English name.
    pub english: String,
    /// Kind.
    pub kind: ProviderKind,
    /// Township where it stands.
    pub township: usize,
    /// The provider to which it belongs, as an index.
    pub parent: Option<usize>,
    /// Departments, at least one for those who see patients.
    pub departments: &'static [&'static Department],
    /// Staff, as indexes of [`Directory::staff`].
    pub staff: std::ops::Range<usize>,
    /// Resource id of the Organization.
    pub id: u128,
}

/// A doctor, nurse or village doctor.
#[derive(Debug)]
pub struct Practitioner {
    /// Staff number, the value of the fixed identifier.
    pub code: String,
    /// Name.
    pub name: Name,
    /// Sex.
    pub sex: Sex,
    /// Index of the provider.
    pub provider: usize,
    /// Department.
    pub department: &'static Department,
    /// Index of the department at the provider.
    pub department_index: usize,
    /// Resource id of the Practitioner.
    pub id: u128,
    /// Resource id of the PractitionerRole.
    pub role_id: u128,
}

/// Every organisation and everyone who works there.
#[derive(Debug)]
pub struct Directory {
    /// Providers; the fixed ones first, see the constants of this module.
    pub providers: Vec<Provider>,
    /// Practitioners.
    pub staff: Vec<Practitioner>,
}

/// Index of the county hospital.
pub const COUNTY_HOSPITAL: usize = 0;
/// Index of the first private hospital.
pub const PRIVATE_HOSPITAL: usize = 1;
/// Index of the private clinic.
pub const PRIVATE_CLINIC: usize = 3;
/// Index of the centre for disease control.
pub const CDC: usize = 4;
/// Index of the insurance office.
pub const INSURER: usize = 5;
/// Index of the first township clinic.
pub const TOWNSHIP_CLINIC: usize = 6;
/// Index of the first village room.
pub const VILLAGE_ROOM: usize = 12;

static HOSPITAL_DEPARTMENTS: &[&Department] =
    &[&INTERNAL, &CARDIOLOGY, &SURGERY, &OBSTETRICS, &PAEDIATRICS, &MENTAL, &EMERGENCY_ROOM, &LABORATORY];
static PRIVATE_DEPARTMENTS: &[&Department] = &[&INTERNAL, &SURGERY, &OBSTETRICS, &PAEDIATRICS, &LABORATORY];
static TOWNSHIP_DEPARTMENTS: &[&Department] = &[&GENERAL, &PREVENTION, &LABORATORY];
static CLINIC_DEPARTMENTS: &[&Department] = &[&GENERAL];
static CDC_DEPARTMENTS: &[&Department] = &[&PREVENTION, &LABORATORY];

impl Directory {
    /// The directory of a county with this seed.
    pub fn new(seed: u64) -> Directory {
        let mut directory = Directory { providers: Vec::new(), staff: Vec::new() };
        let mut add = |kind, name: String, english: String, township, parent, departments, staff| {
            directory.add(seed, kind, name, english, township, parent, departments, staff)
        };
        use ProviderKind::*;
        let owned = |c: &str, e: &str| (c.to_string(), e.to_string());
        let (c, e) = owned("清禾县人民医院", "Qinghe County People's Hospital");
        add(CountyHospital, c, e, 0, None, HOSPITAL_DEPARTMENTS, 5);
        let (c, e) = owned("清禾仁和医院", "Qinghe Renhe Hospital");
        add(PrivateHospital, c, e, 0, None, PRIVATE_DEPARTMENTS, 2);
        let (c, e) = owned("清禾康宁医院", "Qinghe Kangning Hospital");
        add(PrivateHospital, c, e, 1, None, PRIVATE_DEPARTMENTS, 2);
        let (c, e) = owned("清禾县济民诊所", "Jimin Clinic, Qinghe County");
        add(PrivateClinic, c, e, 0, None, CLINIC_DEPARTMENTS, 2);
        let (c, e) =
            owned("清禾县疾病预防控制中心", "Qinghe County Center for Disease Control and Prevention");
        add(Cdc, c, e, 0, None, CDC_DEPARTMENTS, 3);
        let (c, e) = owned("清禾县医疗保障事务中心", "Qinghe County Healthcare Security Office");
        add(Insurer, c, e, 0, None, &[], 0);
        for (index, township) in TOWNSHIPS.iter().enumerate() {
            let name = format!("{}卫生院", township.name);
            let english = format!("{} Health Center", township.english);
            add(TownshipClinic, name, english, index, Some(COUNTY_HOSPITAL), TOWNSHIP_DEPARTMENTS, 2);
        }
        for index in 0..VILLAGES {
            let (township, chinese, english) = village(index);
            let name = format!("{}{}卫生室", township.name, chinese);
            let english = format!("{english} Village Health Room");
            add(
                VillageRoom,
                name,
                english,
                index / 5,
                Some(TOWNSHIP_CLINIC + index / 5),
                CLINIC_DEPARTMENTS,
                1,
            );
        }
        directory
    }

    #[allow(clippy::too_many_arguments)]
    fn add(
        &mut self,
        seed: u64,
        kind: ProviderKind,
        name: String,
        english: String,
        township: usize,
        parent: Option<usize>,
        departments: &'static [&'static Department],
        staff_each: usize,
    ) {
        let index = self.providers.len();
        let first = self.staff.len();
        let mut rng = Rng::new(seed, uid::STREAM_STAFF, index as u64);
        for (department_index, &department) in departments.iter().enumerate() {
            for _ in 0..staff_each {
                let number = self.staff.len();
                let sex = if rng.chance(520) { Sex::Female } else { Sex::Male };
                self.staff.push(Practitioner {
                    code: format!("QH{:05}", 1_001 + number * 7),
                    name: staff_name(&mut rng, sex, &TOWNSHIPS[township]),
                    sex,
                    provider: index,
                    department,
                    department_index,
                    id: uid::of(seed, uid::PRACTITIONER, number as u64),
                    role_id: uid::of(seed, uid::PRACTITIONER_ROLE, number as u64),
                });
            }
        }
        self.providers.push(Provider {
            code: format!("QH9901{:04}", 101 + index),
            name,
            english,
            kind,
            township,
            parent,
            departments,
            staff: first..self.staff.len(),
            id: uid::of(seed, uid::ORGANIZATION, index as u64),
        });
    }

    /// Somebody who works at a provider, in this department if it has one.
    pub fn someone(&self, rng: &mut Rng, provider: usize, department: &Department) -> usize {
        let staff = self.providers[provider].staff.clone();
        let first = staff.clone().find(|&s| self.staff[s].department.code == department.code);
        match first {
            Some(first) => {
                let there = staff.skip_while(|&s| s < first);
                let count = there.take_while(|&s| self.staff[s].department.code == department.code).count();
                first + rng.below(count as u64) as usize
            }
            None => staff.start + rng.below(staff.len() as u64) as usize,
        }
    }
}

fn staff_name(rng: &mut Rng, sex: Sex, township: &Township) -> Name {
    name_of(rng, people_of(rng.clone().bits(), township), sex)
}

/// One of the township's peoples, by a draw.
pub fn people_of(draw: u64, township: &Township) -> Ethnicity {
    match (draw % 100) as u32 {
        d if d < township.peoples[0] => Ethnicity::Han,
        d if d < township.peoples[0] + township.peoples[1] => Ethnicity::Tibetan,
        _ => Ethnicity::Yi,
    }
}

/// A name of one of the county's peoples with a family name of its own.
pub fn name_of(rng: &mut Rng, people: Ethnicity, sex: Sex) -> Name {
    match people {
        Ethnicity::Han => {
            let family = names::surname(rng);
            names::han(rng, family, sex)
        }
        Ethnicity::Tibetan => names::tibetan(rng, sex),
        Ethnicity::Yi => {
            let family = names::yi_family(rng);
            names::yi(rng, family, sex)
        }
    }
}
