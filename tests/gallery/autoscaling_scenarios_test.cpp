// Autoscalers in small scenarios of their own: what the manifests say is what the trial does.
#include "tests/gallery/shipped_scenario.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>
#include <fstream>

using namespace windtunnel;
using gallery::Shown;

namespace {

/// A scenario of one quiet Deployment and the autoscaler given, in a folder of its own.
class Scene {
public:
    Scene(const std::string& autoscaler, const std::string& metrics = "{}", const std::string& more = "") {
        static int number = 0;
        m_folder = std::filesystem::temp_directory_path() /
                   ("windtunnel_autoscaling_" + std::to_string(::getpid()) + "_" + std::to_string(number++));
        std::filesystem::create_directories(m_folder);
        std::ofstream(m_folder / "k8s.yaml") << deployment << "---\n" << autoscaler;
        std::ofstream(m_folder / "scenario.yaml") << scenario << "metrics: " << metrics << "\n" << more;
    }
    ~Scene() { std::filesystem::remove_all(m_folder); }
    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;

    [[nodiscard]] Shown show() const {
        Shown shown = gallery::show((m_folder / "scenario.yaml").string());
        CHECK(shown.broken == std::vector<std::string>{});
        return shown;
    }
    /// All that is wrong with it.
    [[nodiscard]] std::string problems() const {
        RunFlags flags;
        flags.scenario = (m_folder / "scenario.yaml").string();
        const Result<LoadedRun> loaded = load_run(flags);
        std::string out;
        if (!loaded)
            for (const Problem& p : loaded.problems()) out += to_string(p) + "\n";
        return out;
    }

private:
    std::filesystem::path m_folder;
    static constexpr const char* scenario = R"(apiVersion: windtunnel/v1
kind: Scenario
manifests: [k8s.yaml]
workload:
  synthetic: {rate_rps: 0.01, duration_s: 1800, prompt_tokens: 100, output_tokens: 10}
  cold_start: [{name: load, median_s: 20}]
cluster: {cloud: aws, region: us-east-1, pools: [{name: l4, instance_type: g6.xlarge, min: 9, max: 9}]}
start_time: 2024-01-01T00:00:00Z
)";
    static constexpr const char* deployment = R"(apiVersion: apps/v1
kind: Deployment
metadata: {name: chat}
spec:
  selector: {matchLabels: {app: chat}}
  template:
    metadata: {labels: {app: chat}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.10.2
        args: [--model, meta-llama/Llama-3.1-8B-Instruct, --max-model-len, "8192"]
        resources: {requests: {cpu: "2", memory: 12Gi}, limits: {nvidia.com/gpu: 1}}
      - name: log
        image: fluent/fluent-bit
        resources: {requests: {cpu: 100m, memory: 64Mi}}
)";
};

std::string scaled_object(const std::string& spec) {
    return "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: chat}\nspec:\n"
           "  scaleTargetRef: {name: chat}\n  minReplicaCount: 1\n  maxReplicaCount: 8\n" + spec;
}

std::string formula(const std::string& text, const std::string& fallback = "") {
    return scaled_object("  advanced: {scalingModifiers: {formula: \"" + text + "\", target: \"2\"}}\n" + fallback +
                         "  triggers:\n"
                         "  - {type: datadog, name: q, metadata: {query: a, queryValue: \"1\"}}\n"
                         "  - {type: prometheus, name: r, metadata: {serverAddress: p, query: backlog, threshold: \"1\", "
                         "ignoreNullValues: \"false\"}}\n");
}

std::string hpa(const std::string& metric) {
    return "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: chat}\nspec:\n"
           "  scaleTargetRef: {kind: Deployment, name: chat}\n  maxReplicas: 6\n  metrics:\n  - " + metric + "\n";
}

std::uint32_t last_count(const Shown& shown) { return shown.desired(seconds(1700)); }

}  // namespace

