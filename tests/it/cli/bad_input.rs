//! What bad input gets: code 3, a place, a remedy, nothing on standard output, no folder, and all of it at once.

use std::fs;

use super::{Desk, MANIFESTS, SCENARIO};

/// Runs a scenario that is wrong and expects both texts among the findings.
#[track_caller]
fn refused(desk: &Desk, scenario: &str, place: &str, remedy: &str) {
    let before = desk.names();
    let ended = desk.run(&["run", "-s", scenario]).ends(3);
    assert!(ended.stderr.contains(place), "no `{place}` in\n{}", ended.stderr);
    assert!(ended.stderr.contains(remedy), "no `{remedy}` in\n{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert_eq!(desk.names(), before, "something was left behind");
}

/// The scenario with one piece of text replaced.
#[track_caller]
fn refused_with(from: &str, to: &str, place: &str, remedy: &str) {
    let desk = Desk::new();
    assert!(SCENARIO.contains(from));
    desk.write("scenario.yaml", SCENARIO.replacen(from, to, 1));
    refused(&desk, "scenario.yaml", place, remedy);
}

/// A file of this content, as scenario and as manifest.
#[track_caller]
fn refused_file(content: impl AsRef<[u8]>, place: &str, remedy: &str) {
    let desk = Desk::new();
    desk.write("bad.yaml", content);
    refused(&desk, "bad.yaml", &format!("--> bad.yaml:{place}"), remedy);
    desk.write("scenario.yaml", SCENARIO.replacen("[mesh.yaml]", "[mesh.yaml, bad.yaml]", 1));
    if fs::metadata(desk.path().join("bad.yaml")).expect("there").len() > 0 {
        refused(&desk, "scenario.yaml", &format!("--> bad.yaml:{place}"), remedy);
    }
}

#[test]
fn unknown_keys_are_refused() {
    refused_with("duration:", "durtion:", "--> scenario.yaml:4:1", "did you mean `duration`?");
}

#[test]
fn wrong_units_are_refused() {
    refused_with("20s", "20parsecs", "--> scenario.yaml:4:11", "units are h, m, s, ms, us and ns");
}

#[test]
fn negative_rates_are_refused() {
    refused_with("20rps", "-20rps", "--> scenario.yaml:14:19", "write a rate such as `200rps`");
}

#[test]
fn a_request_is_no_connection() {
    refused_with("{get:", "{connect:", "--> scenario.yaml:15:27", "write `tcp://");
    refused_with("{get:", "{lasts: 3s, get:", "--> scenario.yaml:15:24", "open a connection by `connect:`");
}

#[test]
fn rules_for_names_that_the_hosts_do_not_hold_are_refused() {
    let rule = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: names}\nspec:\n  hosts: [a.com]\n  \
                tls:\n  - match: [{sniHosts: [b.com]}]\n    route: [{destination: {host: web}}]\n";
    let desk = Desk::new();
    desk.write("names.yaml", rule);
    desk.write("scenario.yaml", SCENARIO.replacen("[mesh.yaml]", "[mesh.yaml, names.yaml]", 1));
    refused(&desk, "scenario.yaml", "--> names.yaml:7:25", "add it to `hosts`, which are a.com");
}

#[test]
fn shares_over_the_whole_are_refused() {
    refused_with("{get:", "{share: 120%, get:", "--> scenario.yaml:15:24", "write a share such as `5%`");
}

#[test]
fn missing_manifests_are_refused() {
    refused_with(
        "mesh.yaml",
        "nowhere.yaml",
        "--> scenario.yaml:6:13",
        "paths start from the scenario's directory",
    );
    let desk = Desk::new();
    let ended = desk.run(&["run", "nowhere.yaml"]).ends(3);
    assert!(
        ended.stderr.contains("cannot read `nowhere.yaml`: no such file or directory"),
        "{}",
        ended.stderr
    );
}

#[test]
fn unreadable_files_are_refused() {
    let desk = Desk::new();
    // A directory, as permissions do not bind every user that tests run as.
    fs::create_dir(desk.path().join("folder.yaml")).expect("writable");
    desk.write("scenario.yaml", SCENARIO.replacen("[mesh.yaml]", "[mesh.yaml, folder.yaml]", 1));
    refused(&desk, "scenario.yaml", "--> scenario.yaml:6:24", "it holds no .yaml, .yml or .json file");
    refused(&desk, "nowhere.yaml", "cannot read `nowhere.yaml`: no such file or directory", "= help:");
}

#[test]
fn empty_files_are_refused() {
    refused_file("", "1:1", "`meshcast init` writes a scenario to start from");
}

#[test]
fn tabs_are_refused() {
    refused_file("kind: Scenario\n\tduration: 1s\n", "2:1", "replace the tab");
}

#[test]
fn deep_nesting_is_refused() {
    refused_file(
        format!("a: {}{}", "[".repeat(20_000), "]".repeat(20_000)),
        "1:504",
        "nested more than 500 levels deep",
    );
}

