//! `verify`, and the replications that `--precision` finds, which it runs again.

use std::fs;

use super::{Desk, SCENARIO};

/// A desk with a short run in `out`.
fn ran(more: &[&str]) -> Desk {
    let desk = Desk::new();
    desk.run(&[&["run", "--duration", "5s", "-o", "out", "-q"], more].concat()).ends(0);
    desk
}

#[test]
fn what_was_saved_comes_out_the_same() {
    let plain = ran(&["--no-plots"]);
    let told = plain.run(&["verify", "out"]).ends(0);
    assert!(told.stdout.starts_with("out comes out the same: 9 files, digest "), "{}", told.stdout);
    assert_eq!((told.stdout.lines().count(), told.stderr.as_str()), (1, ""));
    assert_eq!(plain.run(&["verify", "out/", "-q", "--jobs", "1"]).ends(0).stdout, "");

    let drawn =
        ran(&["--seed", "7", "--reps", "3", "--set", "workloads.page.concurrency=4", "--slo", "p(99) < 1s"]);
    let told = drawn.run(&["verify", "out", "-s", "scenario.yaml"]).ends(0);
    assert!(told.stdout.contains(": 19 files, "), "{}", told.stdout);
}

#[test]
fn the_scenario_is_found_by_name_and_digest() {
    let desk = ran(&["--no-plots"]);
    for name in ["scenario.yaml", "mesh.yaml"] {
        let text = desk.read(name);
        desk.write(&format!("deep/down/{name}"), text);
        fs::remove_file(desk.path().join(name)).expect("there");
    }
    // Equal, but without its manifests.
    desk.write("aside/scenario.yaml", SCENARIO);
    desk.run(&["verify", "out"]).ends(0);

    desk.write("deep/down/scenario.yaml", format!("{SCENARIO}# later\n"));
    desk.write("aside/scenario.yaml", format!("{SCENARIO}# other\n"));
    let told = desk.run(&["verify", "out"]).ends(7).stderr;
    assert!(told.contains("aside/scenario.yaml, deep/down/scenario.yaml") && told.contains("`-s`"), "{told}");
    let told = desk.run(&["verify", "out", "-s", "deep/down/scenario.yaml"]).ends(7).stdout;
    assert!(told.contains("\n  input scenario.yaml: sha256 ") && told.contains("\n  run.json:"), "{told}");

    fs::remove_dir_all(desk.path().join("deep")).expect("there");
    fs::remove_dir_all(desk.path().join("aside")).expect("there");
    assert!(desk.run(&["verify", "out"]).ends(3).stderr.contains("there is no `scenario.yaml` below"));
}

#[test]
fn manifests_that_replaced_the_scenario_s_are_given_again() {
    let desk = Desk::new();
    let mesh = desk.read("mesh.yaml");
    desk.write("other.yaml", mesh.replace("replicas: 2", "replicas: 3"));
    desk.run(&[
        "run",
        "other.yaml",
        "-s",
        "scenario.yaml",
        "--duration",
        "5s",
        "-o",
        "out",
        "-q",
        "--no-plots",
    ])
    .ends(0);
    desk.run(&["verify", "out", "other.yaml"]).ends(0);
    let told = desk.run(&["verify", "out"]).ends(7).stdout;
    assert!(told.contains("  input other.yaml: sha256 ") && told.contains(" -> not read\n"), "{told}");
    assert!(told.contains("  input mesh.yaml: not read -> sha256 "), "{told}");
    let help = desk.run(&["verify", "out"]).ends(7).stderr;
    assert!(help.contains("name them again: `meshcast verify out mesh/`"), "{help}");
}

#[test]
fn differences_are_told_where_they_are() {
    let desk = ran(&["--no-plots"]);
    desk.write(
        "scenario.yaml",
        SCENARIO
            .replace("page: {concurrency: 8, serviceTime: 5ms", "page: {concurrency: 8, serviceTime: 6ms"),
    );
    let told = desk.run(&["verify", "out", "-s", "scenario.yaml"]).ends(7).stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[1].starts_with("  input scenario.yaml: sha256 "), "{told}");
    let cell = lines.iter().find(|line| line.starts_with("  clients.csv:2 (browser, ")).expect("a cell");
    assert!(cell.contains(" latency_mean_ms: ") && cell.contains(" -> "), "{told}");
}