TEST_CASE("autoscaling: a formula over triggers takes the place of their own targets") {
    CHECK(last_count(Scene(formula("q > 10 ? q / 2 : r"), "{q: vector(12), backlog: vector(3)}").show()) == 3);
    CHECK(last_count(Scene(formula("q > 20 ? q / 2 : r"), "{q: vector(12), backlog: vector(3)}").show()) == 2);
    CHECK_THAT(Scene(formula("q > 20 ? q / 2 : rr"), "{q: vector(12)}").problems(),
               Catch::Matchers::Contains("formula column 18: found the name 'rr'"));
    CHECK_THAT(Scene(formula("q + r"), "{backlog: vector(3)}").problems(),
               Catch::Matchers::Contains("metrics: {\"q\": EXPRESSION}"));
}

TEST_CASE("autoscaling: a trigger that keeps failing is nil in the formula, or its fallback counts") {
    // `backlog` is always empty, which ignoreNullValues: false makes an error.
    const std::string empty = "{q: vector(12), backlog: 'vector(1) > 2'}";
    CHECK(last_count(Scene(formula("q / 2 + r"), empty).show()) == 1);
    CHECK(last_count(Scene(formula("q / 2 + r", "  fallback: {failureThreshold: 3, replicas: 4}\n"), empty).show()) == 4);
    CHECK(last_count(Scene(formula("q / 2 + (r ?? 4)",
                                   "  fallback: {failureThreshold: 3, replicas: 4, behavior: scalingModifiers}\n"),
                           empty).show()) == 5);
    CHECK(last_count(Scene(formula("r", "  fallback: {failureThreshold: 3, replicas: 7, behavior: scalingModifiers}\n"),
                           empty).show()) == 7);
}

TEST_CASE("autoscaling: cached metrics are those of the last poll") {
    // 1704067200 is t = 0; the series rises at 70 s.
    const auto first = [](const char* cached) {
        const Shown shown = Scene(scaled_object(std::string("  pollingInterval: 900\n  triggers:\n  - {type: external, useCachedMetrics: ") + cached +
                                                ", name: q, metadata: {scalerAddress: a, targetSize: \"2\"}}\n"),
                                  "{q: '(vector(time()) > bool 1704067270) * 8'}").show();
        REQUIRE(shown.scalings.size() > 0);
        return shown.scalings[0].at;
    };
    CHECK(first("false") > seconds(70));
    CHECK(first("false") <= seconds(85));
    CHECK(first("true") > seconds(86));
}

TEST_CASE("autoscaling: memory and single containers as resource metrics") {
    // A pod holds 6 GiB: half of what it requests, twice an average of 3 GiB, all in the server's container.
    CHECK(last_count(Scene(hpa("{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 3Gi}}}")).show()) == 6);
    CHECK(last_count(Scene(hpa("{type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 80}}}")).show()) == 1);
    CHECK(last_count(Scene(hpa("{type: ContainerResource, containerResource: {name: memory, container: vllm, target: {type: Utilization, averageUtilization: 30}}}")).show()) == 6);
    CHECK(last_count(Scene(hpa("{type: ContainerResource, containerResource: {name: memory, container: log, target: {type: Utilization, averageUtilization: 30}}}")).show()) == 1);
}

TEST_CASE("autoscaling: names that PromQL cannot spell come from the metrics map; selectors become matchers") {
    CHECK(last_count(Scene(hpa("{type: External, external: {metric: {name: sqs-depth}, target: {type: AverageValue, averageValue: 10}}}"),
                           "{sqs-depth: vector(35)}").show()) == 4);
    const std::string waiting = "{type: External, external: {metric: {name: 'kube_deployment_spec_replicas', selector: {matchExpressions: [{key: deployment, "
                                "operator: OP, values: [chat, other]}]}}, target: {type: AverageValue, averageValue: 250m}}}";
    const auto with = [&](const std::string& op) {
        std::string text = waiting;
        return text.replace(text.find("OP"), 2, op);
    };
    CHECK(last_count(Scene(hpa(with("In"))).show()) == 6);
    CHECK(last_count(Scene(hpa(with("NotIn"))).show()) == 1);
}

