//! The program from outside: verbs, exit codes, what goes where, and (in a file of its own) what bad input gets.

mod bad_input;
mod comparing;
mod verify;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A small Bookinfo: a gateway, a page, reviews in two versions.
const MANIFESTS: &str = r#"
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: page}, spec: {ports: [{name: http, port: 9080}], selector: {app: page}}}
- {apiVersion: v1, kind: Service, metadata: {name: reviews}, spec: {ports: [{name: http, port: 9080}], selector: {app: reviews}}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: page}, spec: {replicas: 2, template: {metadata: {labels: {app: page}}}}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: reviews-v1}, spec: {replicas: 2, template: {metadata: {labels: {app: reviews, version: v1}}}}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: reviews-v2}, spec: {template: {metadata: {labels: {app: reviews, version: v2}}}}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: door}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: page}
spec:
  hosts: [shop.example.com]
  gateways: [door]
  http:
  - match: [{uri: {exact: /page}}, {uri: {prefix: /static}}]
    route:
    - destination: {host: page, port: {number: 9080}}
"#;

const SCENARIO: &str = r#"apiVersion: meshcast/v1
kind: Scenario
metadata: {name: small}
duration: 20s
replications: 2
manifests: [mesh.yaml]
workloads:
  page: {concurrency: 8, serviceTime: 5ms, calls: ["http://reviews:9080/"]}
  reviews-v1: {concurrency: 8, serviceTime: 5ms}
  reviews-v2: {concurrency: 8, serviceTime: 5ms}
clients:
  browser:
    gateway: door
    load: poisson(20rps)
    requests: [{get: "http://shop.example.com/page"}]
objectives:
- success >= 99%
"#;

/// A directory of its own with the small mesh in it.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().expect("a directory"));
        desk.write("mesh.yaml", MANIFESTS);
        desk.write("scenario.yaml", SCENARIO);
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("writable");
        fs::write(path, content).expect("writable");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).expect("written before")
    }

    fn has(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshcast"));
        command.current_dir(self.path()).args(arguments).env_clear().env("COLUMNS", "80");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().expect("it starts"))
    }

    /// Names in the directory, hidden ones too.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("there");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn of(output: Output) -> Ended {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("we write UTF-8");
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    fn ends(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

// --- verbs and flags ---

#[test]
fn help_tells_verbs_and_exit_codes() {
    let desk = Desk::new();
    let help = desk.run(&["--help"]).ends(0).stdout;
    for word in [
        "run ",
        "compare ",
        "verify ",
        "init ",
        "schema ",
        "completions ",
        "man ",
        "130  interrupted",
        "4    objective missed",
    ] {
        assert!(help.contains(word), "{word} is missing of\n{help}");
    }
    assert!(desk.run(&["run", "--help"]).ends(0).stdout.contains("--show-config"));
    assert!(desk.run(&[]).ends(2).stdout.is_empty());
    assert!(desk.run(&["fly"]).ends(2).stderr.contains("unrecognized subcommand 'fly'"));
    assert!(desk.run(&["run", "--duration", "10"]).ends(2).stderr.contains("--duration"));
}

#[test]
fn a_run_tells_routes_first_and_then_the_verdict() {
    let desk = Desk::new();
    let ended = desk.run(&["run"]).ends(0);
    assert_eq!(ended.stderr, "");
    let expected = "  Where requests go (calls per 100 requests of the client, if nothing fails)
    browser: 20 rps (Poisson) at gateway door, 1 proxy
        100%  door → shop.example.com
              by VirtualService default/page http[0] (mesh.yaml:26)
              → page (2 hosts)
        100%  page → reviews:9080      no rule (3 hosts)

small · 20s simulated · ";
    assert!(ended.stdout.starts_with(expected), "{}", ended.stdout);
    assert!(ended.stdout.contains("\n  PASS  1 of 1 objective met\n    ✓  success >= 99%  100.0% ± "));
    assert!(ended.stdout.contains("\nwrote outputs/small/ (summary.json, 7 CSV, 5 plots)  digest "));
    for name in ["run.json", "summary.json", "clients.csv", "plots/overview.png", "plots/split.svg"] {
        assert!(desk.has(&format!("outputs/small/{name}")), "{name} is missing");
    }
}

#[test]
fn a_missed_objective_is_code_4_unless_told_otherwise() {
    let desk = Desk::new();
    let slo = ["--slo", "p(99) < 1ms", "-o", "-"];
    let run = |more: &[&str]| desk.run(&[&["run"], &slo[..], more].concat());
    let quiet = run(&["-q"]).ends(4);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("FAIL  1 of 2 objectives missed\n", ""));
    run(&["--exit-zero"]).ends(0);
    assert!(!desk.has("outputs"), "`-o -` writes no folder");
}