/// The first twenty are told, and how many more there are.
#[test]
fn many_differences_are_counted() {
    let desk = ran(&["--no-plots"]);
    let told = |count: u32| {
        (0..count).for_each(|number| desk.write(&format!("out/mine-{number:02}.txt"), "notes"));
        let told = desk.run(&["verify", "out"]).ends(7).stdout;
        let rows = told.lines().filter(|line| line.starts_with("  mine-")).count();
        (rows, told.lines().last().expect("lines").to_owned())
    };
    assert_eq!(told(20), (20, "  mine-19.txt: 5 bytes -> nothing".to_owned()));
    assert_eq!(told(21), (20, "  and 1 file more".to_owned()));
    assert_eq!(told(25), (20, "  and 5 files more".to_owned()));
}

#[test]
fn another_version_is_told_first_and_hands_that_edited_too() {
    let desk = ran(&["--no-plots"]);
    let clients = desk.read("out/clients.csv");
    desk.write("out/clients.csv", clients.replacen("browser", "Browser", 1));
    let told = desk.run(&["verify", "out"]).ends(7).stdout;
    assert!(
        told.contains("files were changed, added or lost after the run")
            && told.contains("the run itself comes out the same"),
        "{told}"
    );
    assert!(told.contains("clients.csv:2 client: Browser -> browser\n"), "{told}");

    desk.write("out/clients.csv", clients);
    desk.write("out/mine.txt", "notes");
    let told = desk.run(&["verify", "out"]).ends(7).stdout;
    assert!(told.ends_with("  mine.txt: 5 bytes -> nothing\n"), "{told}");
    fs::remove_file(desk.path().join("out/mine.txt")).expect("there");

    let run = desk.read("out/run.json");
    desk.write("out/run.json", run.replace("\"version\": \"", "\"version\": \"0."));
    let told = desk.run(&["verify", "out"]).ends(7).stdout;
    assert!(told.lines().nth(1).expect("a line").starts_with("  meshcast: 0."), "{told}");
}

/// Gives a command that writes into `out`, and verifies what it wrote, with other threads.
fn is_verified(desk: &Desk, command: &[&str], more: &[&str]) {
    let line = [command, &["--duration", "3s", "--reps", "2", "-o", "out", "-q", "--exit-zero"]].concat();
    desk.run(&line).ends(0);
    let told = desk.run(&[&["verify", "out", "--jobs", "3"], more].concat()).ends(0);
    assert!(told.stdout.starts_with("out comes out the same: "), "{}", told.stdout);
    assert_eq!((told.stdout.lines().count(), told.stderr.as_str()), (1, ""), "{command:?}");
}

#[test]
fn every_verb_that_writes_can_be_asked_again() {
    let desk = Desk::new();
    let slo = ["--slo", "client.browser p(90) < 1s"];
    let vary = ["--vary", "workloads.page.concurrency=4,8"];
    is_verified(&desk, &["capacity", slo[0], slo[1], "--vary=load=1x..2x", "--find=max-rps"], &[]);
    let pods = ["--vary=workloads.page.replicas=1..3", "--cost=replicas=2", "--rps=20", "--survive=pod"];
    is_verified(&desk, &[&["capacity", "--no-plots"], &slo[..], &pods].concat(), &[]);
    is_verified(&desk, &[&["sweep", "--seed=3"], &vary[..]].concat(), &[]);
    is_verified(&desk, &["sweep", "--fresh", "--design=sobol", "--points=4", "--vary=load=1x..2x"], &[]);
    is_verified(&desk, &[&["sweep", "--fresh", "--shard=1/2"], &vary[..]].concat(), &[]);
    is_verified(&desk, &["sweep", "--fresh", "--sensitivity", "--range=30%"], &[]);
    let few = "--with=few:workloads.page.replicas=1";
    is_verified(&desk, &["compare", few, "--with=seed=42", "--fail-on-regression=7.5%"], &[]);
}

#[test]
fn what_a_sweep_s_parts_give_together_can_be_asked_again() {
    let desk = Desk::new();
    for shard in ["0/2", "1/2"] {
        let folder = format!("part-{}", &shard[..1]);
        let vary = "--vary=workloads.page.concurrency=4,8,12";
        desk.run(&["sweep", vary, "--shard", shard, "--duration=3s", "-q", "-o", &folder]).ends(0);
    }
    desk.run(&["report", "part-1", "part-0", "-o", "whole", "-q"]).ends(0);
    desk.run(&["verify", "whole", "-q"]).ends(0);
    fs::remove_file(desk.path().join("part-0/run.json")).expect("there");
    assert!(desk.run(&["verify", "part-0"]).ends(3).stderr.contains("its sweep is not finished"));
}