TEST_CASE("autoscaling: prometheus-adapter's rules and recording rules stand between a name and its series") {
    // Three rules, as its documentation and the vLLM and DCGM tutorials write them; the last one is external.
    const std::string adapter = R"(---
apiVersion: v1
kind: ConfigMap
metadata: {name: adapter-config}
data:
  config.yaml: |
    rules:
    - seriesQuery: 'DCGM_FI_DEV_GPU_UTIL{exported_namespace!="",exported_pod!=""}'
      resources: {overrides: {exported_namespace: {resource: namespace}, exported_pod: {resource: pod}}}
      name: {as: dcgm_fi_dev_gpu_util}
      metricsQuery: avg(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>) + 30
    - seriesQuery: '{__name__=~"^kube_deployment_status_.*"}'
      seriesFilters: [{isNot: _ready$}]
      resources: {template: <<.Resource>>}
      name: {matches: ^kube_deployment_(.*)$, as: "dep_${1}"}
      metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>) * 25
    externalRules:
    - seriesQuery: backlog
      metricsQuery: sum(<<.Series>>) + 5
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: rules}
spec:
  groups:
  - name: g
    rules:
    - {record: backlog, expr: sum(kube_deployment_spec_replicas) * 0 + 25}
    - {alert: TooMany, expr: backlog > 100, for: 5m, labels: {severity: page}, annotations: {summary: "{{ $value }}"}}
)";
    const auto count = [&](const std::string& metric) { return last_count(Scene(hpa(metric) + adapter).show()); };
    // Idle GPUs at 0 + 30 against 10: as many as there may be; against 100: one.
    CHECK(count("{type: Pods, pods: {metric: {name: dcgm_fi_dev_gpu_util}, target: {type: AverageValue, averageValue: 10}}}") == 6);
    CHECK(count("{type: Pods, pods: {metric: {name: dcgm_fi_dev_gpu_util}, target: {type: AverageValue, averageValue: 100}}}") == 1);
    CHECK(count("{type: Object, object: {metric: {name: dep_status_replicas}, describedObject: {kind: Deployment, name: chat}, target: {type: Value, value: 10}}}") == 6);
    CHECK(count("{type: External, external: {metric: {name: backlog}, target: {type: AverageValue, averageValue: 10}}}") == 3);
    // Filtered out: no rule makes this name, and nothing exposes it.
    CHECK(count("{type: Object, object: {metric: {name: dep_status_replicas_ready}, describedObject: {kind: Deployment, name: chat}, target: {type: Value, value: 10}}}") == 1);
}

