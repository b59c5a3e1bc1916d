// Jobs and CronJobs, and what their commands do to replicas.
#include "scenarios/kubernetes/kubernetes_jobs.hpp"

#include "models/lower_case.hpp"
#include "scenarios/kubernetes/autoscaling_fields.hpp"

#include <algorithm>

#include "scenarios/commands/command_line.hpp"

namespace windtunnel {
namespace {

/// The kind that kubectl means by a resource name, or "".
std::string kind_of(std::string resource) {
    resource = resource.substr(0, resource.find('.'));
    const std::pair<const char*, const char*> names[] = {
        {"deployment", "Deployment"}, {"deployments", "Deployment"}, {"deploy", "Deployment"}, {"statefulset", "StatefulSet"},
        {"statefulsets", "StatefulSet"}, {"sts", "StatefulSet"}, {"replicaset", "ReplicaSet"}, {"rs", "ReplicaSet"},
        {"horizontalpodautoscaler", "HorizontalPodAutoscaler"}, {"horizontalpodautoscalers", "HorizontalPodAutoscaler"}, {"hpa", "HorizontalPodAutoscaler"},
        {"scaledobject", "ScaledObject"}, {"scaledobjects", "ScaledObject"}, {"so", "ScaledObject"},
        {"leaderworkerset", "LeaderWorkerSet"}, {"lws", "LeaderWorkerSet"}};
    resource = lower_case(resource);
    for (const auto& [name, kind] : names)
        if (resource == name) return kind;
    return "";
}

std::optional<std::int32_t> count_of(const std::string& text) {
    const auto value = to_integer(text);
    return value && *value >= 0 && *value <= INT32_MAX ? std::optional(static_cast<std::int32_t>(*value)) : std::nullopt;
}

std::optional<std::int32_t> count_in(const Node* spec, const char* key) {
    const Node* node = spec ? spec->find(key) : nullptr;
    if (!node || node->kind != Node::Kind::integer || node->integer < 0 || node->integer > INT32_MAX) return std::nullopt;
    return static_cast<std::int32_t>(node->integer);
}

/// The effect of a merge patch ({"spec":{"replicas":4}}) or a JSON patch ([{"op":"replace","path":"/spec/replicas","value":4}]).
void read_patch(const std::string& patch, ScaleAction& action) {
    const auto documents = parse_documents(patch, "patch");
    if (!documents || documents->empty()) return;
    const Node& root = documents->front().root;
    if (root.is_list()) {
        for (const Node& step : root.children) {
            const std::string path = step.text_at({"path"});
            const auto value = count_in(&step, "value");
            if (path == "/spec/replicas") action.replicas = value;
            if (path == "/spec/minReplicas" || path == "/spec/minReplicaCount") action.min_replicas = value;
            if (path == "/spec/maxReplicas" || path == "/spec/maxReplicaCount") action.max_replicas = value;
        }
        return;
    }
    const Node* spec = root.find("spec");
    action.replicas = count_in(spec, "replicas");
    action.min_replicas = count_in(spec, action.target.kind == "ScaledObject" ? "minReplicaCount" : "minReplicas");
    action.max_replicas = count_in(spec, action.target.kind == "ScaledObject" ? "maxReplicaCount" : "maxReplicas");
}

/// Adds what one `kubectl scale` or `kubectl patch` does. False: it is one of them and cannot be understood.
bool read_kubectl(const std::vector<std::string>& words, const SourcePosition& where, std::vector<ScaleAction>& out) {
    std::string verb, resource, name, replicas, patch;
    std::vector<std::string> plain;
    for (std::size_t i = 1; i < words.size(); ++i) {
        const std::string& word = words[i];
        const auto value = [&](const std::string& flag, std::string& to) {
            if (word == flag && i + 1 < words.size()) to = words[++i];
            else if (word.starts_with(flag + "=")) to = word.substr(flag.size() + 1);
            else return false;
            return true;
        };
        std::string ignored;
        if (value("--replicas", replicas) || value("--patch", patch) || value("-p", patch) || value("-n", ignored) || value("--namespace", ignored) ||
            value("--type", ignored) || value("--context", ignored) || value("--timeout", ignored) || value("--current-replicas", ignored))
            continue;
        if (!word.empty() && word[0] != '-') plain.push_back(word);
    }
    if (plain.empty() || (plain[0] != "scale" && plain[0] != "patch")) return true;
    verb = plain[0];
    for (std::size_t i = 1; i < plain.size(); ++i) {
        const std::size_t slash = plain[i].find('/');
        if (slash != std::string::npos) {
            resource = plain[i].substr(0, slash);
            name = plain[i].substr(slash + 1);
        } else if (resource.empty()) {
            resource = plain[i];
            continue;
        } else {
            name = plain[i];
        }
        ScaleAction action;
        action.target = {kind_of(resource), name, where};
        if (verb == "scale") action.replicas = count_of(replicas);
        else read_patch(patch, action);
        if (action.target.kind.empty() || name.empty() || name.find('$') != std::string::npos) return false;
        // A patch of anything else (an image, an annotation) is not about replicas.
        if (!action.replicas && !action.min_replicas && !action.max_replicas) return false;
        out.push_back(std::move(action));
    }
    return !out.empty();
}

void read_commands(const Container& container, Decoder& object, JobObject& out) {
    std::vector<std::string> words = container.command;
    words.insert(words.end(), container.args.begin(), container.args.end());
    Environment environment;
    for (const EnvironmentVariable& v : container.environment)
        if (v.known) environment[v.name] = v.value;
    (void)find_command(words, environment, [&](const std::vector<std::string>& command) {
        if (command.empty() || !(command[0] == "kubectl" || command[0].ends_with("/kubectl"))) return false;
        if (read_kubectl(command, container.where, out.actions)) return false;
        object.findings().errors.push_back({container.where, container.path, "found \"" + join(command, " ") +
            "\", allowed: kubectl scale deployment/NAME --replicas=N, or kubectl patch of replicas, minReplicas or maxReplicas with numbers; or declare it: annotation windtunnel.dev/scales: Deployment/NAME=N"});
        return false;
    });
}

/// windtunnel.dev/scales: "Deployment/chat=4; HorizontalPodAutoscaler/chat=min:2,max:8". "" = nothing.
void read_declaration(Decoder& metadata, const std::string& text, JobObject& out) {
    const char* key = "windtunnel.dev/scales";
    const auto wrong = [&](const std::string& part) {
        metadata.child("annotations").error(key, "found \"" + part + "\", allowed: Deployment/NAME=N, or HorizontalPodAutoscaler/NAME=min:N,max:M, parted by ;");
    };
    for (std::size_t from = 0; from <= text.size();) {
        const std::size_t end = std::min(text.find(';', from), text.size());
        const std::vector<std::string> words = split_words(text.substr(from, end - from));
        from = end + 1;
        if (words.empty()) continue;
        const std::string part = join(words, "");
        const std::size_t slash = part.find('/'), equals = part.find('=');
        ScaleAction action;
        if (slash == std::string::npos || equals == std::string::npos || equals < slash) {
            wrong(part);
            continue;
        }
        action.target = {part.substr(0, slash), part.substr(slash + 1, equals - slash - 1), metadata.where("annotations")};
        if (const std::string known = kind_of(action.target.kind); !known.empty()) action.target.kind = known;
        bool good = true;
        for (std::size_t at = equals + 1; at <= part.size();) {
            const std::size_t comma = std::min(part.find(',', at), part.size());
            const std::string piece = part.substr(at, comma - at);
            at = comma + 1;
            auto& to = piece.starts_with("min:") ? action.min_replicas : piece.starts_with("max:") ? action.max_replicas : action.replicas;
            to = count_of(piece.substr(piece.starts_with("min:") || piece.starts_with("max:") ? 4 : 0));
            good = good && to.has_value();
        }
        if (good) out.actions.push_back(std::move(action));
        else wrong(part);
    }
}

/// Decodes what Jobs and the jobTemplate of a CronJob have in common.
void decode_job_spec(Decoder spec, Decoder& object, JobObject& out) {
    if (!spec.has("template")) spec.missing("template", "the pod template");
    out.pod = decode_pod_template(spec.child("template"), {RestartPolicy::on_failure, RestartPolicy::do_not});
    out.parallelism = spec.int32("parallelism", 0).value_or(1);
    out.completions = spec.int32("completions", 0);
    out.backoff_limit = spec.int32("backoffLimit", 0).value_or(6);
    out.indexed = spec.choice<bool>("completionMode", {{"NonIndexed", false}, {"Indexed", true}}).value_or(false);
    if (out.indexed && !out.completions) spec.missing("completions", "a count, as completionMode is Indexed");
    out.suspended = spec.boolean("suspend").value_or(false);
    if (const auto time = spec.whole_seconds("activeDeadlineSeconds", 1)) out.active_deadline = *time;
    if (const auto time = spec.whole_seconds("ttlSecondsAfterFinished", 0)) out.ttl_after_finished = *time;
    for (const char* rule : {"podFailurePolicy", "successPolicy", "backoffLimitPerIndex", "maxFailedIndexes"})
        if (spec.has(rule) && out.rule_of_its_end.empty()) out.rule_of_its_end = rule;
    spec.quiet({"selector", "manualSelector", "podReplacementPolicy", "podFailurePolicy", "successPolicy", "backoffLimitPerIndex", "maxFailedIndexes", "managedBy"});
    spec.finish();
    Decoder metadata = object.child("metadata");
    const auto declared = out.meta.annotations.find("windtunnel.dev/scales");
    if (declared != out.meta.annotations.end()) read_declaration(metadata, declared->second, out);
    else
        for (const auto* list : {&out.pod.init_containers, &out.pod.containers})
            for (const Container& c : *list) read_commands(c, object, out);
    out.effect_declared = declared != out.meta.annotations.end() || !out.actions.empty();
    for (const Labels* annotations : {&out.pod.annotations, &out.meta.annotations}) {  // the object's own stand over its pods'
        const auto time = annotations->find("windtunnel.dev/run-time-s");
        if (time == annotations->end()) continue;
        if (const auto declared_time = declared_seconds(time->second)) out.run_time = declared_time;
        else metadata.child("annotations").error("windtunnel.dev/run-time-s", "found \"" + time->second + "\", allowed: a number of seconds in quotes");
    }
    if (!out.effect_declared && !out.run_time)
        object.note("", out.meta.title() + " is taken to change nothing; if it scales something, or its pods take room that counts, declare it: annotations windtunnel.dev/scales: Deployment/NAME=N, windtunnel.dev/run-time-s: SECONDS");
}

}  // namespace

JobObject decode_job(Decoder& object, ObjectMeta meta) {
    JobObject out;
    out.meta = std::move(meta);
    if (!object.has("spec")) object.missing("spec", "the Job's spec");
    decode_job_spec(object.child("spec"), object, out);
    return out;
}

ScaledJobObject decode_scaled_job(Decoder& object, ObjectMeta meta) {
    ScaledJobObject out;
    out.meta = meta;
    if (!object.has("spec")) object.missing("spec", "jobTargetRef and triggers");
    Decoder spec = object.child("spec");
    out.job.meta = std::move(meta);
    if (!spec.has("jobTargetRef")) spec.missing("jobTargetRef", "the spec of its Jobs");
    else decode_job_spec(spec.child("jobTargetRef"), object, out.job);
    out.polling_interval = spec.whole_seconds("pollingInterval", 1).value_or(seconds(30));
    out.min_replicas = spec.int32("minReplicaCount", 0).value_or(0);
    out.max_replicas = spec.int32("maxReplicaCount", 1).value_or(100);
    if (out.min_replicas > out.max_replicas)
        spec.error("minReplicaCount", "found " + std::to_string(out.min_replicas) + " above maxReplicaCount " + std::to_string(out.max_replicas) + ", allowed: at most maxReplicaCount");
    Decoder strategy = spec.child("scalingStrategy");
    out.strategy = strategy.choice<JobStrategy>("strategy", {{"default", JobStrategy::normal}, {"custom", JobStrategy::custom}, {"accurate", JobStrategy::accurate}, {"eager", JobStrategy::eager}}).value_or(JobStrategy::normal);
    out.custom_queue_deduction = strategy.int32("customScalingQueueLengthDeduction", 0).value_or(0);
    if (strategy.has("customScalingRunningJobPercentage")) out.custom_running_percentage = metadata_number(strategy, "customScalingRunningJobPercentage", 0, false, false);
    out.calculation = strategy.choice<std::string>("multipleScalersCalculation", {{"max", "max"}, {"min", "min"}, {"avg", "avg"}, {"sum", "sum"}}).value_or("max");
    out.pending_pod_conditions = strategy.texts("pendingPodConditions");
    for (const std::string& condition : out.pending_pod_conditions)
        if (condition != "Ready" && condition != "PodScheduled" && condition != "Initialized" && condition != "ContainersReady" && condition != "PodReadyToStartContainers")
            strategy.error("pendingPodConditions", "found \"" + condition + "\", allowed: Ready, ContainersReady, PodReadyToStartContainers, Initialized, PodScheduled");
    strategy.quiet({"customScalingRunningJobPercentage"});
    strategy.finish();
    Decoder rollout = spec.child("rollout");
    out.gradual = rollout.choice<bool>("strategy", {{"default", false}, {"gradual", true}}).value_or(false);
    rollout.quiet({"propagationPolicy"});
    rollout.finish();
    (void)spec.choice<bool>("rolloutStrategy", {{"default", false}, {"gradual", true}});
    if (!spec.has("triggers")) spec.missing("triggers", "at least one trigger");
    for (Decoder& item : spec.children("triggers")) out.triggers.push_back(decode_trigger(item));
    if (spec.has("triggers") && out.triggers.empty()) spec.error("triggers", "is empty, allowed: at least one trigger");
    for (const Trigger& trigger : out.triggers)
        if (trigger.kind == TriggerKind::cpu || trigger.kind == TriggerKind::memory) spec.error("triggers", "found " + trigger.type + ", allowed for Jobs: triggers of something that waits (KEDA refuses it)");
    spec.quiet({"successfulJobsHistoryLimit", "failedJobsHistoryLimit", "envSourceContainerName"});
    spec.finish();
    return out;
}

CronJobObject decode_cron_job_object(Decoder& object, ObjectMeta meta) {
    CronJobObject out;
    out.meta = meta;
    if (!object.has("spec")) object.missing("spec", "schedule and jobTemplate");
    Decoder spec = object.child("spec");
    out.schedule = spec.required_text("schedule");
    out.timezone = spec.text("timeZone").value_or("Etc/UTC");
    if (!is_time_zone(out.timezone)) spec.error("timeZone", "found \"" + out.timezone + "\", allowed: an IANA time zone such as Asia/Kolkata");
    out.suspended = spec.boolean("suspend").value_or(false);
    out.concurrency = spec.choice<ConcurrencyPolicy>("concurrencyPolicy", {{"Allow", ConcurrencyPolicy::allow}, {"Forbid", ConcurrencyPolicy::forbid}, {"Replace", ConcurrencyPolicy::replace}})
                          .value_or(ConcurrencyPolicy::allow);
    if (const auto time = spec.whole_seconds("startingDeadlineSeconds", 0)) out.starting_deadline = *time;
    spec.quiet({"successfulJobsHistoryLimit", "failedJobsHistoryLimit"});
    if (!spec.has("jobTemplate")) spec.missing("jobTemplate", "the template of its Jobs");
    Decoder job = spec.child("jobTemplate");
    out.job.meta = std::move(meta);
    decode_job_spec(job.child("spec"), object, out.job);
    job.quiet({"metadata"});
    job.finish();
    spec.finish();
    return out;
}

std::vector<ScalingCronJob> scaling_cron_jobs_of(const CronJobObject& job) {
    std::vector<ScalingCronJob> out;
    for (const ScaleAction& action : job.job.actions) {
        ScalingCronJob entry;
        entry.meta = job.meta;
        entry.schedule = job.schedule;
        entry.timezone = job.timezone;
        entry.target = action.target;
        entry.replicas = action.replicas.value_or(0);
        entry.suspended = job.suspended;
        entry.min_replicas = action.min_replicas;
        entry.max_replicas = action.max_replicas;
        out.push_back(std::move(entry));
    }
    return out;
}

}  // namespace windtunnel
