//! The evening of the story: what the forms of these pages enter, entered by one press for somebody who only wants
//! to look. Facts pass the same checks, ballots the same office; nothing is put behind either.

use std::collections::BTreeSet;
use std::sync::Arc;

use tongmai_engagement::ballot::Channel;
use tongmai_engagement::feasibility::Rating;
use tongmai_engagement::institution::fact::{
    Actor, ActorKind, Conversation, Donation, Fact, Fund, Moderation, Needed, Offered, Project, Rated,
    Statement, Survey,
};
use tongmai_engine::Outcome;
use tongmai_fhir::json::Json;
use tongmai_http::{Answer, Asked};

use super::enter::{failure, pairs, write};
use super::personal::search;
use super::voting::{hand_in, room, trouble};
use super::{State, problem};
use crate::county::{CITIZEN, citizen_number};
use crate::frame::Frame;
use crate::{Site, reply};

const TITLE: &str = "村卫生室长期处方";
const HALL: usize = 40;
const ONLINE: usize = 300;
const RATERS: usize = 60;
/// Statements with their English; the first five are shared by both groups.
const STATEMENTS: [(&str, &str); 8] = [
    ("村卫生室一次应能配 12 周的药", "Village clinics should hand out twelve weeks at once"),
    ("配药时要有人讲清怎么吃", "Somebody must explain how to take it"),
    ("血压不稳的人应该两周看一次", "Unstable blood pressure should be seen every two weeks"),
    ("药送到村里不要加钱", "Delivery to the village should cost nothing more"),
    ("看病路上的车费应能报销一部分", "A part of the fare should be paid back"),
    ("长期处方只该在县医院开", "Only the county hospital should write long prescriptions"),
    ("网上复诊就够了，不必见医生", "A review online is enough, without seeing a doctor"),
    ("年轻人可以代老人取药", "The young may collect medicine for the old"),
];

/// `POST /participation/story/{step}`
pub async fn step(site: &Arc<Site>, asked: &Asked, frame: Frame, step: &str) -> Outcome<Answer> {
    if pairs(asked).is_none() {
        return Ok(problem::show(asked, frame, 403, "wrong", ""));
    }
    let there = match step {
        "policy" => format!("/participation/project/{}", policy(site).await?.0),
        "evening" => {
            let talk = policy(site).await?.1;
            evening(site, &talk).await?;
            format!("/participation/conversation/{talk}/results")
        }
        "needs" => {
            policy(site).await?;
            needs(site).await?;
            "/participation/organisations".into()
        }
        _ => return Ok(problem::show(asked, frame, 404, "lost", "")),
    };
    Ok(reply::see(&there))
}

async fn enter(site: &Arc<Site>, fact: Fact) -> Outcome<String> {
    State::now(site).await?.check(site.today(), &fact).map_err(failure)?;
    write(site, &fact).await
}

/// The actor of this name; registered when it is not.
async fn actor(site: &Arc<Site>, name: &str, kind: ActorKind, licences: &[&str]) -> Outcome<String> {
    let state = State::now(site).await?;
    if let Some((id, _)) = state.actors.iter().find(|(_, actor)| actor.name == name) {
        return Ok(id.clone());
    }
    let licences = licences.iter().map(|x| (*x).to_owned()).collect();
    enter(site, Fact::Actor(Actor { name: name.into(), kind, licences, ..Actor::default() })).await
}