TEST_CASE("alerts: a rule is pending for its time, fires, and ends at the first evaluation without its element") {
    // 1704067200 is t = 0 and a multiple of 600: the element is there in the first half of every ten minutes. The
    // group is evaluated at p, p + 30 s, ... with a p of its own below 30 s.
    const auto rules = [](const char* more) {
        return std::string("---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: rules}\nspec:\n  groups:\n"
                           "  - name: g\n    interval: 30s\n    rules:\n    - {alert: FirstHalf, expr: vector(time()) % 600 < 300, for: 60s") +
               more + "}\n    - {alert: Never, expr: kube_deployment_spec_replicas > 100}\n" +
               "    - {alert: Elsewhere, expr: node_load1 > 5}\n    - {alert: Gone, expr: 'absent(up{job=\"kubelet\"})'}\n";
    };
    const auto alerts = [&](const char* more) {
        const Shown shown = Scene(hpa("{type: External, external: {metric: {name: q}, target: {type: AverageValue, averageValue: 10}}}") +
                                      rules(more), "{q: vector(5)}").show();
        CHECK(shown.run.scenario.alerts.size() == 4);
        CHECK(shown.run.scenario.alerts[2].not_evaluated == "nothing here exposes node_load1");
        CHECK(shown.run.scenario.alerts[3].index == -1);
        REQUIRE(shown.outcome.alerts.size() == 2);
        CHECK(shown.outcome.alerts[1].episodes == 0);
        return shown.outcome.alerts[0];
    };
    // Active at p, it fires at p + 60; its element is missing from p + 300 on: 240 s, three times in half an hour.
    const AlertTally plain = alerts("");
    CHECK(plain.episodes == 3);
    CHECK(plain.series_fired == 3);
    CHECK(plain.kept[0].from >= seconds(60));
    CHECK(plain.kept[0].from < seconds(90));
    CHECK(plain.kept[1].from - plain.kept[0].from == seconds(600));
    CHECK(plain.kept[2].to - plain.kept[2].from == seconds(240));
    CHECK(plain.firing == seconds(720));
    // It goes on for 90 s: missing since p + 300, it ends at p + 390.
    CHECK(alerts(", keep_firing_for: 90s").firing == seconds(990));
}

namespace {

const std::string by_count = "{type: External, external: {metric: {name: q}, target: {type: AverageValue, averageValue: 10}}}";

/// An alert on an expression, evaluated every 15 s.
std::string alert_on(const std::string& expression) {
    return "---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: rules}\nspec:\n  groups:\n"
           "  - {name: g, interval: 15s, rules: [{alert: It, expr: '" + expression + "'}]}\n";
}

std::string pod_monitor(const std::string& endpoint, const std::string& more = "") {
    return "---\napiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: vllm}\nspec:\n"
           "  selector: {matchLabels: {app: chat}}\n  podMetricsEndpoints: [{port: http" + endpoint + "}]\n" + more;
}

AlertTally fired(const std::string& manifests, const std::string& more = "") {
    const Shown shown = Scene(hpa(by_count) + manifests, "{q: vector(5)}", more).show();
    REQUIRE(shown.outcome.alerts.size() == 1);
    return shown.outcome.alerts[0];
}

}  // namespace

TEST_CASE("scrapes: a monitor's own interval, five samples of a minute in five minutes") {
    const std::string samples = alert_on("count_over_time(vllm:num_requests_running[5m]) > ");
    const auto with = [&](const std::string& count, const std::string& monitor) {
        std::string text = samples;
        return fired(text.replace(text.find("> "), 2, "> " + count) + monitor).episodes > 0;
    };
    // Prometheus 2 counts a sample exactly at either end: at most 21 of every 15 s, at most 6 of every minute.
    CHECK(with("19", pod_monitor("")));
    CHECK_FALSE(with("21", pod_monitor("")));
    CHECK(with("4", pod_monitor(", interval: 60s")));
    CHECK_FALSE(with("6", pod_monitor(", interval: 60s")));
}

TEST_CASE("scrapes: labels are those that the monitor gives; its rules rename and drop series") {
    const auto there = [](const std::string& expression, const std::string& monitor) {
        return fired(alert_on("count(" + expression + ") > 0") + monitor).episodes > 0;
    };
    // Without a monitor, as a scrape that maps all of the pods' labels.
    CHECK(there("vllm:num_requests_running{app=\"chat\"}", ""));
    // The operator maps none but those that it is told to.
    CHECK_FALSE(there("vllm:num_requests_running{app=\"chat\"}", pod_monitor("")));
    CHECK(there("vllm:num_requests_running{app=\"chat\",job=\"default/vllm\"}", pod_monitor("", "  podTargetLabels: [app]\n")));
    CHECK(there("vllm:num_requests_running{team=\"x-chat\"}",
                pod_monitor(", relabelings: [{sourceLabels: [__meta_kubernetes_pod_label_app], targetLabel: team, replacement: \"x-$1\"}]")));
    const std::string renames = pod_monitor(", metricRelabelings: [{sourceLabels: [__name__], regex: \"vllm:(.*)\", targetLabel: __name__, "
                                            "replacement: \"vllm_$1\"}, {sourceLabels: [__name__], regex: \".*_bucket\", action: drop}]");
    CHECK(there("vllm_num_requests_running", renames));
    CHECK_FALSE(there("up{job=\"default/vllm\"} and vllm:num_requests_running", renames));
    CHECK(there("kube_deployment_spec_replicas{deployment=\"chat\",job=\"kube-state-metrics\"}", renames));
}

