#include "scenarios/kubernetes/kubernetes_autoscaling.hpp"

#include "models/lower_case.hpp"
#include "scenarios/kubernetes/kubernetes_monitoring.hpp"

#include <algorithm>
#include <regex>

namespace windtunnel {

namespace {

const std::vector<std::string> relabel_actions = {"replace", "keep",      "drop",     "labelmap",  "labeldrop", "labelkeep",
                                                  "hashmod", "keepequal", "dropequal", "lowercase", "uppercase"};

std::vector<RelabelRule> decode_relabelings(Decoder& endpoint, const std::string& key) {
    std::vector<RelabelRule> out;
    for (Decoder& item : endpoint.children(key)) {
        RelabelRule rule;
        rule.sources = item.texts(item.has("source_labels") ? "source_labels" : "sourceLabels");
        rule.separator = item.text("separator").value_or(rule.separator);
        rule.regex = item.text("regex").value_or(rule.regex);
        rule.target = item.text("targetLabel").value_or("");
        rule.replacement = item.text("replacement").value_or(rule.replacement);
        rule.action = lower_case(item.text("action").value_or(rule.action));
        if (std::find(relabel_actions.begin(), relabel_actions.end(), rule.action) == relabel_actions.end())
            item.error("action", "found \"" + rule.action + "\", allowed: " + join(relabel_actions));
        try {
            const std::regex compiled(rule.regex);
        } catch (const std::regex_error&) {
            item.error("regex", "found \"" + rule.regex + "\", allowed: a regular expression");
            rule.regex = "(.*)";
        }
        out.push_back(std::move(rule));
    }
    return out;
}

}  // namespace

bool MetricsMonitor::covers(const std::string& name_space) const {
    if (any_namespace) return true;
    if (name_spaces.empty()) return meta.name_space == name_space;
    return std::find(name_spaces.begin(), name_spaces.end(), name_space) != name_spaces.end();
}

MetricsMonitor decode_metrics_monitor(Decoder& object, ObjectMeta meta) {
    MetricsMonitor out;
    out.meta = std::move(meta);
    out.selects_services = out.meta.kind == "ServiceMonitor";
    Decoder spec = object.child("spec");
    out.selector = decode_label_selector(spec.child("selector"));
    Decoder namespaces = spec.child("namespaceSelector");
    // Google's ClusterPodMonitoring looks into every namespace.
    out.any_namespace = namespaces.boolean("any").value_or(false) || out.meta.kind == "ClusterPodMonitoring";
    out.name_spaces = namespaces.texts("matchNames");
    out.job_label = spec.text("jobLabel").value_or("");
    for (const std::string& label : spec.texts("podTargetLabels")) out.pod_target_labels.emplace_back(label, label);
    const Node* labels = spec.take("targetLabels");
    if (labels != nullptr && labels->is_list()) out.target_labels = spec.texts("targetLabels");
    if (labels != nullptr && labels->is_map()) {  // Google's
        Decoder from = spec.child("targetLabels");
        for (Decoder& item : from.children("fromPod")) {
            const std::string label = item.text("from").value_or("");
            if (!label.empty()) out.pod_target_labels.emplace_back(label, item.text("to").value_or(label));
        }
    }
    bool first = true;
    const bool pod_monitor = out.meta.kind == "PodMonitor";  // Google's PodMonitoring has endpoints too
    for (Decoder& endpoint : spec.children(pod_monitor ? "podMetricsEndpoints" : "endpoints")) {
        if (first) {
            if (const Node* port = endpoint.take("port")) out.port = port->text;  // a name, or Google's number
            out.relabelings = decode_relabelings(endpoint, "relabelings");
            out.metric_relabelings = decode_relabelings(endpoint, endpoint.has("metricRelabeling") ? "metricRelabeling" : "metricRelabelings");
        }
        first = false;
        if (const auto interval = prometheus_duration(endpoint, "interval")) {
            if (interval->count <= 0) endpoint.error("interval", "found an interval of 0 or less, allowed: above 0");
            else out.interval = out.interval ? min(*out.interval, *interval) : *interval;
        }
        // Where and how it is scraped: the fields of prometheus-operator v0.80 and of Google's managed collection.
        endpoint.quiet({"metricRelabelings", "metricRelabeling", "port", "targetPort", "portNumber", "path", "scheme", "params", "scrapeTimeout", "timeout", "tlsConfig", "tls", "bearerTokenFile", "bearerTokenSecret", "authorization",
                        "honorLabels", "honorTimestamps", "trackTimestampsStaleness", "basicAuth", "oauth2", "relabelings", "proxyUrl", "noProxy", "proxyFromEnvironment", "proxyConnectHeader",
                        "followRedirects", "enableHttp2", "filterRunning"});
        endpoint.finish();
    }
    spec.quiet({"namespaceSelector", "jobLabel", "targetLabels", "podTargetLabels", "sampleLimit", "targetLimit", "labelLimit", "labelNameLengthLimit", "labelValueLengthLimit", "limits",
                "attachMetadata", "scrapeProtocols", "fallbackScrapeProtocol", "scrapeClass", "keepDroppedTargets", "bodySizeLimit", "scrapeClassicHistograms", "scrapeNativeHistograms",
                "nativeHistogramBucketLimit", "nativeHistogramMinBucketFactor", "convertClassicHistogramsToNHCB", "selectorMechanism", "serviceDiscoveryRole", "filterRunning"});
    spec.finish();
    return out;
}

}  // namespace windtunnel
