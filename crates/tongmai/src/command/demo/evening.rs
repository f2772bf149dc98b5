//! The evening of the story: residents, a patient organisation and a charity come to the demo's county before
//! its visitor does. Everything is sent to the pages, as a browser would send it; nothing is written beside them.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{COOKIE, SET_COOKIE};
use hyper::{HeaderMap, Method};
use tongmai_access::Requester;
use tongmai_base::time::civil_from_days;
use tongmai_http::{Asked, Pages};
use tongmai_region::County;

/// People in the hall, of them those whose ballot a village proxy carries, and people online.
const HALL: usize = 40;
const PROXY: usize = 12;
const ONLINE: usize = 300;
/// People who rate the draft.
const RATERS: usize = 120;
/// People who ask for help.
const NEEDS: usize = 36;

/// Statements: all agree on the first five, on the others two groups are of two minds. With English beside.
const STATEMENTS: [(&str, &str); 8] = [
    ("村卫生室一次应能配 12 周的药", "A village room should give 12 weeks of medicine at once"),
    ("配药时要有人讲清怎么吃", "Somebody should explain how to take it"),
    ("血压不稳的人应该两周看一次", "Unstable blood pressure should be seen every two weeks"),
    ("药送到村里不要加钱", "Delivery to the village should cost nothing extra"),
    ("看病路上的车费应能报销一部分", "A part of the fare should be paid back"),
    ("长期处方只该在县医院开", "Only the county hospital should write long prescriptions"),
    ("网上复诊就够了，不必见医生", "A visit online is enough; no need to see a doctor"),
    ("年轻人可以代老人取药", "The young may fetch medicine for the old"),
];

struct Evening<'p> {
    pages: &'p Pages,
    today: i64,
}

/// What came back.
struct Got {
    status: u16,
    cookie: String,
    text: String,
}

/// Plays the evening over the pages.
pub async fn play(pages: &Pages, county: &County) -> Result<()> {
    let evening = Evening { pages, today: county.today };
    // The people of the story vote themselves, when somebody walks the tour.
    let grown_up = |person: &tongmai_region::person::Person| {
        person.household > 1 && person.died.is_none() && person.age(county.today) >= 18
    };
    let people: Vec<(String, i64)> = county
        .everyone()
        .filter(grown_up)
        .filter_map(|person| Some((person.identity_number.clone()?, person.age(county.today))))
        .take(HALL + ONLINE)
        .collect();
    let (project, talk) = evening.begins().await?;
    evening.hall(&talk, &people[..HALL.min(people.len())]).await?;
    for (voter, (number, _)) in people.iter().enumerate().skip(HALL) {
        evening.online(&talk, number, voter).await?;
    }
    for (rater, (_, age)) in people.iter().take(RATERS).enumerate() {
        evening.rate(&project, rater, *age).await?;
    }
    evening.needs_and_offers().await
}