TEST_CASE("scrapes: Prometheus that answers nothing leaves an HPA as it is and lets KEDA fall back") {
    const std::string outage = "events: [{at_s: 600, no_metrics: true, duration_s: 600}]\n";
    // The count follows the clock: 2 of 10 each, and 5 from 700 s on.
    const std::string q = "{q: '20 + 30 * (vector(time()) > bool 1704067900)'}";
    const Shown kept = Scene(hpa(by_count), q, outage).show();
    CHECK(kept.desired(seconds(650)) == 2);
    CHECK(kept.desired(seconds(1190)) == 2);  // it would have been 5 since 700 s
    CHECK(kept.desired(seconds(1290)) == 5);
    const std::string trigger = "  triggers:\n  - {type: prometheus, metadata: {serverAddress: p, query: q, threshold: \"10\"}}\n";
    CHECK(Scene(scaled_object(trigger), q, outage).show().desired(seconds(1190)) == 2);
    const Shown fallback = Scene(scaled_object("  fallback: {failureThreshold: 3, replicas: 7}\n" + trigger), q, outage).show();
    CHECK(fallback.desired(seconds(590)) == 2);
    // Polls and syncs count failures alike: at the fourth, some 20 to 45 s into the outage, the fallback stands in.
    CHECK(fallback.desired(seconds(610)) == 2);
    CHECK(fallback.desired(seconds(690)) == 7);
    CHECK(fallback.desired(seconds(1700)) == 5);
}

TEST_CASE("scrapes: a workload that is cut off is not up, and its series end; metrics-server has an outage of its own") {
    const std::string outage = "events: [{at_s: 600, no_metrics: Deployment/chat, duration_s: 300}]\n";
    const AlertTally down = fired(alert_on("up == 0"), outage);
    REQUIRE(down.episodes == 1);
    CHECK(down.kept[0].from >= seconds(600));
    CHECK(down.kept[0].from < seconds(631));  // the next scrape, and the next evaluation after it
    CHECK(down.firing > seconds(269));
    CHECK(down.firing < seconds(331));
    CHECK(fired(alert_on("absent(vllm:num_requests_running)"), outage).kept[0].from < seconds(631));  // stale at once, not after 5 min

    // Four idle replicas of an HPA on CPU: one is left when its window of 300 s is over, or when samples come again.
    const std::string cpu = hpa("{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}");
    const auto last_of = [&](const std::string& events, int at) {
        std::string text = cpu;
        const Shown shown = Scene(text, "{}", "start: warm\n" + events).show();
        return shown.desired(seconds(at));
    };
    CHECK(last_of("events: [{at_s: 0, scale: Deployment/chat, replicas: 4}]\n", 900) == 1);
    CHECK(last_of("events: [{at_s: 0, scale: Deployment/chat, replicas: 4}, {at_s: 1, no_metrics: metrics-server, duration_s: 1700}]\n", 900) == 4);
}