/// The policy on long prescriptions with its conversation; begun when it is not there. Ids of both.
async fn policy(site: &Arc<Site>) -> Outcome<(String, String)> {
    let state = State::now(site).await?;
    let begun = state.projects.iter().find(|(_, file)| file.project.title == TITLE);
    if let Some((id, file)) = begun
        && let Some(talk) = file.conversations.first()
    {
        return Ok((id.clone(), talk.clone()));
    }
    let today = site.today();
    let agency = actor(site, "清禾县卫生健康局", ActorKind::Agency, &[]).await?;
    actor(site, "清禾县糖友会", ActorKind::PatientOrganisation, &[]).await?;
    let policy = vec!["不指名攻击个人".to_owned(), "不泄露他人病情".into(), "一条只说一件事".into()];
    let standing = Conversation {
        title: "您最需要什么？".into(),
        opens: today,
        closes: today + 365,
        policy: policy.clone(),
        ..Conversation::default()
    };
    let standing = enter(site, Fact::Conversation(standing)).await?;
    let need = Statement {
        conversation: standing,
        text: "村里一次只能配两周的药，来回要走一天".into(),
        name: "格桑花".into(),
        translations: vec!["en: Two weeks of medicine at a time, and a day on the road for it".into()],
        day: today,
        ..Statement::default()
    };
    let need = enter(site, Fact::Statement(need)).await?;
    let (decision, who) = ("accept".into(), "李组织".into());
    let let_through =
        Moderation { statement: need.clone(), decision, who, day: today, ..Moderation::default() };
    enter(site, Fact::Moderation(let_through)).await?;
    let project = Project {
        title: TITLE.into(),
        kind: "policy".into(),
        major: true,
        agency,
        need,
        disease: "hypertension".into(),
        affected: 900,
    };
    let project = enter(site, Fact::Project(project)).await?;
    let talk = Conversation {
        project: project.clone(),
        title: "长期处方怎么办才好？".into(),
        opens: today,
        closes: today + 30,
        policy,
        evidence: vec!["《长期处方管理规范（试行）》2021".into()],
        ..Conversation::default()
    };
    let talk = enter(site, Fact::Conversation(talk)).await?;
    for (text, english) in STATEMENTS {
        let seed = Statement {
            conversation: talk.clone(),
            text: text.into(),
            name: "组织者".into(),
            seed: true,
            translations: vec![format!("en: {english}")],
            day: today,
        };
        enter(site, Fact::Statement(seed)).await?;
    }
    let survey = Survey {
        project: project.clone(),
        title: "取药，您更看重什么？".into(),
        purpose: "大家愿意为就近取药、少跑几趟放弃多少别的。结果附在项目的证据里，决定前公布。".into(),
        attributes: vec![
            "取药地点: 村卫生室 | 乡镇卫生院 | 县医院".into(),
            "每次配药: 4 周 | 8 周 | 12 周".into(),
            "每月自付: 0 元 | 10 元 | 30 元".into(),
        ],
        tasks: 8,
        opens: today,
        closes: today + 30,
    };
    enter(site, Fact::Survey(survey)).await?;
    Ok((project, talk))
}

/// Citizen's numbers of grown-up residents.
async fn residents(site: &Arc<Site>, count: usize) -> Outcome<Vec<String>> {
    let pairs = [
        ("identifier", format!("{CITIZEN}|")),
        ("birthdate", "le2006-01-01".to_owned()),
        ("_count", "1000".to_owned()),
    ];
    let found = search(site, "Patient", &pairs).await?;
    let numbers: BTreeSet<String> = found
        .iter()
        .filter_map(|patient| citizen_number(&Json::parse(&patient.text).ok()?).map(str::to_owned))
        .collect();
    Ok(numbers.into_iter().take(count).collect())
}

/// How one of two groups votes: on the first five all agree, on the others the groups are of two minds.
fn vote(voter: usize, statement: usize) -> i8 {
    let odd = (voter * 7 + statement * 13).is_multiple_of(11);
    match (statement, odd) {
        (_, true) => 0,
        (0..5, false) => 1,
        (_, false) if (statement + voter).is_multiple_of(2) => 1,
        _ => -1,
    }
}

