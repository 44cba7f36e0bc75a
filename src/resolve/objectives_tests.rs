//! Tests of objectives: one line in, its meaning or its mistake out.

use super::*;
use crate::kernel::arrivals::Load;
use crate::mesh::ServiceId;
use crate::mesh::workload::{Class, ClientKind};
use crate::resolve::clients;
use crate::resolve::fixture::{Town, read as read_scenario};

fn some_clients() -> Table<ClientId, Client> {
    let (_, scenario, findings) = read_scenario(
        "clients:\n  browser:\n    load: poisson(2krps)\n    requests:\n    - {share: 95%, get: \"http://reviews/p\"}\n    - {share: 5%, get: \"http://reviews/p\", cookies: {a: b}}\n",
    );
    assert!(findings.is_empty());
    let mut findings = Vec::new();
    let plans = clients::clients(&scenario, &Town, &Default::default(), &mut findings);
    assert!(findings.is_empty());
    plans.into_iter().map(|plan| plan.with_proxies(Vec::new(), true)).collect()
}

fn read(text: &str) -> Result<Objective, Fault> {
    let clients = some_clients();
    parse(
        text,
        &Scopes {
            names: &Town,
            namespace: "default",
            clients: &clients,
            left_out: Vec::new(),
            is_whole: true,
        },
    )
}

#[test]
fn clients_become_load_and_classes() {
    let clients = some_clients();
    let client = &clients.rows()[0];
    assert_eq!((&client.kind, &client.load), (&ClientKind::Sidecar, &Load::Poisson { rate: 2_000.0 }));
    let names: Vec<&str> = client.classes.iter().map(|class: &Class| class.name.as_str()).collect();
    assert_eq!(names, ["GET /p", "GET /p #2"]);
    assert_eq!(client.classes[1].headers, [("cookie".to_owned(), "a=b".to_owned())]);
}

#[test]
fn every_form_of_the_grammar_is_read() {
    let all = read("success >= 99.9%").unwrap();
    assert_eq!(
        (all.scope, all.figure, all.comparison),
        (ObjectiveScope::All, Figure::SuccessPct, Comparison::GreaterOrEqual)
    );
    assert!((all.limit - 99.9).abs() < 1e-9);
    let p99 = read("p(99) < 250ms").unwrap();
    assert_eq!((p99.figure, p99.limit), (Figure::Latency(0.99), 250.0));
    assert_eq!(read("p99.9<1.5s").unwrap().limit, 1_500.0);
    let subset = read("reviews{subset=v2} p(99) < 250ms").unwrap();
    let service = ServiceId::from_index(0);
    assert_eq!(subset.scope, ObjectiveScope::Service { service, subset: Some("v2".to_owned()) });
    assert_eq!(read("reviews mean < 20ms").unwrap().scope, ObjectiveScope::Service { service, subset: None });
    let class = read("client.browser{class=GET /p #2} mean < 20ms").unwrap();
    let client = ClientId::from_index(0);
    assert_eq!(class.scope, ObjectiveScope::Client { client, class: Some("GET /p #2".to_owned()) });
    assert_eq!(read("rps > 100").unwrap().limit, 100.0);
    assert_eq!(read("rps > 2krps").unwrap().limit, 2_000.0);
    assert_eq!(read("ejections <= 3").unwrap().figure, Figure::Ejections);
}

#[test]
fn mistakes_point_into_the_text() {
    let cases = [
        ("succes >= 99%", "succes", "did you mean `success`?"),
        ("success >= 99", "99", "write `99%`"),
        ("p(99) < 250", "250", "write 250s or 250ms"),
        ("p(99) == 250ms", "==", "use `<`"),
        ("reveiws p(99) < 1s", "reveiws", "did you mean `reviews`?"),
        ("client.browsr p(99) < 1s", "browsr", "did you mean `browser`?"),
        ("client.browser{class=x} mean < 1s", "x", "GET /p"),
        ("reviews{subset=v3} mean < 1s", "v3", "did you mean `v1`?"),
        ("ratings{subset=v1} mean < 1s", "v1", "leave it out"),
        ("reviews{version=v2} mean < 1s", "version=v2", "{subset=...}"),
        ("p(99)", "p(99)", "such as"),
    ];
    for (text, place, help) in cases {
        let fault = read(text).unwrap_err();
        assert_eq!(&text[fault.range.clone()], place, "{text}: {}", fault.message);
        assert!(fault.help.as_ref().is_some_and(|said| said.contains(help)), "{text}: {fault:?}");
    }
}