TEST_CASE("scrapes: pods that sleep while their metrics repeat change no answer") {
    // An outage of a workload's own, though it be after the end, keeps its pods awake: every scrape visits them then.
    std::string rules = "---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: rules}\nspec:\n"
                        "  groups:\n  - name: g\n    interval: 15s\n    rules:\n";
    const auto watch = [&](const std::string& expression) { rules += "    - {alert: It, expr: '" + expression + "'}\n"; };
    for (int n = 1; n <= 20; ++n) watch("sum(count_over_time(vllm:num_requests_running[5m])) > " + std::to_string(n));
    for (int s = 1; s <= 15; ++s) watch("time() - timestamp(vllm:num_requests_running) > " + std::to_string(s));
    for (int n = 1; n <= 9; ++n) watch("sum(increase(vllm:request_success_total[5m])) > 0." + std::to_string(n));
    watch("absent(vllm:num_requests_running)");
    const auto run = [&](const std::string& more) {
        return Scene(hpa(by_count) + rules, "{q: '20 - 10 * (vector(time()) > bool 1704068400)'}",
                     "start: warm\nevents: [{at_s: 400, no_metrics: true, duration_s: 200}, {at_s: 1100, lose_node: l4, count: 9}" + more + "]\n").show();
    };
    const Shown asleep = run(""), awake = run(", {at_s: 90000, no_metrics: Deployment/chat, duration_s: 1}");
    REQUIRE(asleep.outcome.alerts.size() == 45);
    std::size_t fired = 0;
    for (std::size_t i = 0; i < 45; ++i) {
        INFO(i);
        CHECK(asleep.outcome.alerts[i] == awake.outcome.alerts[i]);
        fired += asleep.outcome.alerts[i].episodes > 0 ? 1 : 0;
    }
    CHECK(fired > 35);
    CHECK(asleep.scalings.size() == awake.scalings.size());
    CHECK(asleep.outcome.tally.requests.completed == awake.outcome.tally.requests.completed);
}

TEST_CASE("scrapes: answers as old as the scenario says") {
    const auto first = [](const std::string& delay) {
        const Shown shown = Scene(hpa(by_count), "{q: '20 * (vector(time()) > bool 1704067500)'}", "prometheus: {delay_s: " + delay + "}\n").show();
        REQUIRE(shown.scalings.size() > 0);
        return shown.scalings[0].at;
    };
    CHECK(first("0") > seconds(300));
    CHECK(first("0") <= seconds(315));
    CHECK(first("120") > seconds(420));
    CHECK(first("120") <= seconds(435));
}

TEST_CASE("series: what gateways, kube-state-metrics and vLLM count, by their own names") {
    // 0.01 requests a second for half an hour: some twenty, all answered.
    const auto there = [](const std::string& expression) { return fired(alert_on(expression)).episodes > 0; };
    CHECK(there("sum(istio_requests_total{destination_workload=\"chat\",response_code=\"200\"}) > 5"));
    CHECK_FALSE(there("sum(istio_requests_total{response_code!=\"200\"}) > 0"));
    CHECK(there("sum(nginx_ingress_controller_requests{status=~\"2..\",exported_service=\"chat\"}) > 5"));
    CHECK(there("sum(vllm:request_success_total{finished_reason=\"stop\"}) > 5"));
    CHECK(there("kube_pod_status_ready{condition=\"true\"} == 1"));
    CHECK_FALSE(there("kube_pod_status_phase{phase=\"Pending\"} == 1"));
    CHECK(there("kube_horizontalpodautoscaler_spec_max_replicas{horizontalpodautoscaler=\"chat\"} == 6"));
    CHECK(there("kube_pod_status_phase{phase=\"Running\"} * on(namespace, pod) group_left(owner_kind) kube_pod_owner{owner_kind!=\"Job\"} > 0"));
    // All answers have ten tokens: half of them lies between 5 and 10, the bucket's bounds.
    CHECK(there("histogram_quantile(0.5, sum by (le) (rate(vllm:request_generation_tokens_bucket[10m]))) == 7.5"));
    CHECK(there("vllm:request_generation_tokens_sum / vllm:request_generation_tokens_count == 10"));
    CHECK(there("DCGM_FI_DEV_FB_USED{exported_pod=~\"chat-.*\"} > 20000"));
}

