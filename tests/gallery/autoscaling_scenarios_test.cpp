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
    Scene(const std::string& autoscaler, const std::string& metrics = "{}") {
        static int number = 0;
        m_folder = std::filesystem::temp_directory_path() /
                   ("windtunnel_autoscaling_" + std::to_string(::getpid()) + "_" + std::to_string(number++));
        std::filesystem::create_directories(m_folder);
        std::ofstream(m_folder / "k8s.yaml") << deployment << "---\n" << autoscaler;
        std::ofstream(m_folder / "scenario.yaml") << scenario << "metrics: " << metrics << "\n";
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
