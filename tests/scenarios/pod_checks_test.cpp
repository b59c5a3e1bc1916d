#include "scenarios/node_labels.hpp"
#include "scenarios/scenario.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/imported_manifests.hpp"

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

/// A workload of one vLLM server and a container beside it; `annotations` are the pod's, `members` further ones of its spec.
std::string server_and_proxy(const std::string& kind, const std::string& server, const std::string& beside, const std::string& annotations = "{}",
                     const std::string& members = "dnsPolicy: Default", const std::string& set_members = "minReadySeconds: 0") {
    return "apiVersion: apps/v1\nkind: " + kind + "\nmetadata: {name: d}\nspec:\n  " + set_members + "\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}, annotations: " + annotations +
           "}\n    spec:\n      " + members + "\n      containers:\n      - name: c\n        image: vllm/vllm-openai:v0.8.5\n        args: [--model, facebook/opt-125m]\n"
           "        readinessProbe: {httpGet: {path: /health, port: 8000}}\n        resources: {limits: {nvidia.com/gpu: 1}}\n        " + server +
           "\n      - name: proxy\n        image: envoyproxy/envoy\n        " + beside + "\n";
}
std::string pod_errors(const std::string& text) { return lines(import_text(text).findings.errors); }
std::string pod_warnings(const std::string& text) { return lines(import_text(text).findings.warnings); }
std::string pod_notes(const std::string& text) { return lines(import_text(text).findings.notes); }

}  // namespace

TEST_CASE("pod checks: the time of the model server's preStop must be known, others' change nothing") {
    const std::string nothing = "tty: false", drain = "lifecycle: {preStop: {exec: {command: [/bin/drain, --all]}}}";
    CHECK_THAT(pod_errors(server_and_proxy("Deployment", drain, nothing)), Contains("containers[0].lifecycle.preStop.exec: found \"/bin/drain --all\"") && Contains("windtunnel.dev/pre-stop-s"));
    const std::string beside = server_and_proxy("Deployment", nothing, drain);
    CHECK(pod_errors(beside).empty());
    CHECK_THAT(pod_notes(beside), Contains("containers[1].lifecycle.preStop: does not change the result"));

    const std::string declared = server_and_proxy("Deployment", drain, nothing, "{windtunnel.dev/pre-stop-s: \"12.5\"}");
    CHECK(pod_errors(declared).empty());
    CHECK(import_text(declared).manifests.workloads.at(0).pod.containers.at(0).pre_stop->time == from_seconds(12.5));
    CHECK_THAT(pod_errors(server_and_proxy("Deployment", drain, nothing, "{windtunnel.dev/pre-stop-s: soon}")), Contains("found \"soon\", allowed: a number of seconds in quotes"));
    // What the hook itself says stands over the annotation.
    const std::string sleeps = server_and_proxy("Deployment", "lifecycle: {preStop: {sleep: {seconds: 7}}}", nothing, "{windtunnel.dev/pre-stop-s: \"12\"}");
    CHECK(import_text(sleeps).manifests.workloads.at(0).pod.containers.at(0).pre_stop->time == seconds(7));

    CHECK_THAT(pod_warnings(server_and_proxy("Deployment", "lifecycle: {preStop: {httpGet: {path: /drain, port: 8000}}}", nothing)), Contains("taken as no time"));
    CHECK_THAT(pod_errors(server_and_proxy("Deployment", nothing, "lifecycle: {preStop: {sleep: {seconds: 31}}}")), Contains("is above terminationGracePeriodSeconds, which is 30"));
    CHECK_THAT(pod_warnings(server_and_proxy("Deployment", "lifecycle: {preStop: {sleep: {seconds: 30}}}", nothing)), Contains("killed without time to drain"));
    const std::string daemons = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: node-agent}\nspec:\n  selector: {matchLabels: {a: b}}\n  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: x, " + drain + "}]}}\n";
    CHECK(pod_errors(daemons).empty());
    CHECK_THAT(pod_notes(daemons), Contains("preStop: does not change the result"));
}

TEST_CASE("pod checks: a container mounts volumes of its pod or claims of its StatefulSet") {
    const std::string mount = "volumeMounts: [{name: weihgts, mountPath: /models}]", nothing = "tty: false";
    CHECK_THAT(pod_errors(server_and_proxy("Deployment", mount, nothing)), Contains("mounts weihgts, which is no volume of the pod, allowed: names under volumes, of which there are none"));
    const std::string near = server_and_proxy("Deployment", nothing, mount, "{}", "volumes: [{name: weights, emptyDir: {}}, {name: tmp, emptyDir: {}}]");
    CHECK_THAT(pod_errors(near), Contains("allowed: weights, tmp; did you mean weights?"));
    CHECK_THAT(pod_errors(near), Contains(":20:"));
    const std::string claims = "volumeClaimTemplates: [{metadata: {name: weihgts}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]";
    CHECK(pod_errors(server_and_proxy("StatefulSet", mount, nothing, "{}", "dnsPolicy: Default", claims)).empty());
}