TEST_CASE("scaled job: a poll starts the Jobs that the queue asks for, up to the maximum, and no more while they run") {
    const auto jobs = [](const std::string& strategy) {
        return "apiVersion: keda.sh/v1alpha1\nkind: ScaledJob\nmetadata: {name: batch, annotations: {windtunnel.dev/run-time-s: \"300\"}}\nspec:\n"
               "  pollingInterval: 30\n  maxReplicaCount: 5\n" + strategy +
               "  jobTargetRef:\n    template:\n      spec:\n        restartPolicy: Never\n"
               "        containers: [{name: work, image: work, resources: {limits: {nvidia.com/gpu: 1}}}]\n"
               "  triggers:\n  - {type: external, name: q, metadata: {scalerAddress: a, targetSize: \"2\"}}\n";
    };
    // Three wait from 300 to 330 s: at the one poll then two Jobs (3 / 2, rounded up), which end by themselves.
    const std::string once = "{q: '3 * ((vector(time()) > bool 1704067500) * (vector(time()) < bool 1704067530.001))'}";
    const Shown few = Scene(jobs(""), once).show();
    CHECK(few.outcome.tally.jobs_complete == 2);
    // Twelve wait all the time: five run at once, and another when one of these has ended, at the next poll: in
    // half an hour at most six rounds of 300 s.
    const Shown many = Scene(jobs(""), "{q: vector(12)}").show();
    CHECK(many.outcome.tally.jobs_complete >= 10);
    CHECK(many.outcome.tally.jobs_complete <= 30);
    std::uint32_t most = 0;
    for (const ScaleRecord& s : many.scalings) most = std::max(most, s.to);
    CHECK(most == 5);
}

TEST_CASE("hidden-model-version: the alert that compares versions cannot fire without the label, and tells it within minutes with it") {
    const Shown hidden = gallery::show("hidden-model-version/scenario.yaml"),
                labelled = gallery::show("hidden-model-version/labelled.yaml");
    // The same requests meet the same servers: half of the canary's answers take over 1.3 times as long per token.
    CHECK(hidden.outcome.tpot == labelled.outcome.tpot);
    std::vector<double> tpot[2];
    for (std::uint32_t w = 0; w < 2; ++w) {
        for (const RequestRecord& r : labelled.arrived(Tick{}, gallery::hours(2), w))
            if (r.output_tokens > 1 && r.first_token != never)
                tpot[w].push_back(to_seconds(r.finish - r.first_token) / (r.output_tokens - 1));
        std::sort(tpot[w].begin(), tpot[w].end());
    }
    REQUIRE(tpot[0].size() > 1000);
    REQUIRE(tpot[1].size() > 100);
    CHECK(tpot[1][tpot[1].size() / 2] > 1.3 * tpot[0][tpot[0].size() / 2]);
    REQUIRE(hidden.outcome.alerts.size() == 2);
    CHECK(hidden.outcome.alerts[0].episodes == 0);
    CHECK(hidden.outcome.alerts[1].episodes == 0);
    CHECK(std::any_of(hidden.run.scenario.warnings.begin(), hidden.run.scenario.warnings.end(), [](const Problem& p) {
        return p.message.find("found the label 'model_version', which no series here has") != std::string::npos;
    }));
    // The canary's share comes at 1800 s. Its first answer is there some seconds later and scraped within 15 s; a rate
    // needs two scrapes, the alert ten minutes.
    const AlertTally& alert = labelled.outcome.alerts[0];
    REQUIRE(alert.episodes >= 1);
    CHECK(alert.kept[0].from > seconds(1800 + 600));
    CHECK(alert.kept[0].from < seconds(1800 + 600 + 180));
    CHECK(labelled.outcome.alerts[1].episodes == 0);  // all answers together hardly move
}
