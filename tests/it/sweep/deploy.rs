//! The ready files below `deploy/`: every field is one that the API knows, and the commands in them make a sweep.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_yaml::Value;

use super::Desk;

/// What stands in a field.
#[derive(Clone, Copy)]
enum Field {
    Text,
    Whole,
    Truth,
    /// One of these words.
    Word(&'static [&'static str]),
    Texts,
    /// An object of this kind.
    One(&'static str),
    /// A list of them.
    Many(&'static str),
    /// Any names with text.
    Names,
}

use Field::{Many, Names, One, Text, Texts, Truth, Whole, Word};

/// The fields that our files use, by kind of object, and which of them must be there (`!`).
/// Source: Kubernetes API reference v1.33 (batch/v1 Job, core/v1 PodTemplateSpec, Container, Volume); Argo Workflows 3.6,
/// field reference (Workflow, Template, WorkflowStep, RetryStrategy, Sequence).
const API: &[(&str, &[(&str, Field)])] = &[
    (
        "Job",
        &[
            ("apiVersion!", Word(&["batch/v1"])),
            ("kind!", Word(&["Job"])),
            ("metadata!", One("Meta")),
            ("spec!", One("JobSpec")),
        ],
    ),
    ("Meta", &[("name", Text), ("generateName", Text)]),
    (
        "JobSpec",
        &[
            ("completionMode", Word(&["Indexed", "NonIndexed"])),
            ("completions", Whole),
            ("parallelism", Whole),
            ("backoffLimit", Whole),
            ("backoffLimitPerIndex", Whole),
            ("podReplacementPolicy", Word(&["Failed", "TerminatingOrFailed"])),
            ("suspend", Truth),
            ("template!", One("PodTemplate")),
        ],
    ),
    ("PodTemplate", &[("spec!", One("PodSpec"))]),
    (
        "PodSpec",
        &[
            ("restartPolicy!", Word(&["Never", "OnFailure"])),
            ("containers!", Many("Container")),
            ("volumes", Many("Volume")),
        ],
    ),
    (
        "Container",
        &[
            ("name", Text),
            ("image!", Text),
            ("command", Texts),
            ("args", Texts),
            ("resources", One("Resources")),
            ("volumeMounts", Many("Mount")),
        ],
    ),
    ("Resources", &[("requests", Names), ("limits", Names)]),
    ("Mount", &[("name!", Text), ("mountPath!", Text), ("readOnly", Truth)]),
    ("Volume", &[("name!", Text), ("configMap", One("ConfigMap")), ("persistentVolumeClaim", One("Claim"))]),
    ("ConfigMap", &[("name!", Text)]),
    ("Claim", &[("claimName!", Text)]),
    (
        "Workflow",
        &[
            ("apiVersion!", Word(&["argoproj.io/v1alpha1"])),
            ("kind!", Word(&["Workflow"])),
            ("metadata!", One("Meta")),
            ("spec!", One("WorkflowSpec")),
        ],
    ),
    ("WorkflowSpec", &[("entrypoint!", Text), ("volumes", Many("Volume")), ("templates!", Many("Template"))]),
    (
        "Template",
        &[
            ("name!", Text),
            ("steps", Many("ParallelSteps")),
            ("inputs", One("Inputs")),
            ("retryStrategy", One("Retry")),
            ("container", One("Container")),
        ],
    ),
    (
        "Step",
        &[
            ("name!", Text),
            ("template!", Text),
            ("arguments", One("Inputs")),
            ("withSequence", One("Sequence")),
        ],
    ),
    ("Inputs", &[("parameters", Many("Parameter"))]),
    ("Parameter", &[("name!", Text), ("value", Text)]),
    (
        "Retry",
        &[("limit", Text), ("retryPolicy", Word(&["Always", "OnFailure", "OnError", "OnTransientError"]))],
    ),
    ("Sequence", &[("count", Text)]),
];

fn check(kind: &str, value: &Value, at: &str) {
    if kind == "ParallelSteps" {
        let steps = value.as_sequence().unwrap_or_else(|| panic!("{at} is no list of steps"));
        return steps.iter().for_each(|step| check("Step", step, at));
    }
    let fields = API.iter().find(|(name, _)| *name == kind).expect("a kind of the table").1;
    let object = value.as_mapping().unwrap_or_else(|| panic!("{at} is no {kind}"));
    for (name, _) in fields.iter().filter(|(name, _)| name.ends_with('!')) {
        assert!(object.contains_key(name.trim_end_matches('!')), "{at} lacks {name}");
    }
    for (key, value) in object {
        let key = key.as_str().expect("text");
        let at = format!("{at}.{key}");
        let field = fields.iter().find(|(name, _)| name.trim_end_matches('!') == key);
        let list = || value.as_sequence().unwrap_or_else(|| panic!("{at} is no list"));
        match field.unwrap_or_else(|| panic!("{at} is no field of a {kind}")).1 {
            Text => assert!(value.is_string(), "{at}"),
            Whole => assert!(value.as_u64().is_some(), "{at}"),
            Truth => assert!(value.is_bool(), "{at}"),
            Word(words) => assert!(value.as_str().is_some_and(|word| words.contains(&word)), "{at}"),
            Texts => assert!(list().iter().all(Value::is_string), "{at}"),
            One(kind) => check(kind, value, &at),
            Many(kind) => list().iter().for_each(|value| check(kind, value, &at)),
            Names => {
                assert!(value.as_mapping().is_some_and(|all| all.values().all(Value::is_string)), "{at}")
            }
        }
    }
}

fn deploy(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    fs::read_to_string(path).expect("a file of ours")
}

fn documents(name: &str) -> Vec<Value> {
    use serde_yaml::Deserializer;
    let text = deploy(name);
    let documents = Deserializer::from_str(&text);
    documents.map(|document| serde::Deserialize::deserialize(document).expect("YAML")).collect()
}

/// Mounts name volumes, and names are unique.
fn check_mounts(container: &Value, volumes: &Value) {
    let names = |list: &Value| -> Vec<String> {
        let each = list.as_sequence().expect("a list").iter();
        each.map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
    };
    let known = names(volumes);
    assert!(names(&container["volumeMounts"]).iter().all(|name| known.contains(name)));
}

/// Runs a container's command with its folders below the desk's.
fn run(desk: &Desk, container: &Value, variables: &BTreeMap<String, String>) {
    assert_eq!(container["command"][0], "meshcast");
    let arguments = container["args"].as_sequence().expect("arguments").iter().map(|argument| {
        let mut text = argument.as_str().expect("text").to_owned();
        for (name, value) in variables {
            text = text.replace(name, value);
        }
        assert!(!text.contains("$(") && !text.contains("{{"), "{text}");
        at_home(&text, desk)
    });
    let arguments: Vec<String> = arguments.collect();
    desk.run(&arguments.join(" "), 0);
}

fn at_home(text: &str, desk: &Desk) -> String {
    let home = desk.path().to_str().expect("UTF-8");
    text.replace("/study/", &format!("{home}/")).replace("/results", &format!("{home}/results"))
}

/// A scenario whose objectives no point meets, which must not stop a cluster from putting the parts together.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("scenario.yaml", &super::SCENARIO.replace("60ms", "1us"));
    desk
}