#[test]
fn formats_are_clean_on_standard_output() {
    let desk = Desk::new();
    let run = |format: &str| desk.run(&["run", "-o", "-", "--format", format]).ends(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&run("json")).expect("JSON and nothing else");
    assert_eq!(json["schema"], "meshcast.run/v1");
    assert_eq!(json["traffic"]["clients"][0]["calls"][0]["rule"]["file"], "mesh.yaml");
    assert!(run("csv").starts_with("client,class,requests,requests_ci95,rps,"));
    assert!(run("markdown").starts_with("<!-- meshcast:small -->\n"));
    assert!(desk.run(&["run", "--format", "xml"]).ends(2).stdout.is_empty());
}

#[test]
fn results_depend_on_neither_threads_nor_place() {
    let desk = Desk::new();
    desk.run(&["run", "-o", "one", "--jobs", "1"]).ends(0);
    desk.run(&["run", "-o", "three", "--jobs", "3"]).ends(0);
    let scenario = desk.path().join("scenario.yaml");
    let mut elsewhere = desk.command(&["run", "-s", scenario.to_str().expect("UTF-8"), "-o"]);
    elsewhere.arg(desk.path().join("far")).current_dir("/");
    Ended::of(elsewhere.output().expect("it starts")).ends(0);
    for name in ["run.json", "summary.json", "timeseries.csv", "plots/latency.svg"] {
        let of = |folder: &str| desk.read(&format!("{folder}/{name}"));
        assert_eq!(of("one"), of("three"), "{name}");
        assert_eq!(of("one"), of("far"), "{name}");
    }
    assert!(!desk.read("far/run.json").contains(desk.path().to_str().expect("UTF-8")));
    assert_ne!(
        desk.read("one/run.json"),
        {
            desk.run(&["run", "-o", "other", "--seed", "7"]).ends(0);
            desk.read("other/run.json")
        },
        "another seed gives other results"
    );
}

#[test]
fn flags_and_sets_change_the_scenario() {
    let desk = Desk::new();
    let flags = ["--seed", "7", "--reps", "1", "--duration", "10s", "--warmup", "2s", "-o", "-"];
    let sets = ["--set", "workloads.page.replicas=4", "--set", "VirtualService/page:spec.http[0].name=x"];
    let ended = desk.run(&[&["run"], &flags[..], &sets[..]].concat()).ends(0);
    assert!(ended.stdout.contains("small · 10s simulated"), "{}", ended.stdout);
    assert!(ended.stdout.contains("seed 7 · 1 replication"));
    assert!(ended.stdout.contains("by VirtualService default/page \"x\" (mesh.yaml:26) → page (4 hosts)"));
    let wrong = desk.run(&["run", "--set", "workloads.pge.replicas=4"]).ends(3);
    assert!(wrong.stderr.contains("did you mean `page`?"), "{}", wrong.stderr);
    let wrong = desk.run(&["run", "--slo", "sucess > 1%"]).ends(3);
    assert!(wrong.stderr.contains("--> --slo:1:1") && wrong.stderr.contains("success"), "{}", wrong.stderr);
}

#[test]
fn the_shown_configuration_runs_alike() {
    let desk = Desk::new();
    let shown = desk.run(&["run", "--show-config"]).ends(0).stdout;
    assert!(shown.contains("\nseed: 42  # default\n"), "{shown}");
    assert!(shown.contains("\nduration: 20s\n"), "{shown}");
    desk.write("shown.yaml", &shown);
    desk.run(&["run", "-o", "before"]).ends(0);
    desk.run(&["run", "-s", "shown.yaml", "-o", "after"]).ends(0);
    assert_eq!(desk.read("before/clients.csv"), desk.read("after/clients.csv"));
    assert_eq!(
        desk.run(&["run", "-s", "shown.yaml", "--show-config"]).ends(0).stdout.matches("# default").count(),
        0
    );
}

#[test]
fn scenarios_are_found_beside_the_manifests() {
    let desk = Desk::new();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let from = |arguments: &[&str]| {
        let mut command = desk.command(arguments);
        Ended::of(command.current_dir(elsewhere.path()).output().expect("it starts"))
    };
    let manifest = desk.path().join("mesh.yaml");
    from(&["run", manifest.to_str().expect("UTF-8"), "-o", "-"]).ends(0);
    let lost = from(&["run"]).ends(2);
    assert!(lost.stderr.contains("scenario.yaml, meshcast.yaml") && lost.stderr.contains("meshcast init"));
}

