#include "scenarios/kubernetes_autoscaling.hpp"

#include <algorithm>

#include "scenarios/command_line.hpp"

namespace windtunnel {

std::optional<ScalingCronJob> decode_cron_job(Decoder& object, ObjectMeta meta) {
    ScalingCronJob out;
    out.meta = std::move(meta);
    Decoder spec = object.child("spec");
    out.schedule = spec.required_text("schedule");
    if (!out.schedule.empty() && split_words(out.schedule).size() != 5)
        spec.error("schedule", "found \"" + out.schedule + "\", allowed: five cron fields (minute hour day month weekday)");
    out.timezone = spec.text("timeZone").value_or("Etc/UTC");
    if (!is_time_zone(out.timezone)) spec.error("timeZone", "found \"" + out.timezone + "\", allowed: an IANA time zone such as Asia/Kolkata");
    out.suspended = spec.boolean("suspend").value_or(false);
    spec.quiet({"jobTemplate", "concurrencyPolicy", "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"});
    spec.finish();
    Decoder pod = spec.child("jobTemplate").child("spec").child("template").child("spec");
    bool uses_gpu = false;
    for (Decoder& container : pod.children("containers")) {
        Decoder limits = container.child("resources").child("limits");
        uses_gpu = uses_gpu || limits.has("nvidia.com/gpu");
        std::vector<std::string> parts = container.texts("command");
        for (std::string& arg : container.texts("args")) parts.push_back(std::move(arg));
        const auto words = find_command(parts, {}, [](const std::vector<std::string>& command) {
            return command.size() > 1 && command[0].ends_with("kubectl") &&
                   std::find(command.begin(), command.end(), "scale") != command.end();
        });
        if (words.empty()) continue;
        std::string target, replicas;
        for (std::size_t i = 0; i < words.size(); ++i) {
            const std::string& word = words[i];
            if (word.starts_with("--replicas=")) replicas = word.substr(11);
            else if (word == "--replicas" && i + 1 < words.size()) replicas = words[i + 1];
            else if (word.find('/') != std::string::npos && i > 0 && word[0] != '-') target = word;
            else if (i + 1 < words.size() && (word == "deployment" || word == "deploy" || word == "statefulset" || word == "sts"))
                target = word + "/" + words[i + 1];
        }
        const std::size_t slash = target.find('/');
        const std::string kind = target.substr(0, std::min(slash, target.find('.')));
        const bool stateful = kind == "statefulset" || kind == "statefulsets" || kind == "sts";
        const bool deployment = kind == "deployment" || kind == "deployments" || kind == "deploy";
        const Node count = resolve_plain_scalar(replicas);
        if (slash == std::string::npos || (!stateful && !deployment) || count.kind != Node::Kind::integer || count.integer < 0 || count.integer > INT32_MAX) {
            container.error("", "found \"" + join(words, " ") + "\", allowed: kubectl scale deployment/NAME --replicas=N");
            return std::nullopt;
        }
        out.target = {stateful ? "StatefulSet" : "Deployment", target.substr(slash + 1), container.where()};
        out.replicas = static_cast<std::int32_t>(count.integer);
        return out;
    }
    if (uses_gpu) object.error("", "would change the result and is not simulated: a CronJob whose pods use GPUs");
    else object.note("", "does not change the result: a CronJob that scales nothing and uses no GPU");
    return std::nullopt;
}

MetricsMonitor decode_metrics_monitor(Decoder& object, ObjectMeta meta) {
    MetricsMonitor out;
    out.meta = std::move(meta);
    out.selects_services = out.meta.kind == "ServiceMonitor";
    Decoder spec = object.child("spec");
    out.selector = decode_label_selector(spec.child("selector"));
    const bool pod_monitor = out.meta.kind == "PodMonitor";  // Google's PodMonitoring has endpoints too
    for (Decoder& endpoint : spec.children(pod_monitor ? "podMetricsEndpoints" : "endpoints")) {
        // Prometheus writes durations as Go does, with days and weeks besides; scrape intervals are short.
        if (const auto interval = endpoint.go_duration("interval")) {
            if (interval->count <= 0) endpoint.error("interval", "found an interval of 0 or less, allowed: above 0");
            else out.interval = out.interval ? min(*out.interval, *interval) : *interval;
        }
    }
    return out;
}

}  // namespace windtunnel