#[test]
fn alias_bombs_are_refused() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let before = level - 1;
        let list = vec![format!("*a{before}"); 9].join(",");
        text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
    }
    refused_file(text, "2:10", "use fewer aliases of aliases");
}

#[test]
fn calls_to_undeclared_hosts_are_refused() {
    refused_with(
        "http://reviews:9080/",
        "http://reviewz:9080/",
        "--> scenario.yaml:8:52",
        "did you mean `reviews`?",
    );
}

#[test]
fn endless_calls_are_refused() {
    let back = "reviews-v1: {concurrency: 8, calls: [\"http://page:9080/\"]";
    let both = |text: &str| text.replacen("reviews-v1: {concurrency: 8", back, 1);
    refused_with(
        "  reviews-v1: {concurrency: 8, serviceTime: 5ms}\n  reviews-v2: {concurrency: 8, serviceTime: 5ms}",
        &both(
            "  reviews-v1: {concurrency: 8, serviceTime: 5ms}\n  reviews-v2: {concurrency: 8, calls: [\"http://page:9080/\"]}",
        ),
        "--> scenario.yaml:8:3",
        "a request would never end",
    );
}

#[test]
fn workloads_without_pods_are_refused() {
    refused_with(
        "page: {concurrency: 8",
        "page: {replicas: 0, concurrency: 8",
        "--> scenario.yaml:8:20",
        "from 1 to 100000",
    );
    let desk = Desk::new();
    desk.write("mesh.yaml", MANIFESTS.replacen("replicas: 2", "replicas: 0", 1));
    refused(&desk, "scenario.yaml", "--> mesh.yaml:7:", "--set workloads.page.replicas=1");
    desk.write("mesh.yaml", MANIFESTS.replacen("app: page}}}}}", "app: pag}}}}}", 1));
    refused(&desk, "scenario.yaml", "--> mesh.yaml:5:", "add its Deployment to the manifests");
}

#[test]
fn templates_are_refused() {
    let text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Values.name }}\n";
    refused_file(text, "4:9", "helm template");
}

#[test]
fn binary_data_is_refused() {
    refused_file([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0xff], "1:1", "give YAML or JSON files, in UTF-8");
}

#[test]
fn texts_that_hold_no_scenario_are_refused() {
    for text in ["hello\n", "- a\n", "~\n"] {
        let desk = Desk::new();
        desk.write("bad.yaml", text);
        refused(&desk, "bad.yaml", "--> bad.yaml:1:1", "a scenario starts with `apiVersion: meshcast/v1`");
    }
}

#[test]
fn old_line_ends_are_refused() {
    refused_file(SCENARIO.replace('\n', "\r"), "1:1", "with line feeds at the ends of lines");
}

#[test]
fn numbers_that_would_fill_the_memory_are_refused() {
    let huge = "4000000000";
    let in_page = |key: &str| format!("page: {{{key}: {huge}, concurrency");
    refused_with("page: {concurrency", &in_page("replicas"), "--> scenario.yaml:8:20", "from 1 to 100000");
    refused_with("    gateway", &format!("    pods: {huge}\n    gateway"), ":13:11", "from 1 to 100000");
    refused_with("replications: 2", &format!("replications: {huge}"), ":5:15", "from 1 to 10000");
    refused_with("clients:", &format!("proxy: {{workers: {huge}}}\nclients:"), ":11:18", "from 1 to 1024");
    let call = "\"http://reviews:9080/\"";
    let repeated = format!("{{call: {call}, repeat: {huge}}}");
    refused_with(call, &repeated, "--> scenario.yaml:8:91", "from 1 to 1000");
    refused_with("poisson(20rps)", "bursty(20rps, cv=1e9)", "--> scenario.yaml:14:28", "1 (Poisson) to 100");
    let closed = format!("closed(users={huge}, think=1s)");
    refused_with("poisson(20rps)", &closed, "--> scenario.yaml:14:24", "write `users=50`");
    let desk = Desk::new();
    desk.write("mesh.yaml", MANIFESTS.replacen("replicas: 2", "replicas: 200000", 1));
    refused(&desk, "scenario.yaml", "--> mesh.yaml:7:84", "is a digit too many there?");
    for flag in ["--reps", "--jobs"] {
        assert!(desk.run(&["run", flag, huge]).ends(2).stderr.contains("is not in 1..="));
    }
}

#[test]
fn names_that_are_no_folder_are_refused() {
    for name in ["\"\"", "..", "\"a\\0b\"", &"n".repeat(300)] {
        refused_with("name: small", &format!("name: {name}"), "--> scenario.yaml:3:18", "up to 60 letters");
    }
}

#[test]
fn names_that_nobody_can_see_are_refused() {
    let unseen =
        "\"a\\e[31m\": {load: poisson(1rps), gateway: door, requests: [{get: \"http://shop.example.com/\"}]}";
    refused_with("clients:\n", &format!("clients:\n  {unseen}\n"), "scenario.yaml:12:3", "give it letters");
}

#[test]
fn manifests_are_no_value_to_change() {
    let desk = Desk::new();
    let told = desk.run(&["compare", "--with", "x:manifests=[other.yaml]"]).ends(2).stderr;
    assert!(told.contains("name the manifests of each configuration"), "{told}");
}