impl Evening<'_> {
    fn date(&self, days_on: i64) -> String {
        let (year, month, day) = civil_from_days(self.today + days_on);
        format!("{year:04}-{month:02}-{day:02}")
    }

    async fn ask(&self, method: Method, path: &str, body: String, cookie: &str) -> Result<Got> {
        let mut headers = HeaderMap::new();
        if !cookie.is_empty() {
            headers.insert(COOKIE, cookie.parse()?);
        }
        let requester = Requester::shared_local();
        let (path, query) = (path.to_owned(), String::new());
        let asked = Asked { method, path, query, headers, body: Bytes::from(body), requester };
        let (parts, body) = (self.pages)(asked).await.into_parts();
        let header = |name| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
        let cookie = header(SET_COOKIE).split(';').next().unwrap_or("").to_owned();
        let bytes = match body.collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(_) => bail!("the page broke off"),
        };
        Ok(Got { status: parts.status.as_u16(), cookie, text: String::from_utf8_lossy(&bytes).into_owned() })
    }

    async fn get(&self, path: &str) -> Result<String> {
        Ok(self.ask(Method::GET, path, String::new(), "").await?.text)
    }

    async fn post(&self, address: &str, fields: &[(&str, &str)], cookie: &str) -> Result<Got> {
        let body = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        let body = body.collect::<Vec<_>>().join("&");
        self.ask(Method::POST, &format!("/participation/{address}"), body, cookie).await
    }

    /// Sends a form that must be taken.
    async fn enter(&self, address: &str, fields: &[(&str, &str)]) -> Result<()> {
        let got = self.post(address, fields, "").await?;
        if got.status != 303 {
            bail!("the evening of the story: {address} was not taken ({})", got.status);
        }
        Ok(())
    }

    /// What stands behind `before` on a page.
    async fn behind(&self, page: &str, before: &str) -> Result<String> {
        let text = self.get(page).await?;
        let rest = text.split_once(before).with_context(|| format!("{page} has no {before}"))?.1;
        Ok(rest.split(['"', '/', '?']).next().unwrap_or("").to_owned())
    }

    /// The value of a form's option by its words.
    async fn option(&self, page: &str, name: &str) -> Result<String> {
        let text = self.get(page).await?;
        let end = text
            .find(&format!("\">{name}</option>"))
            .with_context(|| format!("{name} is no option of {page}"))?;
        Ok(text[..end].rsplit("value=\"").next().unwrap_or("").to_owned())
    }

    /// Registers, the need, the project, its conversation with statements.
    async fn begins(&self) -> Result<(String, String)> {
        for (name, kind, licence, sponsor) in [
            ("清禾县卫生健康局", "agency", "", ""),
            ("清禾县糖友会", "patient_organisation", "", "康足公司"),
            ("清禾慈善会", "charity", "", ""),
            ("康足公司", "enterprise", "foot_care", ""),
        ] {
            let fields = [("name", name), ("kind", kind), ("licences", licence), ("sponsors", sponsor)];
            self.enter("enter/actor", &fields).await?;
        }
        let (today, year_on, month_on) = (self.date(0), self.date(365), self.date(40));
        let policy = "不指名攻击个人\n不泄露他人病情\n一条只说一件事";
        let open = [("opens", today.as_str()), ("policy", policy)];
        let asked = [("title", "您最需要什么？"), ("closes", year_on.as_str())];
        self.enter("enter/conversation", &[open.as_slice(), &asked].concat()).await?;
        let standing = self.behind("/participation/say", "/participation/conversation/").await?;
        let need = [
            ("conversation", standing.as_str()),
            ("text", "村里一次只能配两周的药，来回要走一天"),
            ("name", "格桑花"),
        ];
        self.enter("enter/statement", &need).await?;
        let organise = format!("/participation/conversation/{standing}/organise");
        let need = self.behind(&organise, "name=\"statement\" value=\"").await?;
        let accept = [("statement", need.as_str()), ("decision", "accept"), ("who", "糖友会 李组织")];
        self.enter("enter/moderation", &accept).await?;
        let office = "/participation/office";
        let agency = self.option(office, "清禾县卫生健康局").await?;
        let project = [
            ("title", "村卫生室长期处方"),
            ("kind", "policy"),
            ("major", "yes"),
            ("agency", agency.as_str()),
            ("need", need.as_str()),
            ("disease", "hypertension"),
            ("affected", "900"),
        ];
        self.enter("enter/project", &project).await?;
        let project = self.behind(office, "/participation/project/").await?;
        let asked = [
            ("project", project.as_str()),
            ("title", "长期处方怎么办才好？"),
            ("closes", month_on.as_str()),
            (
                "evidence",
                "《长期处方管理规范（试行）》：病情稳定者最长 12 周\n本县村卫生室近一年处方天数见病历统计",
            ),
        ];
        self.enter("enter/conversation", &[open.as_slice(), &asked].concat()).await?;
        let talk =
            self.behind(&format!("/participation/project/{project}"), "/participation/conversation/").await?;
        for (statement, english) in STATEMENTS {
            let english = format!("en: {english}");
            let fields = [
                ("conversation", talk.as_str()),
                ("text", statement),
                ("translations", english.as_str()),
                ("name", "组织者"),
                ("seed", "yes"),
            ];
            self.enter("enter/statement", &fields).await?;
        }
        let tomorrow = self.date(1);
        let meeting = [
            ("project", project.as_str()),
            ("conversation", talk.as_str()),
            ("title", "长期处方座谈"),
            ("place", "清禾县礼堂"),
            ("day", tomorrow.as_str()),
            ("agenda", "听意见\n逐条表决\n卫健局答复"),
            ("selection", "抽签，一半来自村里"),
        ];
        self.enter("enter/meeting", &meeting).await?;
        Ok((project, talk))
    }

    /// Sheets against the attendance list, filled in and entered.
    async fn hall(&self, talk: &str, people: &[(String, i64)]) -> Result<()> {
        let list: Vec<&str> = people.iter().map(|(number, _)| number.as_str()).collect();
        let printed =
            self.post("attendance", &[("conversation", talk), ("people", &list.join("\n"))], "").await?;
        let sheets = printed.text.split_once("<pre tabindex=\"0\">").context("no sheets were printed")?.1;
        let sheets = sheets.split("</pre>").next().unwrap_or("");
        for (at, code) in sheets.split_whitespace().enumerate() {
            let channel = if at < PROXY { "proxy" } else { "paper" };
            let votes = votes(at);
            let mut fields = vec![("conversation", talk), ("code", code), ("channel", channel)];
            fields.extend(votes.iter().map(|(name, vote)| (name.as_str(), vote.as_str())));
            self.enter("paper", &fields).await?;
        }
        Ok(())
    }

    async fn online(&self, talk: &str, number: &str, voter: usize) -> Result<()> {
        let got = self.post("ballot", &[("conversation", talk), ("number", number)], "").await?;
        let votes = votes(voter);
        let mut fields = vec![("conversation", talk)];
        fields.extend(votes.iter().map(|(name, vote)| (name.as_str(), vote.as_str())));
        let voted = self.post("vote", &fields, &got.cookie).await?;
        if voted.status != 303 {
            bail!("the evening of the story: a vote was not taken ({})", voted.status);
        }
        Ok(())
    }

    async fn rate(&self, project: &str, rater: usize, age: i64) -> Result<()> {
        let (age, difficulty) = (age.to_string(), (1 + rater % 4).to_string());
        let (experience, satisfaction) = ((2 + rater % 3).to_string(), (1 + rater % 3).to_string());
        let fields = [
            ("rating.project", project),
            ("rating.difficulty", difficulty.as_str()),
            ("rating.experience", experience.as_str()),
            ("rating.satisfaction", satisfaction.as_str()),
            ("rating.barriers", ["travel", "stock", "knowledge"][rater % 3]),
            ("rating.barriers", ["cost", "travel"][rater % 2]),
            ("rating.role", if rater.is_multiple_of(5) { "carer" } else { "patient" }),
            ("rating.age", age.as_str()),
            ("rating.rural", if !rater.is_multiple_of(4) { "yes" } else { "" }),
            ("rating.region", ["清河乡", "芦滩乡", "雪山乡"][rater % 3]),
            ("rating.disease", ["hypertension", "diabetes"][usize::from(rater.is_multiple_of(4))]),
            ("rating.stage", ["stable", "treated", "newly", "complicated"][rater % 4]),
        ];
        self.enter("enter/rating", &fields).await
    }

    async fn needs_and_offers(&self) -> Result<()> {
        for n in 0..NEEDS {
            let fields = [
                ("kind", ["foot_care", "equipment"][n % 2]),
                ("region", ["清河乡", "芦滩乡"][n % 2]),
                ("disease", "diabetes"),
                ("stage", ["complicated", "stable"][n % 2]),
                ("urgency", ["1", "2", "3"][n % 3]),
                ("consent", if n % 17 == 16 { "" } else { "yes" }),
            ];
            self.enter("enter/need", &fields).await?;
        }
        let page = "/participation/organisations";
        let (company, charity) =
            (self.option(page, "康足公司").await?, self.option(page, "清禾慈善会").await?);
        let offer = [
            ("organisation", company.as_str()),
            ("kind", "foot_care"),
            ("title", "上门足部护理"),
            ("stages", "complicated"),
            ("needs_licence", "yes"),
            ("places", "15"),
        ];
        self.enter("enter/offer", &offer).await?;
        let offer = [
            ("organisation", charity.as_str()),
            ("kind", "equipment"),
            ("title", "血糖试纸一年份"),
            ("places", "12"),
        ];
        self.enter("enter/offer", &offer).await?;
        let (today, year_on) = (self.date(0), self.date(365));
        let fund = [
            ("organisation", charity.as_str()),
            ("purpose", "糖尿病足救助"),
            ("from", today.as_str()),
            ("until", year_on.as_str()),
        ];
        self.enter("enter/fund", &fund).await?;
        let fund = self.behind(page, "<select name=\"fund\" required><option value=\"").await?;
        let receipt =
            [("fund", fund.as_str()), ("what", "receipt"), ("fen", "5000000"), ("note", "企业定向捐赠")];
        self.enter("enter/donation", &receipt).await
    }
}

/// The votes of one voter: of two groups, here and there a pass.
fn votes(voter: usize) -> Vec<(String, String)> {
    let vote = |statement: usize| {
        let passes = (voter * 7 + statement * 13).is_multiple_of(11);
        match (statement, passes) {
            (_, true) => 0,
            (0..5, _) => 1,
            _ if (statement + voter).is_multiple_of(2) => 1,
            _ => -1,
        }
    };
    let seen = (0..STATEMENTS.len()).filter(|statement| !(voter + statement).is_multiple_of(9));
    seen.map(|statement| (format!("v{statement}"), vote(statement).to_string())).collect()
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}