/// The sweep that all three files make, in one piece.
fn make_whole(desk: &Desk) {
    desk.run(
        "sweep --scenario=scenario.yaml --vary=load=0.5x..2x --vary=workloads.app.replicas=1..4 -o whole",
        4,
    );
}

/// As many threads as there are CPUs.
fn check_threads(container: &Value) {
    let jobs = format!("--jobs={}", container["resources"]["requests"]["cpu"].as_str().expect("CPUs"));
    let arguments = container["args"].as_sequence().expect("arguments");
    assert!(arguments.iter().any(|argument| *argument == *jobs), "{jobs}");
}

#[test]
fn the_indexed_job_makes_the_whole() {
    let documents = documents("kubernetes-job.yaml");
    assert_eq!(documents.len(), 2);
    documents.iter().for_each(|document| check("Job", document, "Job"));
    let (parts, report) = (&documents[0]["spec"], &documents[1]["spec"]);
    assert_eq!(parts["completionMode"], "Indexed");
    let pod = |spec: &Value| spec["template"]["spec"].clone();
    // Kubernetes asks for that with `backoffLimitPerIndex`.
    assert_eq!(pod(parts)["restartPolicy"], "Never");
    check_threads(&pod(parts)["containers"][0]);
    let desk = desk();
    make_whole(&desk);
    for index in 0..parts["completions"].as_u64().expect("a number") {
        let variables = BTreeMap::from([("$(JOB_COMPLETION_INDEX)".to_owned(), index.to_string())]);
        run(&desk, &pod(parts)["containers"][0], &variables);
    }
    run(&desk, &pod(report)["containers"][0], &BTreeMap::new());
    desk.same("whole", "results/whole");
    for spec in [parts, report] {
        let pod = pod(spec);
        check_mounts(&pod["containers"][0], &pod["volumes"]);
    }
}

