// HPA and KEDA objects in all their versions and spellings, and what is wrong with them.
#include "scenarios/kubernetes/kubernetes.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;
using Catch::Matchers::Contains;

namespace {

const std::string chat = R"(apiVersion: apps/v1
kind: Deployment
metadata: {name: chat}
spec:
  selector: {matchLabels: {app: chat}}
  template:
    metadata: {labels: {app: chat}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.8.5
        args: [--model, meta-llama/Llama-3.1-8B-Instruct]
        resources: {requests: {cpu: "2", memory: 16Gi}, limits: {nvidia.com/gpu: 1}}
)";

struct Autoscaled {
    Manifests manifests;
    std::string errors, warnings;
};

Autoscaled with_chat(const std::string& text) {
    auto documents = parse_documents(chat + "---\n" + text, "k8s.yaml");
    if (!documents) FAIL(to_string(documents.problems()[0]));
    Findings findings;
    Autoscaled out;
    out.manifests = import_kubernetes(std::move(*documents), findings);
    for (const Problem& p : findings.errors) out.errors += to_string(p) + "\n";
    for (const Problem& p : findings.warnings) out.warnings += to_string(p) + "\n";
    return out;
}

HorizontalPodAutoscaler hpa_of(const std::string& version, const std::string& metrics,
                               const std::string& annotations = "") {
    const Autoscaled imported = with_chat("apiVersion: autoscaling/" + version +
                                          "\nkind: HorizontalPodAutoscaler\nmetadata: {name: chat" + annotations +
                                          "}\nspec:\n  scaleTargetRef: {kind: Deployment, name: chat}\n"
                                          "  maxReplicas: 8\n" + metrics);
    CHECK(imported.errors == "");
    return imported.manifests.horizontal_pod_autoscalers.at(0);
}

std::string hpa_errors(const std::string& metrics, const std::string& version = "v2") {
    return with_chat("apiVersion: autoscaling/" + version +
                       "\nkind: HorizontalPodAutoscaler\nmetadata: {name: chat}\nspec:\n"
                       "  scaleTargetRef: {kind: Deployment, name: chat}\n  maxReplicas: 8\n" + metrics)
        .errors;
}

std::string keda(const std::string& spec, const std::string& annotations = "") {
    return "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: chat" + annotations +
           "}\nspec:\n  scaleTargetRef: {name: chat}\n" + spec;
}

Trigger trigger_of(const std::string& type, const std::string& metadata) {
    const Autoscaled imported = with_chat(keda("  triggers: [{type: " + type + ", metadata: {" + metadata + "}}]\n"));
    CHECK(imported.errors == "");
    return imported.manifests.scaled_objects.at(0).triggers.at(0);
}

std::string trigger_errors(const std::string& type, const std::string& metadata) {
    return with_chat(keda("  triggers: [{type: " + type + ", metadata: {" + metadata + "}}]\n")).errors;
}

}  // namespace

