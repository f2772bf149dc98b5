//! A small pack written for the demo and the tests. Its groups are invented and pay nobody.

use crate::import::opendrg::{self, Tables};
use crate::pack::Pack;

const NAMES: &str = "E11.000 2型糖尿病伴昏迷\nE11.900 2型糖尿病\nI10.x00 特发性高血压\nI21.000 急性前壁心肌梗死\n\
I21.100 急性下壁心肌梗死\nI25.103 冠状动脉粥样硬化性心脏病\nI50.000 充血性心力衰竭\nI50.900 心力衰竭\n\
J18.900 肺炎\nJ96.000 急性呼吸衰竭\nK25.400 胃溃疡伴出血\nK29.500 慢性胃炎\nK35.800 急性阑尾炎\n\
K35.900 急性阑尾炎，未特指\nN17.900 急性肾衰竭\nP07.300 早产儿\nP22.000 新生儿呼吸窘迫综合征\n";

const PROCEDURES: &str = "36.0600 冠状动脉非药物洗脱支架置入\n36.0700 冠状动脉药物洗脱支架置入\n\
47.0100 腹腔镜下阑尾切除术\n47.0900 阑尾切除术\n55.6900 肾移植术\n";

/// The demo pack. It is the same at every call.
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
