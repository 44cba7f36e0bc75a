//! `compare` from outside: what it prints and writes, its exit codes, and what is no comparison.

use std::fs;

use super::{Desk, Ended, MANIFESTS};

/// The small mesh once more, with a rule that times out half of the pages.
fn with_candidate() -> Desk {
    let desk = Desk::new();
    let rule = "    - destination: {host: page, port: {number: 9080}}\n";
    let new = MANIFESTS.replace(rule, &format!("{rule}    timeout: 11ms\n"));
    assert_ne!(new, MANIFESTS);
    desk.write("pr/mesh.yaml", new);
    desk.write("same/mesh.yaml", MANIFESTS);
    desk
}

fn compare(desk: &Desk, arguments: &[&str]) -> Ended {
    desk.run(&[&["compare", "-s", "scenario.yaml"], arguments].concat())
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_comparison_tells_changes_first_and_its_sentence_last() {
    let desk = with_candidate();
    let ended = compare(&desk, &["now=mesh.yaml", "new=pr/mesh.yaml"]).ends(4);
    let text = &ended.stdout;
    assert!(
        text.starts_with("Changes of new (1)\n  + VirtualService page  http[0].timeout  11ms  (added)  "),
        "{text}"
    );
    assert!(text.contains("pr/mesh.yaml:"), "{text}");
    for part in ["same requests", "now fail", "change [95% CI]", "was served and now fails", "504 UT"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("new is worse: ") || text.contains("new is better in some"), "{text}");
    assert!(
        text.trim_end()
            .lines()
            .last()
            .expect("lines")
            .starts_with("wrote outputs/small-compare/ (comparison.json, 1 CSV, 2 plots)")
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let run = json(&desk.read("outputs/small-compare/run.json"));
    assert_eq!(run["verb"], "compare");
    assert_eq!(run["configurations"][1]["name"], "new");
    assert_eq!(run["configurations"][1]["inputs"][1]["name"], "pr/mesh.yaml");
    assert_eq!(run["inputs"].as_array().expect("a list").len(), 3);
}

/// The table leaves percentiles between out, unless the sentence is about one.
#[test]
fn what_the_sentence_names_stands_in_the_table() {
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/circuit-breaker/scenario.yaml");
    let more = [
        "-s",
        scenario,
        "--duration",
        "10s",
        "--warmup",
        "1s",
        "--reps",
        "3",
        "--with",
        "x:network.latency=2ms",
    ];
    let out = Desk::new().run(&[&["compare"], &more[..], &["-o", "-", "--no-plots"]].concat()).stdout;
    let named =
        out.split_once("Best: ").and_then(|(_, rest)| rest.split_once(" -")).expect("some are better").0;
    assert_eq!(named, "p90 fortio", "{out}");
    let row = format!("  {named} ");
    assert!(out.lines().any(|line| line.starts_with(&row) && line.ends_with("  better")), "{out}");
}

#[test]
fn files_hold_the_contract_s_columns_and_the_same_figures() {
    let desk = with_candidate();
    compare(&desk, &["now=mesh.yaml", "new=pr/mesh.yaml", "same=same/mesh.yaml", "-q"]).ends(4);
    let csv = desk.read("outputs/small-compare/comparison.csv");
    assert_eq!(
        csv.lines().next(),
        Some("candidate,figure,scope,target,subset,reference,value,change,change_ci95,verdict")
    );
    let found = json(&desk.read("outputs/small-compare/comparison.json"));
    assert_eq!(found["schema"], "meshcast.compare/v1");
    assert_eq!(found["stamp"]["verb"], "compare");
    let figures = found["figures"].as_array().expect("a list");
    assert_eq!(figures.len(), csv.lines().count() - 1);
    for (row, figure) in csv.lines().skip(1).zip(figures) {
        let cell = |name: &str| match &figure[name] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        let names = csv.lines().next().expect("a header").split(',');
        assert_eq!(names.map(cell).collect::<Vec<_>>().join(","), row);
    }
    for row in csv.lines().filter(|row| row.starts_with("same,")) {
        assert!(row.ends_with(",0,0,same"), "{row}");
    }
    let lost: u64 = found["pairs"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|row| row["candidate"] == "new" && row["client"].is_null())
        .map(|row| {
            row["served_failed"].as_u64().expect("a number")
                + row["failed_served"].as_u64().expect("a number")
        })
        .sum();
    assert_eq!(found["flips"].as_u64(), Some(lost));
    // What has no other half has no way either, and is told once.
    assert!(found["pairs"].as_array().expect("a list").iter().all(|row| row.get("base_only").is_none()));
    assert_eq!(found["not_paired"].as_array().expect("a list").len(), 4, "all and the browser, twice");
    assert_eq!(found["not_paired"][0]["left_out"], 0);
    assert!(lost > 10);
    assert_eq!(found["changes"][0]["object"], "VirtualService page");
    assert_eq!(found["changes"][0]["new"]["file"], "pr/mesh.yaml");
    assert!(found["changes"][0]["old"].is_null());
    let example = &found["examples"][0];
    assert_eq!(example["of_candidate"]["outcome"], "504 UT");
    assert!(example["base"]["story"].as_array().is_some_and(|story| story.len() > 2));
}

#[test]
fn jobs_change_no_byte() {
    let read = |jobs: &str| {
        let desk = with_candidate();
        let arguments = ["mesh.yaml", "new=pr/mesh.yaml", "--jobs", jobs, "--reps", "5"];
        let ended = compare(&desk, &arguments).ends(4);
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for folder in ["outputs/small-compare", "outputs/small-compare/plots"] {
            for entry in fs::read_dir(desk.path().join(folder)).expect("written") {
                let path = entry.expect("readable").path();
                if path.is_file() {
                    files.push((
                        path.file_name().expect("a name").to_string_lossy().into_owned(),
                        fs::read(&path).expect("readable"),
                    ));
                }
            }
        }
        files.sort();
        (ended.stdout, files)
    };
    let (one, eight) = (read("1"), read("8"));
    assert_eq!(one.1.len(), 7);
    assert!(one == eight, "{}\n{}", one.0, eight.0);
}

/// What is left of an interrupted comparison is that of fewer replications.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_keeps_the_replications_that_are_done() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    let desk = Desk::new();
    let two = ["compare", "--with", "x:workloads.page.serviceTime=6ms", "--no-plots", "-o"];
    // Changes are printed just before the work begins, so that it is known when. On a slow machine it may take longer
    // than that until the first replication is done.
    let stopped = [200, 2_000, 20_000].into_iter().find_map(|millis| {
        let mut command = desk.command(&[&two[..], &["cut", "--reps", "10000", "--jobs", "1"]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut text = String::new();
        out.read_line(&mut text).expect("text");
        assert!(text.starts_with("Changes of x (1)"), "{text}");
        std::thread::sleep(Duration::from_millis(millis));
        assert!(
            Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("sent").success()
        );
        out.read_to_string(&mut text).expect("text");
        let ended = Ended::of(child.wait_with_output().expect("it ends")).ends(130);
        let nothing = ended.stderr.contains("before the first replication was done; nothing was written");
        assert_eq!(nothing, !desk.has("cut"), "{}", ended.stderr);
        (!nothing).then_some((text, ended.stderr))
    });
    let (text, told) = stopped.expect("twenty seconds are enough for one replication");
    assert!(text.contains("same requests") && text.contains("wrote cut/"), "{text}");
    let done = told.split(" of 10000 replications, as with `--reps ").nth(1);
    let done = done.and_then(|rest| rest.split('`').next()).unwrap_or_else(|| panic!("{told}"));
    assert!(told.contains(&format!("interrupted: the results are of {done} of ")), "{told}");
    desk.run(&[&two[..], &["whole", "--reps", done, "-q"]].concat()).ends(0);
    assert_eq!(desk.read("cut/run.json"), desk.read("whole/run.json"));
}

#[test]
fn variants_of_one_configuration_need_no_second_file() {
    let desk = Desk::new();
    let slow = "slow:workloads.reviews-v1.serviceTime=90ms";
    let arguments = [
        "--with",
        slow,
        "--with",
        "slow:workloads.reviews-v2.serviceTime=90ms",
        "--with",
        "workloads.page.replicas=2",
    ];
    let text = compare(&desk, &arguments).ends(0).stdout;
    assert!(
        text.starts_with("Changes of slow (2)\n  ~ Scenario  workloads.reviews-v1.serviceTime  5ms -> 90ms"),
        "{text}"
    );
    assert!(text.contains("scenario.yaml:9 -> --with"), "{text}");
    assert!(text.contains("workloads.page.replicas=2 does exactly what base does"), "{text}");
    assert!(text.contains("slow is worse"), "{text}");
    let found = json(&desk.read("outputs/small-compare/comparison.json"));
    assert_eq!(found["candidates"][0]["verdict"], "worse");
    assert_eq!(found["candidates"][1]["equal"], true);
    assert_eq!(found["stamp"]["replications"], 2);
}

#[test]
fn studies_take_eight_replications_where_the_scenario_is_silent() {
    let desk = Desk::new();
    desk.write("scenario.yaml", super::SCENARIO.replace("replications: 2\n", ""));
    let arguments = ["--with", "x:workloads.page.serviceTime=6ms", "--format", "json", "-o", "-"];
    assert_eq!(json(&compare(&desk, &arguments).ends(0).stdout)["stamp"]["replications"], 8);
    let three = [&arguments[..], &["--reps", "3"]].concat();
    assert_eq!(json(&compare(&desk, &three).ends(0).stdout)["stamp"]["replications"], 3);
}

#[test]
fn a_precision_holds_for_the_change_of_each_objective() {
    let desk = Desk::new();
    let slower = ["--with", "x:workloads.page.serviceTime=6ms", "--duration", "5s"];
    let run = |more: &[&str]| {
        let ended =
            compare(&desk, &[&slower[..], &["--slo", "client.browser avg < 1s", "-q"], more].concat())
                .ends(0);
        assert_eq!(ended.stderr, "");
        json(&desk.read("outputs/x/comparison.json"))
    };
    let told = run(&["-o", "outputs/x", "--precision", "0.5%", "--jobs", "1"]);
    let found = told["stamp"]["replications"].as_u64().expect("a number");
    let figures = told["figures"].as_array().expect("a list");
    let mean = figures.iter().find(|row| row["figure"] == "latency_mean_ms").expect("there");
    let number = |name: &str| mean[name].as_f64().expect("a number");
    assert!(number("change_ci95") <= 0.005 * number("reference"), "{mean}");
    assert!((7..60).contains(&found), "{found}");
    let whole = desk.read("outputs/x/run.json");
    run(&["-o", "outputs/x", "--reps", &found.to_string(), "--jobs", "3"]);
    assert!(desk.read("outputs/x/run.json") == whole, "as with so many replications");
    for verb in ["capacity", "sweep"] {
        let asked = [verb, "--vary", "load=1x..2x", "--precision", "2%"];
        assert!(desk.run(&asked).ends(2).stderr.contains("all have as many replications"), "{verb}");
    }
}

#[test]
fn exit_codes_tell_regressions_and_missed_objectives() {
    let desk = with_candidate();
    // Of two replications all figures together prove nothing.
    let slower = ["--with", "x:workloads.reviews-v1.serviceTime=9ms", "-q", "--reps", "6"];
    let with = |more: &[&str]| compare(&desk, &[&slower[..], more].concat());
    with(&[]).ends(0);
    let failed = with(&["--fail-on-regression", "5%"]).ends(6);
    assert!(failed.stdout.contains("FAIL  x: ") && failed.stdout.contains("by more than 5%: "), "{failed:?}");
    assert!(with(&["--fail-on-regression", "5000%"]).ends(0).stdout.contains("PASS  x: "));
    with(&["--fail-on-regression", "5%", "--exit-zero"]).ends(0);
    // A missed objective comes before a regression, and the base's own misses are nobody's fault.
    let missed = ["mesh.yaml", "new=pr/mesh.yaml", "-q", "--fail-on-regression", "5%"];
    compare(&desk, &missed).ends(4);
    compare(&desk, &["new=pr/mesh.yaml", "now=mesh.yaml", "-q"]).ends(0);
}

#[test]
fn a_gate_says_what_it_knows_in_every_format() {
    let desk = with_candidate();
    let gate = ["--fail-on-regression", "5%", "-o", "-"];
    let slower = [&gate[..], &["--with", "x:workloads.reviews-v1.serviceTime=9ms", "--reps", "4"]].concat();
    let with = |more: &[&str]| compare(&desk, &[&slower[..], more].concat());
    let one = ["--with", "x:workloads.page.replicas=3", "--reps", "1"];
    let refused = compare(&desk, &[&gate[..], &one].concat()).ends(2);
    assert!(refused.stderr.contains("cannot tell a regression from noise by one"), "{}", refused.stderr);
    compare(&desk, &[&["-o", "-"], &one[..]].concat()).ends(0);

    for format in ["json", "csv"] {
        let ended = with(&["--format", format]).ends(6);
        assert!(
            ended.stderr.contains("FAIL  x: ") && ended.stderr.contains("mean browser"),
            "{}",
            ended.stderr
        );
    }
    let found = json(&with(&["--format", "json"]).ends(6).stdout);
    assert_eq!(found["fail_on_regression_pct"], 5);
    let gate = &found["candidates"][0]["gate"];
    assert_eq!(gate["verdict"], "fail");
    let regressions = gate["regressions"].as_array().expect("a list");
    let marked = found["figures"].as_array().expect("a list");
    let marked: Vec<_> = marked.iter().filter(|row| row["regression"] == true).collect();
    assert!(!marked.is_empty() && marked.len() == regressions.len(), "{gate}");
    for row in &marked {
        assert!(row["p_value"].as_f64().is_some_and(|p| p < 0.05), "{row}");
    }
    let text = with(&["--format", "markdown"]).ends(6).stdout;
    assert!(text.contains("\n❌ ") && text.contains(" worse by more than 5%: "), "{text}");

    // Percentiles of a few requests cannot be judged, and nobody says they passed.
    let short = with(&["-q", "--duration", "4s"]);
    let line = short.stdout.lines().find(|line| line.contains("  x: ")).expect("a gate").to_owned();
    assert!(line.contains(" could not be judged: ") && line.contains("p99 browser"), "{line}");
}

#[test]
fn nothing_that_is_worse_has_a_tick() {
    let desk = with_candidate();
    let slower = ["--with", "x:workloads.reviews-v1.serviceTime=60ms", "--reps", "4", "-o", "-"];
    let text = compare(&desk, &[&slower[..], &["--format", "markdown"]].concat()).ends(0).stdout;
    let line = text.lines().nth(1).expect("a sentence");
    assert!(line.starts_with("**⚠️ x is worse: "), "{line}");
}

#[test]
fn each_configuration_tells_what_its_figures_lack() {
    let desk = with_candidate();
    // Three pages at once for a client that asks for more.
    let slow = ["--set", "workloads.page.serviceTime=400ms", "--set", "workloads.page.concurrency=1"];
    let more = ["--with", "x:workloads.page.replicas=60", "--duration", "60s", "-o", "-", "--format"];
    let with = |format: &str| compare(&desk, &[&slow[..], &more, &[format]].concat()).ends(0);
    let text = with("text");
    assert!(text.stdout.contains("  note  base: no steady state: page "), "{}", text.stdout);
    assert!(text.stdout.contains("had no answer when the run ended"), "{}", text.stdout);
    assert!(text.stderr.contains("warning: base: no steady state: page "), "{}", text.stderr);
    assert!(text.stdout.contains("No steady state of base: all this depends"), "{}", text.stdout);
    assert!(text.stdout.contains("with `--format csv`: "), "no file is written: {}", text.stdout);
    let found = json(&with("json").stdout);
    assert_eq!(found["notes"][0]["configurations"], serde_json::json!(["base"]));
    assert!(found["base"]["unfinished"].as_f64().is_some_and(|count| count > 1.0));
    assert!(with("markdown").stdout.contains("\n⚠️ base: no steady state: page "));
}

#[test]
fn errors_of_a_candidate_name_it_and_its_flag() {
    let desk = with_candidate();
    let wrong = ["--with", "good:workloads.page.replicas=3", "--with", "bad:workloads.pgae.replicas=2"];
    let ended = compare(&desk, &wrong).ends(3);
    let told = &ended.stderr;
    assert!(told.contains("in candidate bad:\n") && !told.contains("in candidate good:"), "{told}");
    assert!(told.contains("--with:1:") && !told.contains("--set"), "{told}");
    let all = ["--set", "workloads.pgae.replicas=2", "--with", "good:workloads.page.replicas=3"];
    let told = compare(&desk, &all).ends(3).stderr;
    assert!(told.contains("--set:1:") && !told.contains("in candidate"), "{told}");
}

#[test]
fn markdown_is_a_comment_for_a_pull_request() {
    let desk = with_candidate();
    let text =
        compare(&desk, &["mesh.yaml", "new=pr/mesh.yaml", "--format", "markdown", "-o", "-"]).ends(4).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "<!-- meshcast:small -->");
    assert!(lines[1].starts_with("**❌ new is ") && lines[1].ends_with("**"), "{}", lines[1]);
    let open = text.split("<details>").next().expect("a head");
    assert!(open.lines().filter(|line| line.starts_with("| ")).count() <= 9, "{open}");
    assert!(text.trim_end().ends_with("</details>"));
    let csv = compare(&desk, &["mesh.yaml", "new=pr/mesh.yaml", "--format", "csv", "-o", "-"]).ends(4).stdout;
    assert!(csv.starts_with("candidate,figure,"));
    assert!(!desk.has("outputs"));
}

#[test]
fn what_is_no_comparison_is_told_with_a_remedy() {
    let desk = with_candidate();
    for (arguments, code, part) in [
        (&["mesh.yaml"][..], 2, "there is nothing to compare with"),
        (&["mesh.yaml", "mesh.yaml"], 2, "two configurations are called `mesh.yaml`"),
        (&["mesh.yaml", "pr/mesh.yaml", "--with", "x:seed=1"], 2, "there are several"),
        (&["mesh.yaml", "other=scenario.yaml"], 2, "is a scenario, and all configurations run under one"),
        (&["--with", "x:seed=7"], 3, "`x` has another seed than the base"),
        (&["--with", "x:duration=10s"], 3, "another duration"),
        (&["--with", "x:warmup=3s"], 3, "another duration, warm-up"),
        (&["--with", "x:drain=3s"], 3, "warm-up, drain or window"),
        (&["--with", "x:clients.browser.requests[0].name=home"], 3, "other clients or classes"),
        (&["--with", "x:replications=9"], 3, "another number of replications"),
        (&["--with", "x:objectives=[]"], 3, "other objectives"),
        (&["--with", "x:workloads.pgae.replicas=2"], 3, "did you mean `page`"),
        (&["--with", "x:VirtualService/nope:spec.x=2"], 3, "there is no object `VirtualService/nope`"),
        (&["--with", "x"], 3, "`x` sets nothing"),
        (&["mesh.yaml", "gone.yaml"], 3, "gone.yaml"),
        (&["--with", "x:workloads.page.replicas=3", "--fail-on-regression", "5"], 2, "such as `5%`"),
    ] {
        let ended = compare(&desk, arguments).ends(code);
        assert!(ended.stderr.contains(part), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("help") || ended.stderr.contains("write"), "{}", ended.stderr);
        assert!(!desk.has("outputs"), "{arguments:?}");
    }
}

#[test]
fn findings_that_configurations_share_are_told_once() {
    let desk = with_candidate();
    let odd = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: odd}\n\
               spec: {hosts: [reviews], htpt: 1, http: [{route: [{destination: {host: reviews}}]}]}\n";
    desk.write("mesh.yaml", format!("{MANIFESTS}{odd}"));
    let ended = compare(&desk, &["--with", "x:workloads.page.serviceTime=6ms", "-o", "-"]).ends(0);
    assert_eq!(ended.stderr.matches("unknown field").count(), 1, "{}", ended.stderr);
}