/// Forty people in the hall on paper, the others online; whoever has a ballot already gets no second one.
async fn evening(site: &Arc<Site>, talk: &str) -> Outcome<()> {
    let people = residents(site, HALL + ONLINE).await?;
    let (hall, online) = people.split_at(HALL.min(people.len()));
    let room = room(site, talk).await?;
    let votes = |voter: usize| -> Vec<(u32, i8)> {
        (0..STATEMENTS.len()).map(|s| (s as u32, vote(voter, s))).collect()
    };
    let sheets = room.print(hall).await.map_err(trouble)?;
    for (voter, sheet) in sheets.iter().enumerate() {
        if let Some(token) = room.token_of(&sheet.code) {
            hand_in(site, room.clone(), token, votes(voter), Channel::Paper).await?;
        }
    }
    for (voter, number) in online.iter().enumerate() {
        match room.issue_here(number).await {
            Ok(token) => drop(hand_in(site, room.clone(), token, votes(voter), Channel::Online).await?),
            Err(tongmai_ballots::Trouble::Issued) => {}
            Err(other) => return Err(trouble(other)),
        }
    }
    let (project, _) = policy(site).await?;
    let rated = State::now(site).await?.projects.get(&project).map_or(0, |file| file.ratings.len());
    for rater in rated..RATERS.min(people.len()) {
        let rating = Rating {
            project: project.clone(),
            difficulty: 1 + (rater % 3) as u8,
            experience: 2 + (rater % 4) as u8,
            satisfaction: 2 + (rater % 3) as u8,
            barriers: vec![["travel", "stock", "forms", "cost"][rater % 4].into()],
            role: if rater % 4 == 0 { "carer" } else { "patient" }.into(),
            age: 38 + (rater * 7 % 45) as u8,
            rural: rater % 5 != 0,
            disease: "hypertension".into(),
            stage: ["newly", "treated", "stable", "complicated"][rater % 4].into(),
            day: site.today(),
            ..Rating::default()
        };
        enter(site, Fact::Rated(Rated { rating })).await?;
    }
    Ok(())
}

/// Needs by stage of illness, what a charity and an enterprise offer, and a fund.
async fn needs(site: &Arc<Site>) -> Outcome<()> {
    let today = site.today();
    let charity = actor(site, "清禾慈善会", ActorKind::Charity, &[]).await?;
    let enterprise = actor(site, "康足公司", ActorKind::Enterprise, &["foot_care"]).await?;
    let state = State::now(site).await?;
    if !state.offers.is_empty() {
        return Ok(());
    }
    for person in 0..36usize {
        let need = Needed {
            kind: ["foot_care", "equipment", "foot_care", "transport"][person % 4].into(),
            region: ["清河乡", "河湾镇"][person % 2].into(),
            disease: "diabetes".into(),
            stage: ["complicated", "stable", "newly"][person % 3].into(),
            consent: person % 9 != 0,
            urgency: (person % 4) as u8,
            day: today,
            ..Needed::default()
        };
        enter(site, Fact::Needed(need)).await?;
    }
    let offers = [
        (&enterprise, "foot_care", "上门足部护理", true, 12),
        (&charity, "equipment", "血糖试纸", false, 20),
    ];
    for (organisation, kind, title, needs_licence, places) in offers {
        let offer = Offered {
            organisation: organisation.clone(),
            kind: kind.into(),
            title: title.into(),
            diseases: vec!["diabetes".into()],
            needs_licence,
            places,
            day: today,
            ..Offered::default()
        };
        enter(site, Fact::Offered(offer)).await?;
    }
    let fund = Fund {
        organisation: charity,
        purpose: "糖尿病足部护理".into(),
        from: today,
        until: today + 365,
        ..Fund::default()
    };
    let fund = enter(site, Fact::Fund(fund)).await?;
    for (what, fen, note) in [("receipt", 500_000, "康足公司捐赠"), ("payment", 36_000, "试纸 20 盒")]
    {
        let (fund, what, note) = (fund.clone(), what.to_owned(), note.to_owned());
        enter(site, Fact::Donation(Donation { fund, what, fen, note, day: today, ..Donation::default() }))
            .await?;
    }
    Ok(())
}
