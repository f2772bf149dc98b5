//! The platform's services of persons over the wire: two hospitals register, correct, ask and merge, and each
//! record stands for the whole person.

mod common;

use common::Site;
use tongmai_gateway::door::http::Call;
use tongmai_gateway::emit::{Visit, services};

const OWN: &str = "2.16.156.10011.2.5.1.4";
const CITIZEN: &str = "2.16.156.10011.1.3";

fn visit(organization: &str, patient: &str, citizen: &str) -> Visit {
    Visit {
        organization: organization.into(),
        organization_name: format!("医院{organization}"),
        patient: patient.into(),
        citizen: citizen.into(),
        family: "于".into(),
        given: "颖娜".into(),
        sex: "female".into(),
        birth: "19491231".into(),
        phone: "12600000001".into(),
        number: format!("V{patient}"),
        start: "20260301080000".into(),
        end: "20260301090000".into(),
        department: "03".into(),
        department_name: "内科".into(),
        doctor: "D1".into(),
        doctor_name: "方医生".into(),
        diagnoses: vec![("I10.x00".into(), "高血压".into())],
        ..Visit::default()
    }
}

fn register(visit: &Visit) -> String {
    services(visit).remove(0)
}

fn head(root: &str, sender: &str, id: &str, content: &str) -> String {
    format!(
        "<{root} xmlns=\"urn:hl7-org:v3\"><id extension=\"{id:0>32}\"/><creationTime value=\"20260302080000\"/>\
         <interactionId extension=\"{root}\"/><sender><device><id><item extension=\"{sender}\"/></id></device></sender>\
         <controlActProcess>{content}</controlActProcess></{root}>"
    )
}

fn ask(parameters: &str) -> String {
    let query = format!(
        "<queryByParameter><queryId extension=\"7\"/><statusCode code=\"new\"/><initialQuantity value=\"9\"/>\
         <matchCriterionList><minimumDegreeMatch><value value=\"100\"/><semanticsText value=\"匹配程度\"/>\
         </minimumDegreeMatch></matchCriterionList><parameterList>{parameters}</parameterList></queryByParameter>"
    );
    head("PRPA_IN201305UV02", "HIS-0001", "9", &query)
}

fn by_id(root: &str, value: &str) -> String {
    ask(&format!("<id root=\"{root}\" extension=\"{value}\"/>"))
}

fn by_citizen(value: &str) -> String {
    ask(&format!(
        "<livingSubjectId><value><item root=\"{CITIZEN}\" extension=\"{value}\"/></value>\
         <semanticsText value=\"患者身份证号\"/></livingSubjectId>"
    ))
}

fn by_name(name: &str, sex: &str) -> String {
    ask(&format!(
        "<livingSubjectAdministrativeGender><value code=\"{sex}\" codeSystem=\"2.16.156.10011.2.3.3.4\">\
         <displayName value=\"\"/></value><semanticsText value=\"患者性别\"/></livingSubjectAdministrativeGender>\
         <livingSubjectName><value><item><part value=\"{name}\"/></item></value><semanticsText value=\"患者姓名\"/>\
         </livingSubjectName>"
    ))
}

fn merge(organization: &str, kept: &str, prior: &str) -> String {
    head(
        "PRPA_IN201304UV02",
        organization,
        "5",
        &format!(
            "<subject><registrationEvent><statusCode code=\"active\"/><subject1><patient><id><item root=\"{OWN}\" \
             extension=\"{kept}\"/></id></patient></subject1><custodian><assignedEntity><id><item extension=\"D1\"/>\
             </id></assignedEntity></custodian><replacementOf><priorRegistration><statusCode code=\"obsolete\"/>\
             <subject1><priorRegisteredRole><id><item root=\"{OWN}\" extension=\"{prior}\"/></id></priorRegisteredRole>\
             </subject1></priorRegistration></replacementOf></registrationEvent></subject>"
        ),
    )
}