TEST_CASE("hpa import: v2beta1 keeps its targets beside the metric's name") {
    const HorizontalPodAutoscaler h = hpa_of("v2beta1", R"(  metrics:
  - {type: Resource, resource: {name: cpu, targetAverageUtilization: 55}}
  - {type: Resource, resource: {name: memory, targetAverageValue: 10Gi}}
  - {type: Pods, pods: {metricName: vllm_waiting, targetAverageValue: 2500m, selector: {matchLabels: {a: b}}}}
  - {type: Object, object: {metricName: hits, targetValue: "7", target: {kind: Service, name: s}}}
  - {type: Object, object: {metricName: hits, targetValue: "0", averageValue: "3", target: {kind: Service, name: s}}}
  - {type: External, external: {metricName: q, metricSelector: {matchLabels: {queue: x}}, targetAverageValue: "30"}}
)");
    REQUIRE(h.metrics.size() == 6);
    CHECK(h.metrics[0].target == MetricTargetType::utilization);
    CHECK(h.metrics[0].utilization_percent == 55);
    CHECK(h.metrics[1].target == MetricTargetType::average_value);
    CHECK(h.metrics[1].target_milli == 10'737'418'240'000);
    CHECK(h.metrics[2].name == "vllm_waiting");
    CHECK(h.metrics[2].target_milli == 2500);
    CHECK(h.metrics[2].selector.match_labels.at("a") == "b");
    CHECK(h.metrics[3].object_name == "s");
    CHECK(h.metrics[3].target == MetricTargetType::value);
    CHECK(h.metrics[3].target_milli == 7000);
    CHECK(h.metrics[4].target == MetricTargetType::average_value);
    CHECK(h.metrics[4].target_milli == 3000);
    CHECK(h.metrics[5].selector.match_labels.at("queue") == "x");
    CHECK(h.metrics[5].target_milli == 30'000);
    CHECK_THAT(hpa_errors("  metrics: [{type: Resource, resource: {name: cpu, targetAverageUtilization: 5, "
                          "targetAverageValue: 1}}]\n", "v2beta1"),
               Contains("stands beside targetAverageValue"));
}

TEST_CASE("hpa import: v1 keeps further metrics and behavior in annotations") {
    const std::string annotations =
        R"(, annotations: {autoscaling.alpha.kubernetes.io/metrics: '[{"type":"Pods","pods":{"metricName":"waiting","targetAverageValue":"4"}}]',)"
        R"( autoscaling.alpha.kubernetes.io/behavior: '{"scaleDown":{"stabilizationWindowSeconds":60}}'})";
    const HorizontalPodAutoscaler both = hpa_of("v1", "  targetCPUUtilizationPercentage: 50\n", annotations);
    REQUIRE(both.metrics.size() == 2);  // the conversion puts the CPU target last
    CHECK(both.metrics[0].name == "waiting");
    CHECK(both.metrics[0].target_milli == 4000);
    CHECK(both.metrics[1].utilization_percent == 50);
    REQUIRE(both.behavior);
    CHECK(*both.behavior->scale_down.stabilization_window == seconds(60));
    // Live objects carry the internal type's spelling.
    const HorizontalPodAutoscaler dumped = hpa_of("v1", "", R"(, annotations: {autoscaling.alpha.kubernetes.io/behavior: '{"ScaleUp":{"StabilizationWindowSeconds":15,)"
        R"("SelectPolicy":"Min","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":30}]},"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":"Disabled","Policies":null}}'})");
    REQUIRE(dumped.behavior);
    CHECK(*dumped.behavior->scale_up.stabilization_window == seconds(15));
    REQUIRE(dumped.behavior->scale_up.policies);
    CHECK(dumped.behavior->scale_up.policies->at(0).value == 4);
    CHECK_FALSE(dumped.behavior->scale_down.policies);
    const HorizontalPodAutoscaler one = hpa_of("v1", "", annotations);
    REQUIRE(one.metrics.size() == 1);
    const HorizontalPodAutoscaler none = hpa_of("v1", "");
    REQUIRE(none.metrics.size() == 1);
    CHECK(none.metrics[0].utilization_percent == 80);
    CHECK_THAT(with_chat("apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: a, annotations: "
                           "{autoscaling.alpha.kubernetes.io/metrics: '[{'}}\nspec: {scaleTargetRef: {kind: Deployment, "
                           "name: chat}, maxReplicas: 3}\n").errors,
               Contains("the JSON that the API server writes"));
}

TEST_CASE("hpa import: targets that do not fit their type are refused, dumps bring their count") {
    const auto external = [](const std::string& target) {
        return hpa_errors("  metrics: [{type: External, external: {metric: {name: q}, target: " + target + "}}]\n");
    };
    CHECK(external("{type: Value, value: 3}") == "");
    CHECK(external("{type: Value, averageValue: 3}") == "");  // the controller goes by the value that is there
    const HorizontalPodAutoscaler by_value = hpa_of("v2", "  metrics: [{type: External, external: {metric: {name: q}, target: {type: Value, averageValue: 3}}}]\n");
    CHECK(by_value.metrics.at(0).target == MetricTargetType::average_value);
    CHECK_THAT(external("{type: Value, value: 3, averageValue: 3}"), Contains("stands beside type Value"));
    CHECK_THAT(external("{type: Utilization, averageUtilization: 3}"), Contains("AverageValue or Value"));
    CHECK_THAT(external("{type: Value, value: 0}"), Contains("above 0"));
    CHECK_THAT(external("{value: 3}"), Contains("type: is missing"));
    CHECK_THAT(hpa_errors("  metrics: [{type: Resource, resource: {name: cpu, target: {type: Value, value: 1}}}]\n"),
               Contains("Utilization or AverageValue"));
    CHECK_THAT(hpa_errors("  behavior: {scaleUp: {policies: []}}\n"), Contains("at least one policy"));
    CHECK_THAT(hpa_errors("  behavior: {scaleUp: {stabilizationWindowSeconds: 3601}}\n"), Contains("3600"));
    CHECK_THAT(hpa_errors("  behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 1801}]}}\n"),
               Contains("1800"));
    const HorizontalPodAutoscaler dump =
        hpa_of("v2", "  behavior: {scaleUp: {tolerance: 500u}}\nstatus: {currentReplicas: 5, desiredReplicas: 6}\n");
    CHECK(dump.current_replicas == 5);
    CHECK(*dump.behavior->scale_up.tolerance == 0.0005);
}

TEST_CASE("keda import: each scaler's own keys and defaults") {
    CHECK(trigger_of("redis", "listName: jobs, address: r:6379").threshold == 5);
    CHECK(trigger_of("redis-cluster", "listName: jobs, listLength: \"9\"").threshold == 9);
    const Trigger lag = trigger_of("redis-streams", "stream: s, consumerGroup: g, lagCount: \"7\"");
    CHECK(lag.threshold == 7);
    CHECK_FALSE(lag.queue_counts_in_flight);
    CHECK(trigger_of("redis-streams", "stream: s, streamLength: \"3\"").threshold == 3);
    CHECK(trigger_of("kafka", "topic: t, consumerGroup: g, bootstrapServers: b").threshold == 10);
    const Trigger rate = trigger_of("rabbitmq", "mode: MessageRate, value: \"20\", queueName: q");
    CHECK(rate.queue_rate);
    CHECK(trigger_of("rabbitmq", "queueLength: \"6\", queueName: q").threshold == 6);
    CHECK(trigger_of("gcp-pubsub", "subscriptionName: s").threshold == 10);
    CHECK(trigger_of("azure-servicebus", "queueName: q").threshold == 5);
    CHECK(trigger_of("datadog", "query: \"avg:x\", queryValue: \"7\"").kind == TriggerKind::series);
    CHECK(trigger_of("external", "scalerAddress: s:9090, anything: goes").kind == TriggerKind::series);
    CHECK_THAT(trigger_errors("aws-sqs-queue", "queueURL: u, queueLenght: \"3\""), Contains("did you mean queueLength"));
    CHECK_THAT(trigger_errors("kafka", "topic: t, lagTreshold: \"3\""), Contains("did you mean lagThreshold"));
    CHECK_THAT(trigger_errors("rabbitmq", "queueName: q"), Contains("QueueLength or MessageRate"));
    CHECK_THAT(trigger_errors("rabbitmq", "queueName: q, mode: QueueLength, queueLength: \"3\""), Contains("stands beside queueLength"));
    CHECK_THAT(trigger_errors("metrics-api", "url: u, valueLocation: v"), Contains("targetValue: is missing"));
    CHECK_THAT(trigger_errors("memory", "value: \"60\""), Contains("metricType"));
}

TEST_CASE("keda import: its webhook's checks") {
    const std::string hpa = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: chat-hpa}\n"
                            "spec: {scaleTargetRef: {kind: Deployment, name: chat}, maxReplicas: 3}\n";
    const std::string cron = "type: cron, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 9 * * *, desiredReplicas: \"2\"}";
    CHECK_THAT(with_chat(keda("  triggers: [{name: a, " + cron + "}, {name: a, " + cron + "}]\n")).errors,
               Contains("found the name a a second time (first on triggers[0])"));
    CHECK_THAT(with_chat(keda("  minReplicaCount: 2\n  idleReplicaCount: 2\n  triggers: [{" + cron + "}]\n")).errors,
               Contains("below minReplicaCount 2"));
    CHECK_THAT(with_chat(keda("  minReplicaCount: 200\n  triggers: [{" + cron + "}]\n")).errors,
               Contains("found 200 above maxReplicaCount 100"));
    CHECK_THAT(with_chat(keda("  advanced: {scalingModifiers: {formula: a + 1, target: \"2\"}}\n  triggers: [{" + cron + "}]\n")).errors,
               Contains("no trigger has a name"));
    const Autoscaled named =
        with_chat(keda("  advanced: {scalingModifiers: {formula: a + 1, target: \"2\", activationTarget: \"1\"}}\n"
                         "  triggers: [{name: a, " + cron + "}]\n"));
    CHECK(named.errors == "");
    CHECK(named.manifests.scaled_objects.at(0).modifiers->activation_target == 1);
    CHECK_THAT(with_chat(keda("  triggers: [{" + cron + "}]\n", ", annotations: {autoscaling.keda.sh/paused-scale-inn: \"true\"}")).warnings,
               Contains("did you mean paused-scale-in"));
    CHECK_THAT(with_chat(keda("  triggers: [{" + cron + "}]\n", ", annotations: {autoscaling.keda.sh/paused-replicas: two}")).errors,
               Contains("an integer of at least 0"));
    const std::string over = keda("  advanced: {horizontalPodAutoscalerConfig: {name: chat-hpa}}\n  triggers: [{" + cron + "}]\n",
                                  ", annotations: {scaledobject.keda.sh/transfer-hpa-ownership: \"true\"}");
    CHECK(with_chat(over + hpa).errors == "");
    CHECK_THAT(with_chat(keda("  triggers: [{" + cron + "}]\n") + hpa).errors, Contains("scales already"));
    CHECK_THAT(with_chat(keda("  fallback: {failureThreshold: 3, replicas: 2}\n"
                                "  triggers: [{type: cpu, metricType: Utilization, metadata: {value: \"50\"}}]\n")).errors,
               Contains("with another trigger"));
}