#[test]
fn manifests_of_a_comparison_are_found_by_their_names_or_given_again() {
    let desk = Desk::new();
    let mesh = desk.read("mesh.yaml");
    desk.write("pr/mesh.yaml", mesh.replace("replicas: 2", "replicas: 1"));
    is_verified(&desk, &["compare", "mesh.yaml", "pr/mesh.yaml"], &[]);
    is_verified(&desk, &["compare", "now=mesh.yaml", "new=pr"], &["now=mesh.yaml", "new=pr"]);
    let told = desk.run(&["verify", "out", "now=mesh.yaml"]).ends(3).stderr;
    assert!(told.contains("the manifests of `new` are missing") && told.contains("`new=path`"), "{told}");

    desk.write("pr/mesh.yaml", mesh.replace("replicas: 2", "replicas: 3"));
    let told = desk.run(&["verify", "out"]).ends(7).stdout;
    assert!(told.contains("  input pr/mesh.yaml: sha256 "), "{told}");
    fs::remove_dir_all(desk.path().join("pr")).expect("there");
    let told = desk.run(&["verify", "out"]).ends(3).stderr;
    assert!(told.contains("`pr/mesh.yaml` of `new` is not found"), "{told}");
}

#[test]
fn what_cannot_be_verified_says_why() {
    let desk = ran(&["--no-plots"]);
    assert!(desk.run(&["verify", "."]).ends(3).stderr.contains("`.` holds no run.json"));
    let run = desk.read("out/run.json");
    for (from, to, why) in [
        ("\"verb\": \"run\"", "\"verb\": \"dance\"", "does not know: `dance "),
        ("\"inputs\": [", "\"flags\": [\"--new\"], \"inputs\": [", "does not know: `run --new`"),
        ("mesh.yaml", "-", "standard input, which is kept nowhere"),
        ("\"replications\": 2", "\"replications\": 0", "names 0 replications"),
        ("{", "[", "is not as `meshcast` writes it"),
        ("\"seed\": 42", "\"seed\": \"42\"", "is not as `meshcast` writes it"),
    ] {
        desk.write("out/run.json", run.replacen(from, to, 1));
        let told = desk.run(&["verify", "out"]).ends(3).stderr;
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn a_precision_is_so_many_replications() {
    let desk = Desk::new();
    let run = |more: &[&str]| {
        let fixed =
            ["run", "--duration", "5s", "--no-plots", "--slo", "client.browser avg < 1s", "--seed", "3"];
        desk.run(&[&fixed, more].concat())
    };
    run(&["--precision", "2%", "-o", "one", "--jobs", "1", "-q"]).ends(0);
    let stamp: serde_json::Value = serde_json::from_str(&desk.read("one/run.json")).expect("JSON");
    let found = stamp["replications"].as_u64().expect("a number");
    assert!(found >= 7, "{found}");
    run(&["--precision", "2%", "-o", "two", "--jobs", "3", "-q"]).ends(0);
    run(&["--reps", &found.to_string(), "-o", "three", "-q"]).ends(0);
    for name in ["run.json", "summary.json", "timeseries.csv"] {
        let of = |folder: &str| desk.read(&format!("{folder}/{name}"));
        assert!(of("one") == of("two") && of("one") == of("three"), "{name}");
    }
    desk.run(&["verify", "one"]).ends(0);
    run(&["--precision", "2%", "--reps", "4"]).ends(2);
    run(&["--precision", "2"]).ends(2);
    assert!(
        run(&["--precision", "2%", "--set", "replications=3"]).ends(2).stderr.contains("leave out `--set")
    );
}

#[test]
fn a_precision_that_nothing_reaches_is_told() {
    let desk = Desk::new();
    let told = desk
        .run(&["run", "--duration", "1s", "--precision", "50%", "--slo", "max < 10s", "-o", "-", "-q"])
        .ends(0);
    assert!(told.stderr.contains("no number of replications makes `max < 10s` precise"), "{}", told.stderr);
    let told = desk
        .run(&["run", "--duration", "200ms", "--precision", "0.01%", "--slo", "rps > 1rps", "-o", "-", "-q"])
        .ends(0);
    assert!(
        told.stderr.contains("`--precision` ends at 1000 replications: the interval of `rps > 1rps`"),
        "{}",
        told.stderr
    );
}