fn found(answer: &str) -> bool {
    answer.contains("typeCode=\"AA\"") && answer.contains("queryResponseCode code=\"OK\"")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_record_stands_for_the_whole_person() {
    let site = Site::open();
    let number = "110105194912310038";
    let (here, there) = (visit("46600083-8", "P-10017", number), visit("12345678-9", "Q-20031", number));
    for message in [register(&here), register(&there)] {
        let answer = site.serve(&message).await;
        assert!(answer.contains("typeCode=\"AA\""), "{answer}");
    }
    // Asked with the number of either hospital, with the identity number, or with name and sex: both records.
    for question in [
        by_id(OWN, "P-10017"),
        by_id(OWN, "Q-20031"),
        by_citizen(number),
        by_name("于颖娜", "2"),
        by_name("于颖娜", ""),
    ] {
        let answer = site.serve(&question).await;
        assert!(found(&answer), "{question}\n{answer}");
        assert!(answer.contains("P-10017") && answer.contains("Q-20031"), "{question}\n{answer}");
        assert!(answer.contains("医院46600083-8"), "the hospital of a record is told: {answer}");
    }
    // The record that was asked for comes first.
    let answer = site.serve(&by_id(OWN, "Q-20031")).await;
    assert!(answer.find("Q-20031") < answer.find("P-10017"), "{answer}");
    // Nobody: another number, another sex, a sex alone.
    for question in [by_citizen("110105194912310054"), by_name("于颖娜", "1"), by_name("", "2")] {
        let answer = site.serve(&question).await;
        assert!(answer.contains("code=\"NF\"") && !answer.contains("P-10017"), "{question}\n{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrections_and_merges_of_a_hospital_take_effect() {
    let site = Site::open();
    let number = "110105194912310038";
    let first = visit("46600083-8", "P-10017", number);
    // The same woman came unconscious: no number, no telephone.
    let second = Visit { phone: String::new(), ..visit("46600083-8", "P-10099", "") };
    for message in [register(&first), register(&second)] {
        assert!(site.serve(&message).await.contains("typeCode=\"AA\""));
    }
    // A correction: the day of birth is another, and there is a further telephone.
    let corrected = Visit {
        birth: "19491230".into(),
        phone: "12600000777".into(),
        start: "20260305080000".into(),
        ..first.clone()
    };
    let update = register(&corrected).replace("PRPA_IN201311UV02", "PRPA_IN201314UV02");
    let answer = site.serve(&update).await;
    assert!(answer.contains("typeCode=\"AA\""), "{answer}");
    assert_eq!((site.count("Patient", &[]), site.count("Patient", &[("phone", "12600000777")])), (2, 1));
    let answer = site.serve(&by_id(OWN, "P-10017")).await;
    assert!(answer.contains("value=\"19491230\"") && !answer.contains("value=\"19491231\""), "{answer}");
    assert!(!answer.contains("P-10099"), "not merged yet: {answer}");

    for (message, words) in [
        (merge("46600083-8", "P-10017", "P-404"), "unknown-patient"),
        (merge("46600083-8", "P-10017", ""), "mandatory-missing"),
    ] {
        let answer = site.serve(&message.replace("00005\"", &format!("{}\"", words.len() + 10_000))).await;
        assert!(answer.contains("typeCode=\"AE\""), "{words}: {answer}");
    }
    let answer = site.serve(&merge("46600083-8", "P-10017", "P-10099")).await;
    assert!(answer.contains("typeCode=\"AA\""), "{answer}");
    for own in ["P-10017", "P-10099"] {
        let answer = site.serve(&by_id(OWN, own)).await;
        assert!(found(&answer) && answer.contains("P-10017") && answer.contains("P-10099"), "{answer}");
    }
    // Over HTTP the same door answers.
    let question = by_citizen(number).into_bytes();
    let call = Call { method: "POST", path: "service", query: "", body: &question };
    let reply = site.doors.answer(&call).await;
    let text = String::from_utf8(reply.body).expect("UTF-8");
    assert!(reply.status == 200 && text.contains("P-10099"), "{text}");
}