TEST_CASE("pod checks: a node affinity's term without expressions matches no node") {
    PodTemplate pod;
    pod.required_node_affinity.emplace_back();
    const Labels labels = {{"zone", "a"}};
    CHECK_THAT(unmet_label(pod, labels), Contains("matches no node"));
    NodeAffinityTerm zone;
    zone.expressions.push_back({"zone", SelectorOperator::in, {"a"}});
    pod.required_node_affinity.push_back(zone);  // of several terms one is enough
    CHECK(unmet_label(pod, labels).empty());
    pod.preferred_node_affinity = {{5, {}}, {7, zone}};
    CHECK(preference_for(pod, labels) == 7);
}

TEST_CASE("pod checks: how long a pod stays on a node that does not answer") {
    const auto tolerating = [](const std::string& tolerations) {
        return import_text(server_and_proxy("Deployment", "tty: false", "tty: false", "{}", "tolerations: [" + tolerations + "]"));
    };
    const auto time = [&](const std::string& tolerations) { return tolerating(tolerations).manifests.workloads.at(0).pod.lost_toleration(); };
    CHECK(time("{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}") == seconds(300));
    CHECK(time("{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 5}") == seconds(300));
    CHECK(time("{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30}, {operator: Exists, effect: NoExecute, tolerationSeconds: 60}") == seconds(30));
    CHECK(time("{operator: Exists}") == never);
    CHECK_THAT(lines(tolerating("{operator: Exists}").findings.warnings), Contains("tolerates for ever that its node does not answer"));
}

TEST_CASE("pod checks: rules of a Job's end that are not simulated are refused where its pods run") {
    const auto job = [](const std::string& annotations) {
        return import_text("apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, annotations: " + annotations + "}\nspec: {backoffLimitPerIndex: 1, template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}}\n");
    };
    CHECK(lines(job("{}").findings.errors).empty());
    CHECK(job("{windtunnel.dev/run-time-s: \"5\"}").manifests.jobs.at(0).rule_of_its_end == "backoffLimitPerIndex");
}

TEST_CASE("workload checks: times, host ports and strategies as the API server has them") {
    const auto with = [](const std::string& members) { return server_and_proxy("Deployment", "tty: false", "tty: false", "{}", "dnsPolicy: Default", members); };
    CHECK(pod_errors(with("progressDeadlineSeconds: 2147483647")).empty());
    CHECK_THAT(pod_errors(with("minReadySeconds: 600")), Contains("progressDeadlineSeconds, which is 600 where it is not set"));
    CHECK_THAT(pod_errors(with("strategy: {rollingUpdate: {partition: 1}}")), Contains("partition: is no known key"));
    const std::string port = "ports: [{containerPort: 8000, hostPort: 8000}]", other = "ports: [{containerPort: 9000, hostPort: 8000, protocol: UDP}]";
    CHECK_THAT(pod_errors(server_and_proxy("Deployment", port, port)), Contains("take the host port 8000 twice (c, proxy)"));
    CHECK(pod_errors(server_and_proxy("Deployment", port, other)).empty());
}

TEST_CASE("object checks: a CronJob's schedule, a Service's ports, and the group of an HPA's target") {
    const std::string cron = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: w}\nspec: {schedule: '60 * * * *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}}}}\n";
    CHECK_THAT(pod_errors(cron), Contains("k8s.yaml:4:") && Contains("60"));
    CHECK(pod_errors(replaced(cron, "60", "59")).empty());
    const std::string service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: Loadbalancer, ports: [{port: 80, targetport: 8000}, {targetPort: 1}]}\n";
    CHECK_THAT(pod_errors(service), Contains("did you mean LoadBalancer") && Contains("did you mean targetPort") && Contains("ports[1].port: is missing"));
    const auto hpa = [](const std::string& version) {
        return server_and_proxy("Deployment", "tty: false", "tty: false") + "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: d}\nspec: {scaleTargetRef: {" + version + "kind: Deployment, name: d}, maxReplicas: 3}\n";
    };
    CHECK_THAT(pod_warnings(hpa("")), Contains("the controller finds no Deployment and scales nothing"));
    CHECK_THAT(pod_warnings(hpa("apiVersion: v1, ")), Contains("found \"v1\""));
    CHECK_THAT(pod_warnings(hpa("apiVersion: apps/v1, ")), !Contains("scales nothing"));
}

TEST_CASE("pod checks: what schedules pods in groups is refused") {
    CHECK_THAT(pod_errors(server_and_proxy("Deployment", "tty: false", "tty: false", "{}", "schedulingGroup: {podGroupName: g}")), Contains("schedulingGroup: would change the result and is not simulated"));
}

TEST_CASE("scenario: manifests in a scenario's place are told where they go") {
    const std::filesystem::path file = std::filesystem::temp_directory_path() / ("windtunnel-place-" + std::to_string(getpid()) + ".yaml");
    const auto error_with = [&](const std::string& text) {
        std::ofstream(file) << text;
        ScenarioInputs inputs;
        inputs.scenario_file = file.string();
        std::istringstream none;
        auto read = read_scenario(inputs, none);
        REQUIRE_FALSE(read);
        return lines(read.problems());
    };
    const std::string manifest = server_and_proxy("Deployment", "tty: false", "tty: false");
    for (const std::string& text : {manifest, manifest + "---\n" + manifest})
        CHECK_THAT(error_with(text), Contains("found manifests (Deployment), allowed: a scenario; manifests are given with -f " + file.string()));
    CHECK_THAT(error_with("apiVersion: windtunel/v1\nkind: Scenario\n"), Contains("allowed: windtunnel/v1"));
    std::filesystem::remove(file);
}
