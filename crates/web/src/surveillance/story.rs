//! The steps 09:20 and 09:25 of the tour: the laboratory's results come in by the HL7 v2 door, and the
//! epidemiologist notes where the cases were, as the pages do it.

use std::sync::Arc;

use tongmai_base::time::civil_from_days;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_gateway::hl7v2;
use tongmai_gateway::pipeline::{Kept, Pipeline};
use tongmai_http::Answer;
use tongmai_surveillance::case::Step;
use tongmai_views::surveillance::{Decision, Items, NewContact};

use crate::{Site, reply};

/// The market of the story.
pub const MARKET: &str = "清禾农贸市场 水产区";
/// The three cases: number at the hospital, family and given name, sex, birth, township and house.
const CASES: [[&str; 7]; 3] = [
    ["CT0920", "马", "成", "M", "19790306", "河湾镇", "渡口村12号"],
    ["CT0918", "丁", "兰", "F", "19880921", "城关镇", "西河村3号"],
    ["CT0915", "何", "川", "M", "19650117", "河湾镇", "石磨村7号"],
];

/// The laboratory's message for one of the cases, as its system sends it.
pub fn message(case: usize, day: i64) -> String {
    let [number, family, given, sex, birth, town, house] = CASES[case];
    let (year, month, date) = civil_from_days(day);
    let time = format!("{year:04}{month:02}{date:02}092000+0800");
    format!(
        "MSH|^~\\&|LIS|清禾县人民医院|TM|清禾县|{time}||ORU^R01^ORU_R01|{number}-{day}|P|2.5.1|||||CHN|UNICODE UTF-8\r\
         PID|1||{number}^^^清禾县人民医院^MR||{family}^{given}||{birth}|{sex}|||{house}^^清禾县^禾州省^990100^CN^H^^{town}||{phone}\r\
         OBR|1|O{number}|R{number}|CTX^霍乱毒素基因检测^L|||{time}|||||||||||||||{time}||LAB|F\r\
         OBX|1|CWE|CTXAB^霍乱毒素基因(ctxAB)核酸检测^L||POS^阳性^L||阴性|A|||F|||{time}\r",
        phone = number.replace("CT", "1390000"),
    )
}

/// `POST /surveillance/story/laboratory` and `…/market`
pub async fn play(site: &Arc<Site>, step: &str) -> Outcome<Answer> {
    match step {
        "laboratory" => laboratory(site).await,
        "market" => market(site).await,
        _ => Err(Failure::not_found(format!("step {step}"))),
    }
}

async fn laboratory(site: &Arc<Site>) -> Outcome<Answer> {
    let pipeline = Pipeline::new(site.engine.clone(), site.access.clone());
    for case in 0..CASES.len() {
        let text = message(case, site.today());
        let understood = hl7v2::understand(text.as_bytes(), &hl7v2::Options::default());
        let receipt = pipeline.keep(understood, text.as_bytes(), "x-application/hl7-v2+er7").await;
        // The same message again is no second result.
        if !matches!(receipt.kept, Kept::Committed | Kept::Before) {
            return Err(Failure { reason: Reason::Unprocessable, findings: receipt.findings });
        }
    }
    site.surveillance.catch_up().await?;
    Ok(reply::see_other_at("/surveillance"))
}

async fn market(site: &Arc<Site>) -> Outcome<Answer> {
    let cards = site.surveillance.look(|cases| {
        let known = |name: &str| CASES.iter().any(|case| format!("{}{}", case[1], case[2]) == name);
        let of = cases.cards().filter(|card| card.disease == "cholera" && known(card.item("name")));
        of.map(|card| (card.id.clone(), card.state(), card.item("exposure-site").to_owned()))
            .collect::<Vec<_>>()
    })?;
    if cards.is_empty() {
        let what = "the laboratory has not sent its results yet";
        return Err(
            Failure::new(Reason::Conflict, "step", "conflict", what).repair("walk the step of 09:20 first")
        );
    }
    let decision = Decision {
        who: "清禾县疾控中心 流调组".into(),
        why: "流行病学调查：发病前均到过同一市场".into(),
        items: Items::from([("exposure-site".into(), MARKET.into())]),
    };
    for (id, state, exposure) in &cards {
        if exposure.is_empty() && state.after(Step::Correct).is_some() {
            site.surveillance.step(&site.requester, id, Step::Correct, &decision).await?;
        }
    }
    let contact = |name: &str, relation: &str| NewContact {
        card: cards[0].0.clone(),
        items: Items::from([
            ("name".into(), name.into()),
            ("relation".into(), relation.into()),
            ("site".into(), MARKET.into()),
        ]),
    };
    site.surveillance
        .add_contacts(&site.requester, &[contact("摊主 甲", "同摊位"), contact("摊主 乙", "邻摊")])
        .await?;
    let signal = site.surveillance.look(|cases| {
        let reference = format!("Task/{}", cards[0].0);
        cases.signals().find(|signal| signal.evidence.contains(&reference)).map(|signal| signal.id.clone())
    })?;
    let address = signal.map_or("/surveillance".to_owned(), |id| format!("/surveillance/signal/{id}"));
    Ok(reply::see_other_at(&address))
}