/// People forget `-s`.
#[test]
fn a_scenario_among_the_manifests_is_the_scenario() {
    let desk = Desk::new();
    let named = desk.run(&["run", "-s", "scenario.yaml", "-o", "-"]).ends(0).stdout;
    fs::write(desk.path().join("other.yaml"), "kind: Service\n").expect("written");
    assert_eq!(
        desk.run(&["run", "./", "-o", "-"]).ends(0).stdout,
        named,
        "a directory with its own manifests"
    );
    fs::remove_file(desk.path().join("other.yaml")).expect("there");
    fs::rename(desk.path().join("scenario.yaml"), desk.path().join("peak.yaml")).expect("renamed");
    assert_eq!(desk.run(&["run", "peak.yaml", "-o", "-"]).ends(0).stdout, named);
    assert_eq!(desk.run(&["run", "mesh.yaml", "peak.yaml", "-o", "-"]).ends(0).stdout, named);
}

#[test]
fn manifests_come_through_a_pipe_too() {
    let desk = Desk::new();
    let mut command = desk.command(&["run", "-", "-s", "scenario.yaml", "-o", "-"]);
    command.stdin(fs::File::open(desk.path().join("mesh.yaml")).expect("there"));
    let ended = Ended::of(command.output().expect("it starts")).ends(0);
    assert!(ended.stdout.contains("(-:26)"), "{}", ended.stdout);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let desk = Desk::new();
    let mut command = desk.command(&["run"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let ended = Ended::of(child.wait_with_output().expect("it ends")).ends(0);
    assert_eq!(ended.stderr, "");
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_run_leaves_no_half() {
    let desk = Desk::new();
    // Kubernetes asks with SIGTERM.
    for signal in ["-INT", "-TERM"] {
        let command = desk.command(&["run", "--duration", "300h", "--jobs", "1", "--set", "window=1h"]);
        let ended = interrupted(command, signal, Duration::from_millis(700));
        assert!(ended.stderr.contains("nothing was written"), "{}", ended.stderr);
        assert_eq!(desk.names(), ["mesh.yaml", "scenario.yaml"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_left_of_an_interrupted_run_is_that_of_fewer_replications() {
    let desk = Desk::new();
    let command = desk.command(&["run", "--reps", "10000", "-q", "-o", "cut", "--no-plots"]);
    let ended = interrupted(command, "-INT", Duration::from_millis(1500));
    let done = ended.stderr.split("as with `--reps ").nth(1).and_then(|rest| rest.split('`').next());
    let done = done.unwrap_or_else(|| panic!("{ended:?}")).to_owned();
    desk.run(&["run", "--reps", &done, "-q", "-o", "whole", "--no-plots"]).ends(0);
    assert_eq!(desk.read("cut/run.json"), desk.read("whole/run.json"));
}

/// Starts, sends a signal after a while, and waits for the end.
#[cfg(target_os = "linux")]
fn interrupted(mut command: Command, signal: &str, after: Duration) -> Ended {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(after);
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().expect("there is a `kill`").success());
    // A replication looks up from its work a hundred times; a debug build on a busy machine takes its time.
    for _ in 0..600 {
        if child.try_wait().expect("it can be asked").is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ended::of(child.wait_with_output().expect("it ends")).ends(130)
}

#[test]
fn colours_come_when_they_are_asked_for() {
    let desk = Desk::new();
    let run = |arguments: &[&str]| desk.run(&[&["run", "-o", "-"], arguments].concat()).ends(0).stdout;
    assert!(!run(&[]).contains('\u{1b}'));
    assert!(run(&["--color", "always"]).contains("\u{1b}[32mPASS"));
    let broken = desk.run(&["run", "-s", "no.yaml", "--color", "always"]).ends(3);
    assert!(broken.stderr.contains('\u{1b}'), "{}", broken.stderr);
}

// --- the output folder ---

#[test]
fn foreign_folders_stay_as_they_are() {
    let desk = Desk::new();
    desk.write("mine/letter.txt", "dear");
    let refused = desk.run(&["run", "-o", "mine"]).ends(1);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!((refused.stdout.as_str(), desk.read("mine/letter.txt").as_str()), ("", "dear"));
    desk.run(&["run", "-o", "mine", "--force"]).ends(0);
    assert!(!desk.has("mine/letter.txt") && desk.has("mine/run.json"));
    desk.run(&["run", "-o", "mine", "--no-plots"]).ends(0);
    assert!(!desk.has("mine/plots"), "ours is replaced as a whole");
    for own in [".", "mesh.yaml"] {
        desk.run(&["run", "-o", own, "--force"]).ends(1);
    }
    assert_eq!(desk.names(), ["mesh.yaml", "mine", "scenario.yaml"]);
}

#[test]
fn each_verb_has_a_folder_of_its_own() {
    let desk = Desk::new();
    let few = ["--vary=workloads.page.replicas=1..2", "--duration=2s", "--reps=2", "-q", "--exit-zero"];
    desk.run(&[&["sweep"], &few[..]].concat()).ends(0);
    desk.run(&[&["capacity"], &few[..]].concat()).ends(0);
    desk.run(&["compare", "--with=x:seed=42", "--duration=2s", "-q", "--exit-zero"]).ends(0);
    desk.run(&["run", "--duration=2s", "-q", "--exit-zero"]).ends(0);
    for folder in ["small", "small-compare", "small-capacity", "small-sweep"] {
        assert!(desk.has(&format!("outputs/{folder}/run.json")), "{folder}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn places_that_cannot_be_renamed_are_told_before_the_run() {
    let desk = Desk::new();
    std::os::unix::fs::symlink("nowhere", desk.path().join("link")).expect("a link");
    let told = desk.run(&["run", "-o", "link"]).ends(1).stderr;
    assert!(told.contains("a link to something that is not there"), "{told}");
    // Always mounted, and never empty.
    let told = desk.run(&["run", "-o", "/dev/shm"]).ends(1).stderr;
    assert!(told.contains("a mounted volume") && told.contains("`-o /dev/shm/results`"), "{told}");
}

// --- init, schema, completions, man ---

#[test]
fn a_starter_scenario_runs_as_it_is() {
    let desk = Desk::new();
    let told = desk.run(&["init", "mesh.yaml"]).ends(0).stdout;
    assert_eq!(
        told,
        "read 7 objects, used 7 (1 VirtualService, 1 Gateway, 2 Service, 3 Deployment), ignored 0\n\
         wrote scenarios/mesh.yaml (2 services, 3 workloads, 2 clients; service times and rates are GUESSES, marked TODO)\n\
         wrote scenarios/scenario.schema.json (editor completion)\n\
         next: meshcast run -s scenarios/mesh.yaml\n"
    );
    let text = desk.read("scenarios/mesh.yaml");
    assert!(text.starts_with("# yaml-language-server: $schema=./scenario.schema.json\n"));
    assert!(text.contains("manifests: [../mesh.yaml]"), "{text}");
    assert!(text.contains("{get: \"http://shop.example.com/page\"}"), "{text}");
    desk.run(&["run", "-s", "scenarios/mesh.yaml", "--duration", "5s"]).ends(0);
    let kept = desk.run(&["init", "mesh.yaml"]).ends(1);
    assert!(kept.stderr.contains("--force"), "{}", kept.stderr);
    desk.run(&["init", "mesh.yaml", "--force"]).ends(0);
    assert_eq!(desk.read("scenarios/scenario.schema.json"), desk.run(&["schema"]).ends(0).stdout);
}

#[test]
fn init_reads_a_pipe_and_writes_one() {
    let desk = Desk::new();
    let mut command = desk.command(&["init", "-", "-o", "-"]);
    command.stdin(fs::File::open(desk.path().join("mesh.yaml")).expect("there"));
    let text = Ended::of(command.output().expect("it starts")).ends(0).stdout;
    desk.write("made.yaml", &text);
    desk.run(&["run", "mesh.yaml", "-s", "made.yaml", "--duration", "5s", "-o", "-"]).ends(0);
    desk.write("empty.yaml", "# nothing\n");
    let nothing = desk.run(&["init", "empty.yaml"]).ends(3);
    assert!(nothing.stderr.contains("help:") && nothing.stdout.is_empty(), "{}", nothing.stderr);
}

/// Istio's own sample, where the collection of other people's files lies beside the repository.
#[test]
fn a_starter_scenario_for_istio_s_bookinfo_runs() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/istio-samples/bookinfo");
    let files = [
        "platform/kube/bookinfo.yaml",
        "networking/bookinfo-gateway.yaml",
        "networking/destination-rule-all.yaml",
    ];
    let paths: Vec<String> = files.map(|file| sample.join(file).to_string_lossy().into_owned()).to_vec();
    if paths.iter().any(|path| !Path::new(path).exists()) {
        return;
    }
    let desk = Desk::new();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    desk.run(&[&["init", "-o", "bookinfo.yaml"], &paths[..]].concat()).ends(0);
    assert!(desk.read("bookinfo.yaml").contains("/productpage"));
    desk.run(&["run", "-s", "bookinfo.yaml", "--duration", "5s", "--reps", "1"]).ends(0);
}

#[test]
fn completions_and_manual_are_made() {
    let desk = Desk::new();
    assert!(desk.run(&["completions", "bash"]).ends(0).stdout.contains("_meshcast()"));
    assert!(desk.run(&["man"]).ends(0).stdout.contains(".TH meshcast"));
    desk.run(&["man", "pages"]).ends(0);
    assert!(desk.has("pages/meshcast.1") && desk.has("pages/meshcast-run.1"));
}