#[test]
fn objectives_on_unknown_subsets_are_refused() {
    let on = |subset: &str| format!("objectives:\n- reviews{{subset={subset}}} p(99) < 1s\n");
    refused_with("objectives:\n", &on("v9"), "--> scenario.yaml:17:18", "leave it out for the whole service");
    let desk = Desk::new();
    let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: reviews}\nspec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}\n";
    desk.write("mesh.yaml", format!("{MANIFESTS}{rule}"));
    desk.write("scenario.yaml", SCENARIO.replacen("objectives:\n", &on("v2"), 1));
    refused(&desk, "scenario.yaml", "--> scenario.yaml:17:18", "did you mean `v1`?");
    desk.write("scenario.yaml", SCENARIO.replacen("objectives:\n", &on("v1"), 1));
    assert!(!desk.run(&["run", "--no-plots"]).stderr.contains("error"));
}

/// A client that cannot be read is there all the same.
#[test]
fn one_mistake_gives_one_finding() {
    let desk = Desk::new();
    let scenario = SCENARIO.replacen("poisson", "poison", 1);
    desk.write("scenario.yaml", scenario.replacen("- success", "- client.browser p(99) < 1s\n- success", 1));
    let ended = desk.run(&["run"]).ends(3);
    assert_eq!(ended.stderr.matches("error[").count(), 1, "{}", ended.stderr);
}

#[test]
fn orders_are_blamed_where_they_stand() {
    let desk = Desk::new();
    let ended = desk.run(&["run", "--set", "workload.page.replicas=1"]).ends(3);
    assert!(ended.stderr.contains("--> --set:1:1\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean `workloads`?"), "{}", ended.stderr);
}

#[test]
fn what_comes_after_the_end_is_told() {
    let desk = Desk::new();
    let text = SCENARIO.replacen("clients:", "timeline: [{at: 20s, delete: Gateway/door}]\nclients:", 1);
    desk.write("scenario.yaml", text);
    let ended = desk.run(&["run", "--no-plots"]).ends(0);
    assert!(ended.stderr.contains("--> scenario.yaml:11:17"), "{}", ended.stderr);
    assert!(ended.stderr.contains("comes after the run, which ends at 20s"), "{}", ended.stderr);
}

/// Opening it would wait for somebody at its other end.
#[cfg(unix)]
#[test]
fn pipes_among_manifests_are_refused() {
    let desk = Desk::new();
    let made = std::process::Command::new("mkfifo").arg(desk.path().join("more.yaml")).status();
    assert!(made.expect("mkfifo is there").success());
    for manifests in ["./", "\"*.yaml\""] {
        desk.write("scenario.yaml", SCENARIO.replacen("mesh.yaml", manifests, 1));
        refused(&desk, "scenario.yaml", "--> scenario.yaml:6:13", "more.yaml`: it is no regular file");
    }
}

#[test]
fn places_where_no_folder_can_be_are_told_before_the_run() {
    let desk = Desk::new();
    let before = desk.names();
    let deep = format!("made/{}", "n".repeat(300));
    for (out, why) in [("", "it names no folder"), ("mesh.yaml/out", "not a directory"), (&deep, "too long")]
    {
        let ended = desk.run(&["run", "-o", out]).ends(1);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
        assert_eq!(ended.stdout, "", "nothing was simulated");
        assert_eq!(desk.names(), before, "something was left behind");
    }
}

/// Errors first, though what is but a warning stands before them.
#[test]
fn too_many_findings_are_cut_short() {
    let desk = Desk::new();
    let twice = "kind: ConfigMap\nmetadata: {name: x}\n---\n".repeat(151);
    desk.write("mesh.yaml", format!("{twice}{MANIFESTS}---\nkind: ["));
    let ended = desk.run(&["run"]).ends(3);
    assert_eq!(ended.stderr.matches("error[MS0001]").count(), 1, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("warning[").count(), 99);
    assert!(ended.stderr.contains("and 51 more findings"), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 error, 150 warnings"), "{}", ended.stderr);
}

#[test]
fn kinds_and_names_that_a_cluster_refuses_are_refused() {
    let manifests = |from: &str, to: &str| {
        let desk = Desk::new();
        assert!(MANIFESTS.contains(from));
        desk.write("mesh.yaml", MANIFESTS.replacen(from, to, 1));
        desk
    };
    let kind = "write `apiVersion: networking.istio.io/v1` and `kind: VirtualService`";
    let desk = manifests("kind: VirtualService", "kind: VirtualServce");
    refused(&desk, "scenario.yaml", "--> mesh.yaml:20:7", kind);
    let desk = manifests("apiVersion: networking.istio.io/v1\nkind: VirtualService", "kind: VirtualService");
    refused(&desk, "scenario.yaml", "--> mesh.yaml:19:7", "this VirtualService has no `apiVersion`");
    let desk = manifests("metadata: {name: door}", "metadata: {name: 5}");
    refused(&desk, "scenario.yaml", "--> mesh.yaml:13:18", "put it in quotes");
}