#[test]
fn the_workflow_makes_the_whole() {
    let documents = documents("argo-workflow.yaml");
    assert_eq!(documents.len(), 1);
    check("Workflow", &documents[0], "Workflow");
    let spec = &documents[0]["spec"];
    let template = |name: &Value| -> &Value {
        let templates = spec["templates"].as_sequence().expect("templates");
        templates.iter().find(|template| template["name"] == *name).expect("a template of that name")
    };
    check_threads(&template(&"part".into())["container"]);
    let desk = desk();
    make_whole(&desk);
    let groups = template(&spec["entrypoint"])["steps"].as_sequence().expect("steps");
    for step in groups.iter().flat_map(|group| group.as_sequence().expect("steps at once")) {
        let container = &template(&step["template"])["container"];
        check_mounts(container, &spec["volumes"]);
        let count =
            step["withSequence"]["count"].as_str().map_or(1, |count| count.parse().expect("a number"));
        for item in 0..count {
            let mut variables = BTreeMap::new();
            for parameter in step["arguments"]["parameters"].as_sequence().into_iter().flatten() {
                let name = parameter["name"].as_str().expect("a name");
                let value =
                    parameter["value"].as_str().expect("a value").replace("{{item}}", &item.to_string());
                variables.insert(format!("{{{{inputs.parameters.{name}}}}}"), value);
            }
            run(&desk, container, &variables);
        }
    }
    desk.same("whole", "results/whole");
}

/// The script itself, under a shell, as Slurm would run it for each task.
#[cfg(unix)]
#[test]
fn the_array_script_makes_the_whole() {
    let text = deploy("slurm-array.sh");
    let options: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#SBATCH ")).collect();
    let known = ["--job-name=", "--array=", "--cpus-per-task=", "--mem=", "--time=", "--requeue"];
    assert!(options.iter().all(|option| known.iter().any(|known| option.starts_with(known))), "{options:?}");
    let range = options.iter().find_map(|option| option.strip_prefix("--array=0-")).expect("an array from 0");
    let last: u32 = range.parse().expect("a number");
    let desk = desk();
    make_whole(&desk);
    let program = Path::new(env!("CARGO_BIN_EXE_meshcast")).parent().expect("a folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/slurm-array.sh");
    let results = desk.path().join("results");
    // The last one alone, as after a failure: the array has one task then.
    for (task, tasks) in (0..last).map(|task| (task, last)).chain([(last, 1)]) {
        let status = Command::new("/bin/sh")
            .arg(&script)
            .env("PATH", program)
            .env("STUDY", desk.path())
            .env("RESULTS", &results)
            .env("SLURM_ARRAY_TASK_ID", task.to_string())
            .env("SLURM_ARRAY_TASK_COUNT", tasks.to_string())
            .output()
            .expect("a shell");
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    }
    let merge = text.lines().find_map(|line| line.split_once("--wrap=\"")).expect("how to merge").1;
    let arguments = merge.trim_end_matches('"').trim_start_matches("meshcast ");
    desk.run(&arguments.replace("$RESULTS", results.to_str().expect("UTF-8")), 0);
    desk.same("whole", "results/whole");
}
