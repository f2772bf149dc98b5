//! Packs written for the demo and the tests. Their groups are invented and pay nobody.

use crate::import::opendrg::{self, Tables};
use crate::import::template::{self, Sheets};
use crate::pack::Pack;
use crate::patch::Patch;
use crate::payment::Decimal;
use std::collections::BTreeMap;

const NAMES: &str = "E11.000 2型糖尿病伴昏迷\nE11.900 2型糖尿病\nI10.x00 特发性高血压\nI21.000 急性前壁心肌梗死\n\
I21.100 急性下壁心肌梗死\nI25.103 冠状动脉粥样硬化性心脏病\nI50.000 充血性心力衰竭\nI50.900 心力衰竭\n\
J18.900 肺炎\nJ96.000 急性呼吸衰竭\nK25.400 胃溃疡伴出血\nK29.500 慢性胃炎\nK35.800 急性阑尾炎\n\
K35.900 急性阑尾炎，未特指\nN17.900 急性肾衰竭\nP07.300 早产儿\nP22.000 新生儿呼吸窘迫综合征\n";

const PROCEDURES: &str = "36.0600 冠状动脉非药物洗脱支架置入\n36.0700 冠状动脉药物洗脱支架置入\n\
47.0100 腹腔镜下阑尾切除术\n47.0900 阑尾切除术\n55.6900 肾移植术\n";

/// The demo pack in six-character codes. It is the same at every call.
pub fn pack() -> Pack {
    let tables = Tables {
        mcc: "I50.000 1\nJ96.000 2\nN17.900 3\n",
        cc: "E11.900 4\nI10.x00 1\nI50.900 1\nJ18.900 2\nK25.400 5\n",
        cce: "E11.000 4\nE11.900 4\nI10.x00 1\nI21.000 1\nI50.000 1\nI50.900 1\nJ18.900 2\nJ96.000 2\n\
              K25.400 5\nN17.900 3\n",
        ss_valid: PROCEDURES,
        zd_info: NAMES,
        ss_info: PROCEDURES,
        ..Tables::default()
    };
    let (mut pack, _) = opendrg::read(include_str!("../demo/pack.json"), &tables, None)
        .expect("the demo pack is part of the program");
    pack.manifest.source = "written for the demo".into();
    pack
}

/// The template tables of Qinghe County's pack.
fn county_sheets() -> Sheets {
    [
        ("groups", include_str!("../demo/county/groups.csv")),
        ("lists", include_str!("../demo/county/lists.csv")),
        ("severity", include_str!("../demo/county/severity.csv")),
        ("exclusions", include_str!("../demo/county/exclusions.csv")),
        ("names", include_str!("../demo/county/names.csv")),
        ("manifest", include_str!("../demo/county/manifest.csv")),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_string(), template::cells(text)))
    .collect()
}

/// The pack of the synthetic county (清禾县), in its four-character codes, with the weight of each group.
pub fn county_2026() -> (Pack, BTreeMap<String, Decimal>) {
    let (pack, weights, _) =
        template::read(&county_sheets()).expect("the county's pack is part of the program");
    let weights = weights.into_iter().filter_map(|(group, text)| Some((group, Decimal::parse(&text)?)));
    (pack, weights.collect())
}

/// The county's pack of the year after: the base, a patch, and the weights that change.
pub fn county_2027() -> (Pack, BTreeMap<String, Decimal>) {
    let (base, mut weights) = county_2026();
    let patch =
        Patch::from_json(include_str!("../demo/county/2027.json")).expect("the patch is part of the program");
    let rows = template::cells(include_str!("../demo/county/weights-2027.csv"));
    for row in rows.iter().skip(1) {
        if let [group, weight] = row.as_slice()
            && let Some(weight) = Decimal::parse(weight)
        {
            weights.insert(group.clone(), weight);
        }
    }
    (patch.apply(&base).0, weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use tongmai_base::Severity;

    #[test]
    fn the_county_packs_have_no_errors_and_a_weight_for_every_group() {
        let (_, _, findings) = template::read(&county_sheets()).unwrap();
        assert_eq!(findings, []);
        for (pack, weights) in [county_2026(), county_2027()] {
            let errors: Vec<_> = check(&pack).into_iter().filter(|f| f.severity >= Severity::Error).collect();
            assert_eq!(errors, [], "{}", pack.manifest.id);
            for (_, _, drg) in pack.drgs() {
                assert!(weights.contains_key(&drg.code), "{}", drg.code);
            }
        }
    }

    #[test]
    fn every_group_of_the_county_can_be_reached() {
        for (pack, _) in [county_2026(), county_2027()] {
            let grouper = crate::Grouper::new(&pack);
            let missing: Vec<String> = crate::witness::witnesses(&pack, &grouper)
                .into_iter()
                .filter(|(_, case)| case.is_none())
                .map(|(code, _)| code)
                .collect();
            // The pre-category asks for no principal diagnosis, of which a witness is made.
            assert_eq!(missing, ["AH19"], "{}", pack.manifest.id);
            let line = r#"{"gender":1,"age":70,"zdList":["J18.9"],"ssList":["96.72"],"inHospitalTime":9}"#;
            let outcome = grouper.group(&crate::Case::from_json(line).unwrap(), &mut grouper.scratch());
            assert_eq!(grouper.drg(&outcome), "AH19");
        }
    }
}
